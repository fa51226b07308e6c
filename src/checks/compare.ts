/**
 * Finds the first node of a graph whose result on a device differs from the reference: runs the graph on the device and on the
 * 64-bit CPU reference, unfused, and compares every tensor. For users whose loss is wrong on one machine.
 */

import { Graph, type GraphSpec } from "../graph/graph.ts";
import { type Data, formatSpec } from "../graph/spec.ts";
import type { Tensor } from "../graph/tensor.ts";
import { allclose, type Tolerance } from "../numbers/allclose.ts";
import { type Backend, checkDevice } from "../runtime/backend.ts";
import { CpuBackend } from "../runtime/cpu/backend.ts";
import { firstValues } from "../runtime/initial-values.ts";
import { ValueError } from "../validation/errors.ts";
import { checkOptions } from "../validation/options.ts";

export interface CompareOptions {
  /** Tolerance of a tensor's elements: atol + rtol · |reference|. Default 1e-5 and 1e-4, because errors accumulate. */
  readonly atol?: number;
  readonly rtol?: number;
  /** Seed of states with random initial values. Default 0. */
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
  /** Labels of the op's inputs, none of which differs. */
  readonly inputs: readonly string[];
  readonly index: number;
  readonly actual: number;
  readonly expected: number;
  /** Largest error among its elements, as a share of the tolerance. */
  readonly error: number;
  /** All of this in a sentence. */
  readonly message: string;
}

export interface CompareReport {
  readonly ok: boolean;
  /** How many tensors were compared. */
  readonly compared: number;
  readonly first: Divergence | undefined;
}

/** How many tensors are read from one run: each takes a buffer that is not reused. */
const TENSORS_PER_RUN = 32;

/**
 * Compares every tensor that `outputs` of `graph` are computed from, in the order of computation. `inputs` are the values of
 * the graph's inputs, and of states that should have another value than on the device. Updates are not carried out.
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
  for (let at = 0; at < tensors.length; at += TENSORS_PER_RUN) {
    const outputs = tensors.slice(at, at + TENSORS_PER_RUN);
    const actual = await evaluate(device, outputs, values, variants);
    const expected = await evaluate(reference, outputs, values, {});
    for (const [i, tensor] of outputs.entries()) {
      compared++;
      const first = divergence(tensor, actual[i] as Data, expected[i] as Data, { atol, rtol });
      if (first !== undefined) return { ok: false, compared, first };
    }
  }
  await reference.close();
  return { ok: true, compared, first: undefined };
}

/** The values of all inputs and states, the same for both devices; states as they are on `device`, if they are there. */
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
  return Promise.all(outputs.map((t) => program.read(t)));
}

/** Integers must be equal, floats within the tolerance. */
function divergence(
  tensor: Tensor,
  actual: Data,
  expected: Data,
  tolerance: Tolerance,
): Divergence | undefined {
  const allowed = tensor.dtype === "f32" ? tolerance : { atol: 0, rtol: 0 };
  const { worst, first: index } = allclose(actual, expected, allowed);
  if (index < 0) return undefined;
  const { op, inputs } = tensor.node;
  const labels = inputs.map(({ label }) => label);
  const [a, e] = [actual[index] as number, expected[index] as number];
  return {
    op: op.name,
    label: tensor.label,
    inputs: labels,
    index,
    actual: a,
    expected: e,
    error: worst,
    message:
      `${op.name} (${tensor.label}, ${formatSpec(tensor)}) is the first to differ: element ${index} is ${a}, ` +
      `the reference has ${e}; its inputs (${labels.join(", ")}) agree`,
  };
}
