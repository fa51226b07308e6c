/**
 * The graph: tensors are symbols with a shape and a dtype, never data. A node is one use of an op; its outputs
 * are tensors. Leaves are what a graph starts from: inputs (written by the host before a run), states (live on
 * the device from run to run: parameters, moments, counters) and constants.
 */
import { GraphError, ShapeError } from "../common/errors.ts";
import type { Distribution, Random } from "../common/random.ts";
import type { Constants, KernelEnv, KernelPlan, Pointwise } from "./kernel.ts";
import {
  checkShape,
  type Data,
  type DType,
  formatShape,
  formatSpec,
  type Shape,
  type Spec,
  sameShape,
  sizeOf,
} from "./spec.ts";
import { shapeOf, toData, type Values } from "./values.ts";

/** How a state starts: one number everywhere, given values, or values drawn from a seeded stream. */
export type Initial = number | Data | Draw;
/** Draws values. With `distribution`, each by itself from that, so that a program compiled ahead of time can do the same. */
export type Draw = ((random: Random) => Data) & { readonly distribution?: Distribution };

export type Leaf =
  | { readonly kind: "input" }
  | { readonly kind: "state"; readonly initial: Initial; readonly trainable: boolean }
  | { readonly kind: "constant"; readonly data: Data };

export interface OpPlan<C extends Constants = Constants> {
  readonly outputs: readonly Spec[];
  readonly constants: C;
}

/** What `backward` is given: `grads[i]` belongs to `outputs[i]`, `needs[i]` says whether input i wants a gradient. */
export interface BackwardContext<A = unknown> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly grads: readonly (Tensor | undefined)[];
  readonly needs: readonly boolean[];
  readonly attrs: A;
}

/** The CPU body of an op: fills the arrays named by its results from those named by its args. */
export type CpuBody = (tensors: Readonly<Record<string, Data>>, constants: Constants) => void;

/** What a fusion sees of a graph: see Graph in plan/graph.ts. */
export interface GraphView {
  readonly nodes: readonly Node[];
  users(tensor: Tensor): readonly Node[];
  isOutput(tensor: Tensor): boolean;
}

/** What a fusion says: which tensors are better had from others, and which updates another node carries out. */
export interface Replaced {
  readonly tensors: ReadonlyMap<Tensor, Tensor>;
  readonly updates: ReadonlyMap<Node, Node>;
}

/** An op as the planner and both backends see it. */
export interface Op {
  readonly name: string;
  /** Names of the inputs in order; trailing ones may be missing in a node. `["...xs"]`: any number, named xs0, xs1 … */
  readonly args: readonly string[];
  readonly results: readonly string[];
  readonly variants: readonly string[];
  /** Args whose storage the op changes: an update, which runs after everything that reads the old value. */
  readonly mutates: readonly string[];
  /** An update that may come after another one of the same state, whose result it takes; others of one state are refused. */
  readonly follows?: boolean;
  /** An update that is left out where another one changes the same state. */
  readonly yields?: boolean;
  /** The output shares storage with its inputs and nothing is computed: `reshape` of one, `pack` of many. */
  readonly view?: "reshape" | "pack";
  /** A scalar function per element: chains of these fuse into one generated kernel. */
  readonly pointwise?: Pointwise;
  plan(inputs: readonly Spec[], attrs: unknown): OpPlan;
  readonly cpu: CpuBody;
  kernels?(constants: Constants, env: KernelEnv): KernelPlan;
  backward?(context: BackwardContext): readonly (Tensor | undefined)[];
}

let created = 0;
const scopes: string[] = [];

/** One use of an op. Nodes never change; a rewrite makes new ones. */
export class Node {
  /** Order of creation: makes every traversal deterministic. */
  readonly id = created++;
  readonly outputs: readonly Tensor[];

  constructor(
    readonly op: Op,
    readonly inputs: readonly Tensor[],
    readonly attrs: unknown,
    readonly plan: OpPlan,
    readonly label: string,
  ) {
    this.outputs = plan.outputs.map((spec, i) => new Tensor(this, i, spec.shape, spec.dtype));
  }
}

/** One output of a node: `{op, inputs}` through `node`, and a shape and dtype. */
export class Tensor implements Spec {
  constructor(
    readonly node: Node,
    readonly index: number,
    readonly shape: Shape,
    readonly dtype: DType,
  ) {}

  get size(): number {
    return sizeOf(this.shape);
  }

  get rank(): number {
    return this.shape.length;
  }

  /** `conv1.conv2d`, or `pool.maxPool2d:1` for a second output. */
  get label(): string {
    return this.index === 0 ? this.node.label : `${this.node.label}:${this.index}`;
  }

  /** The leaf that this tensor is, if it is one. */
  get leaf(): Leaf | undefined {
    return leaves.get(this);
  }

  /** A tensor in a graph has no value yet, so using it as a number is a mistake. */
  valueOf(): never {
    throw new GraphError(
      `${this.label}: a tensor has no value while the graph is built; compile the graph, run it and read the result`,
    );
  }

  toString(): string {
    return `${this.label} ${formatSpec(this)}`;
  }
}

const leaves = new WeakMap<Tensor, Leaf>();

