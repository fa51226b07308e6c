/**
 * The fusion of element-wise ops: neighbours of one shape become one op and one generated kernel, so that nothing
 * between them is stored. A value is folded in when everyone who reads it is in the same group.
 */

import type { Graph } from "../graph/graph.ts";
import { defineOp } from "../graph/op.ts";
import { type Data, type DType, type Spec, sameShape } from "../graph/spec.ts";
import { Node, type Tensor } from "../graph/tensor.ts";
import {
  type Group,
  groupKernels,
  literal,
  parseShapes,
  type Step,
  shapesText,
} from "../kernels/elementwise/group.ts";
import { runGroup } from "../ops/elementwise/pointwise-cpu.ts";

/** Storage buffers that every WebGPU device can bind in one stage. */
export const MAX_BUFFERS = 8;
/** Longer groups compile slowly and gain nothing. */
export const MAX_STEPS = 24;

/** What changes states in a group: buffers that are bound beside its inputs, and which of all change. */
interface InPlace {
  readonly written: readonly string[];
  readonly mutates: readonly string[];
  readonly follows: boolean;
}

/** The op of one group, whose result is `result`, or which changes states if `inPlace` is given. */
export function groupOp(group: Group, inPlace?: InPlace) {
  const name = inPlace === undefined ? "elementwise" : "elementwiseUpdate";
  const names = group.inputs.map(({ name }) => name);
  return defineOp({
    name,
    args: [...names, ...(inPlace?.written ?? [])],
    results: inPlace === undefined ? ["result"] : [],
    ...(inPlace && { mutates: inPlace.mutates, follows: inPlace.follows }),
    plan(inputs, attrs: { readonly shape: readonly number[]; readonly dtype: DType }) {
      const spec: Spec = attrs;
      const shapes = shapesText([...inputs.slice(0, names.length), spec]);
      return { outputs: inPlace === undefined ? [spec] : [], constants: { shapes } };
    },
    cpu(tensors, constants) {
      runGroup(constants, () => group, tensors as Record<string, Data>);
    },
    kernels: ({ shapes }, env) => groupKernels(name, group, parseShapes(shapes), env),
  });
}

/** Finds the groups with one result and gives each group's last tensor its fused form. */
export function fuseElementwise(graph: Graph): Map<Tensor, Tensor> {
  const replaced = new Map<Tensor, Tensor>();
  for (const members of findGroups(graph)) {
    const last = members.at(-1) as Node;
    const { inputs, steps } = stepsOf(members);
    const { shape, dtype } = last.outputs[0] as Tensor;
    const group: Group = {
      inputs: inputs.map(({ dtype }, i) => ({ name: `xs${i}`, dtype })),
      steps,
      outputs: [{ name: "result", dtype, value: inputs.length + steps.length - 1 }],
    };
    const op = groupOp(group);
    const attrs = { shape, dtype };
    const label = members.map((n) => n.op.name).join("+");
    const scope = last.label.slice(0, last.label.lastIndexOf(".") + 1);
    const fused = new Node(op, inputs, attrs, op.plan(inputs, attrs), scope + label);
    replaced.set(last.outputs[0] as Tensor, fused.outputs[0] as Tensor);
  }
  return replaced;
}

/** Groups of at least two nodes, each in graph order, the last one being the only one read from outside. */
function findGroups(graph: Graph): Node[][] {
  const groups = new Map<Node, Node[]>();
  const groupOfNode = new Map<Node, Node[]>();
  for (const node of [...graph.nodes].reverse()) {
    if (node.op.pointwise === undefined) continue;
    const out = node.outputs[0] as Tensor;
    const users = graph.users(out);
    const group = users[0] === undefined ? undefined : groupOfNode.get(users[0]);
    const root = group?.[0]?.outputs[0];
    const joins =
      group !== undefined &&
      root !== undefined &&
      sameShape(root.shape, out.shape) &&
      users.every((u) => groupOfNode.get(u) === group) &&
      !graph.isOutput(out) &&
      group.length < MAX_STEPS &&
      stepsOf([...group, node].reverse()).inputs.length < MAX_BUFFERS;
    const own = joins ? group : [];
    own.push(node);
    groupOfNode.set(node, own);
    if (!joins) groups.set(node, own);
  }
  return [...groups.values()].filter((c) => c.length > 1).map((c) => c.reverse());
}

/**
 * What element-wise nodes in graph order are as steps, with the tensors that they read from outside and the number of every
 * value. Constants of one number are compiled in. `more`: tensors to read beside what the nodes need.
 */
export function stepsOf(
  members: readonly Node[],
  more: readonly Tensor[] = [],
): { inputs: Tensor[]; steps: Step[]; numbers: ReadonlyMap<Tensor, number> } {
  const made = new Set(members.flatMap((n) => n.outputs));
  const read = [...new Set([...members.flatMap((n) => n.inputs), ...more])].filter((t) => !made.has(t));
  const inputs = read.filter((t) => numberOf(t) === undefined);
  const numbers = new Map(inputs.map((t, i) => [t, i]));
  const steps: Step[] = [];
  const push = (tensor: Tensor, step: Step) => numbers.set(tensor, inputs.length + steps.push(step) - 1);
  for (const t of read) {
    const value = numberOf(t);
    if (value === undefined) continue;
    const { dtype } = t;
    push(t, {
      name: String(value),
      args: [],
      functions: undefined,
      wgsl: () => literal(value, dtype),
      scalar: () => value,
    });
  }
  for (const { op, plan, inputs: args, outputs } of members) {
    const dtypes = args.map(({ dtype }) => dtype);
    push(outputs[0] as Tensor, {
      name: op.name,
      args: args.map((t) => numbers.get(t) as number),
      functions: op.pointwise?.functions,
      wgsl: (values) => op.pointwise?.wgsl(values, plan.constants, dtypes) ?? "",
      scalar: (values) => op.pointwise?.scalar(values, plan.constants, dtypes) ?? Number.NaN,
    });
  }
  return { inputs, steps, numbers };
}

/** Below this, float32 numbers have no full precision and may be flushed to 0 when they are compiled in. */
const SMALLEST_NORMAL = 2 ** -126;

/** The number that a constant holds, where WGSL can write it. */
function numberOf({ leaf, size, dtype }: Tensor): number | undefined {
  if (leaf?.kind !== "constant" || size !== 1) return undefined;
  const value = leaf.data[0] as number;
  if (dtype !== "f32") return value;
  const isNormal = Number.isFinite(Math.fround(value)) && Math.abs(value) >= SMALLEST_NORMAL;
  return isNormal || Object.is(value, 0) ? value : undefined;
}
