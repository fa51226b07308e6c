/**
 * Where does a device part from the truth? Runs a graph on the device and on the 64-bit CPU reference, op by op as it was
 * built, and names the first node that differs. The answer to "my loss is wrong on this machine".
 */

import { ValueError } from "../common/errors.ts";
import { checkOptions } from "../common/options.ts";
import { Graph, type GraphSpec } from "../graph/graph.ts";
import { type Data, formatSpec } from "../graph/spec.ts";
import type { Node, Tensor } from "../graph/tensor.ts";
import { type Backend, checkDevice } from "../runtime/backend.ts";
import { CpuBackend } from "../runtime/cpu/backend.ts";
import { firstValues } from "../runtime/initial-values.ts";

export interface CompareOptions {
  /** What is tolerated of a node's result: atol + rtol · |reference|. Default 1e-5 and 1e-4: errors add up on the way. */
  readonly atol?: number;
  readonly rtol?: number;
  /** Seed of states whose first values are drawn. Default 0. */
  readonly seed?: number;
  /** Forces kernel variants by op name. */
  readonly variants?: Readonly<Record<string, string>>;
}

/** The first result that differs. */
export interface Divergence {
  /** Name of the op, `conv2d`. */
  readonly op: string;
  /** Label of the tensor, `model.0.conv2d`. */
  readonly label: string;
  /** Labels of what the op read, all of them right. */
  readonly inputs: readonly string[];
  readonly index: number;
  readonly actual: number;
  readonly expected: number;
  /** Largest error among its elements, as a share of what is tolerated. */
  readonly error: number;
  /** The above in a sentence. */
  readonly message: string;
}

export interface CompareReport {
  readonly ok: boolean;
  /** How many tensors were compared. */
  readonly compared: number;
  readonly first: Divergence | undefined;
}

/** How many tensors are read from one run: each keeps a buffer of its own. */
const AT_ONCE = 32;

/**
 * Compares every tensor that `outputs` of `graph` are computed from, in the order of computation. `inputs` are values of
 * the graph's inputs, and of states that should be otherwise than they are on the device. Updates are not carried out.
 *
 * Throws ValueError where an input has no value.
 */
export async function compare(
  device: Backend,
  graph: GraphSpec,
  inputs: ReadonlyMap<Tensor, Data>,
  options: CompareOptions = {},
): Promise<CompareReport> {
  checkDevice("compare", device);
  const kinds = { atol: "number", rtol: "number", seed: "number", variants: "object" } as const;
  const { atol = 1e-5, rtol = 1e-4, seed = 0, variants = {} } = checkOptions("compare", options, kinds);
  const all = new Graph(graph);
  for (const leaf of all.leaves()) {
    if (leaf.leaf?.kind === "input" && !inputs.has(leaf)) {
      throw new ValueError(`compare: the input ${leaf.label} has no value`);
    }
  }
  const values = await valuesOf(device, all, inputs, seed);
  const tensors = all.nodes
    .filter((n) => n.op.mutates.length === 0 && n.op.view === undefined)
    .flatMap((n) => n.outputs);
  const reference = new CpuBackend({ bits: 64 });
  let compared = 0;
  for (let at = 0; at < tensors.length; at += AT_ONCE) {
    const outputs = tensors.slice(at, at + AT_ONCE);
    const actual = await evaluate(device, outputs, values, variants);
    const expected = await evaluate(reference, outputs, values, {});
    for (const [i, tensor] of outputs.entries()) {
      compared++;
      const first = difference(tensor, actual[i] as Data, expected[i] as Data, atol, rtol);
      if (first !== undefined) return { ok: false, compared, first };
    }
  }
  await reference.close();
  return { ok: true, compared, first: undefined };
}

/** Values of all leaves that are not constants, the same for both; states are as the device has them, if it does. */
async function valuesOf(
  device: Backend,
  graph: Graph,
  inputs: ReadonlyMap<Tensor, Data>,
  seed: number,
): Promise<Map<Tensor, Data>> {
  const values = new Map<Tensor, Data>();
  const leaves = graph.leaves();
  const first = firstValues(leaves, seed);
  for (const leaf of leaves) {
    const given = inputs.get(leaf);
    if (given !== undefined) values.set(leaf, given);
    else if (leaf.leaf?.kind === "state") {
      values.set(leaf, device.holds(leaf) ? await device.read(leaf) : first(leaf));
    }
  }
  return values;
}

async function evaluate(
  backend: Backend,
  outputs: readonly Tensor[],
  values: ReadonlyMap<Tensor, Data>,
  variants: Readonly<Record<string, string>>,
): Promise<Data[]> {
  const program = await backend.compile({ outputs }, { fuse: false, variants });
  for (const [leaf, data] of values) if (backend.holds(leaf)) backend.write(leaf, data);
  program.run();
  const read: Data[] = [];
  for (const t of outputs) read.push(await program.read(t));
  return read;
}

function difference(
  tensor: Tensor,
  actual: Data,
  expected: Data,
  atol: number,
  rtol: number,
): Divergence | undefined {
  const whole = tensor.dtype !== "f32";
  let [index, error] = [-1, 0];
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i] as number, expected[i] as number];
    if (Object.is(a, e) || a === e) continue;
    const share = whole ? Number.POSITIVE_INFINITY : Math.abs(a - e) / (atol + rtol * Math.abs(e));
    const found = Number.isNaN(share) ? Number.POSITIVE_INFINITY : share;
    if (found > 1 && index < 0) index = i;
    error = Math.max(error, found);
  }
  if (index < 0) return undefined;
  const node: Node = tensor.node;
  const [a, e] = [actual[index] as number, expected[index] as number];
  return {
    op: node.op.name,
    label: tensor.label,
    inputs: node.inputs.map((t) => t.label),
    index,
    actual: a,
    expected: e,
    error,
    message:
      `${node.op.name} (${tensor.label}, ${formatSpec(tensor)}) is the first to differ: element ${index} is ${a}, ` +
      `the reference has ${e}; its inputs (${node.inputs.map((t) => t.label).join(", ")}) agree`,
  };
}