const leafOp: Op = {
  name: "leaf",
  args: [],
  results: ["value"],
  variants: [],
  mutates: [],
  plan: () => {
    throw new GraphError("leaf: leaves are made by input(), state(), parameter() and constant()");
  },
  cpu: () => undefined,
};

function makeLeaf(leaf: Leaf, shape: Shape, dtype: DType, label: string): Tensor {
  checkShape(label, shape);
  const plan: OpPlan = { outputs: [{ shape: [...shape], dtype }], constants: {} };
  const tensor = new Node(leafOp, [], leaf, plan, scopedLabel(label)).outputs[0] as Tensor;
  leaves.set(tensor, leaf);
  return tensor;
}

/** A tensor that the host writes before a run. */
export function input(shape: Shape, dtype: DType = "f32", label = "input"): Tensor {
  return makeLeaf({ kind: "input" }, shape, dtype, label);
}

/**
 * A tensor that stays on the device from run to run and that updates may change: a counter, a moment. `initial` is converted
 * as by `device.write`. Throws ShapeError on another number of values, ValueError on values that `dtype` can't hold.
 */
export function state(
  shape: Shape,
  initial: Initial | Values = 0,
  dtype: DType = "f32",
  label = "state",
): Tensor {
  return makeState(shape, initial, dtype, label, false);
}

/** A state that training changes: f32, with a gradient. `initial` as in `state`. */
export function parameter(shape: Shape, initial: Initial | Values = 0, label = "parameter"): Tensor {
  return makeState(shape, initial, "f32", label, true);
}

function makeState(
  shape: Shape,
  initial: Initial | Values,
  dtype: DType,
  label: string,
  trainable: boolean,
): Tensor {
  checkShape(label, shape);
  if (typeof initial === "function") {
    return makeLeaf({ kind: "state", initial, trainable }, shape, dtype, label);
  }
  const one = typeof initial === "number";
  const data = toData(`${label} ${formatSpec({ shape, dtype })}`, dtype, one ? [initial] : initial);
  if (!one) expectValues(label, shape, dtype, initial, data);
  return makeLeaf({ kind: "state", initial: one ? initial : data, trainable }, shape, dtype, label);
}

/**
 * Data fixed when the graph is built, copied: i32 of an Int32Array or BigInt64Array, u32 of a Uint32Array or BigUint64Array, f32
 * of any other numbers. Throws ShapeError where their number is not the product of `shape`, ValueError on what is no array
 * of numbers.
 */
export function constant(data: Values, shape: Shape = shapeOf(data), label = "constant"): Tensor {
  const i32 = data instanceof Int32Array || data instanceof BigInt64Array;
  const u32 = data instanceof Uint32Array || data instanceof BigUint64Array;
  const dtype = i32 ? "i32" : u32 ? "u32" : "f32";
  const values = toData(label, dtype, data);
  if (values.length !== sizeOf(shape)) {
    throw new ShapeError(
      `constant: shape ${formatShape(shape)} holds ${sizeOf(shape)} values, got ${values.length}`,
    );
  }
  return makeLeaf({ kind: "constant", data: values.slice() }, shape, dtype, label);
}

/** `given` as data for all of `tensor`, or with `at` for what begins there. Throws ShapeError and, see `toData`, ValueError. */
export function valuesFor(tensor: Tensor, given: Values, at?: number): Data {
  const data = toData(tensor.toString(), tensor.dtype, given);
  if (at === undefined) expectValues(tensor.label, tensor.shape, tensor.dtype, given, data);
  else if (!(Number.isInteger(at) && at >= 0 && at + data.length <= tensor.size)) {
    throw new ShapeError(
      `${tensor.toString()}: holds ${tensor.size} values, got ${data.length} to write from ${at} on`,
    );
  }
  return data;
}

function expectValues(label: string, shape: Shape, dtype: DType, given: Values, data: Data): void {
  if (data.length !== sizeOf(shape)) {
    throw new ShapeError(
      `${label} ${formatSpec({ shape, dtype })}: holds ${sizeOf(shape)} values, got ${data.length}`,
    );
  }
  const nested = shapeOf(given);
  if (nested.length > 1 && !sameShape(nested, shape)) {
    throw new ShapeError(
      `${label} ${formatSpec({ shape, dtype })}: got nested arrays of ${formatShape(nested)}`,
    );
  }
}

/** True for a tensor made by `input`, `state`, `parameter` or `constant`. */
export function isLeaf(tensor: Tensor): boolean {
  return leaves.has(tensor);
}

const evaluating = new WeakMap<Tensor, string>();

/** Records that layer `who` made `tensor` in evaluation mode outside `nn.build`: see `gradients`. */
export function markEvaluation(tensor: Tensor, who: string): Tensor {
  evaluating.set(tensor, who);
  return tensor;
}

/** The layer that `markEvaluation` named. */
export function evaluatedBy(tensor: Tensor): string | undefined {
  return evaluating.get(tensor);
}

/** Everything built inside `build` carries `name.` before its label. */
export function scope<T>(name: string, build: () => T): T {
  scopes.push(name);
  try {
    return build();
  } finally {
    scopes.pop();
  }
}

export function scopedLabel(label: string): string {
  return scopes.length === 0 ? label : `${scopes.join(".")}.${label}`;
}
