/**
 * Tensors and nodes. A tensor is a symbol with a shape and a dtype, never data. A node is one use of an op; its outputs are
 * tensors. A graph starts from leaves: inputs (written by the host before a run), states (kept on the device from run to run:
 * parameters, moments, counters) and constants.
 */

import type { Distribution, Random } from "../numbers/random.ts";
import { GraphError, ShapeError } from "../validation/errors.ts";
import type { Constants, KernelEnv, KernelPlan, Pointwise } from "./kernel.ts";
import {
  checkDType,
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
import { refuseOtherDType, shapeOf, toData, type Values, type ValuesOf } from "./values.ts";

/** Initial value of a state: one number everywhere, given values, or values drawn from a seeded stream. */
export type Initial = number | Data | Draw;
/** Draws values. `distribution`: each value is drawn independently from it, so that an ahead-of-time program can draw them, too. */
export type Draw = ((random: Random) => Data) & { readonly distribution?: Distribution };

/** What `state` and `parameter` take for it. */
type Start = Initial | Values | undefined;

export type Leaf =
  | { readonly kind: "input" }
  | { readonly kind: "state"; readonly initial: Initial; readonly trainable: boolean }
  | { readonly kind: "constant"; readonly data: Data };

export interface OpPlan<C extends Constants = Constants> {
  readonly outputs: readonly Spec[];
  readonly constants: C;
}

/** What `backward` is given: `grads[i]` is the gradient of `outputs[i]`; `needs[i]` says whether input i needs one. */
export interface BackwardContext<A = unknown> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly grads: readonly (Tensor | undefined)[];
  readonly needs: readonly boolean[];
  readonly attrs: A;
}

/** The CPU body of an op: fills the arrays named by its results from those named by its args. */
export type CpuBody = (tensors: Readonly<Record<string, Data>>, constants: Constants) => void;

/** What a fusion reads of a graph: see Graph in graph.ts. */
export interface GraphView {
  readonly nodes: readonly Node[];
  users(tensor: Tensor): readonly Node[];
  isOutput(tensor: Tensor): boolean;
}

/** What a fusion returns: tensors that others replace, and updates that other nodes replace. */
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
  /** Args whose storage the op changes. An op with any is an update: it runs after everything that reads the old values. */
  readonly mutates: readonly string[];
  /** This update may run after another update of the same state and reads its result. Otherwise two updates of one state are refused. */
  readonly follows?: boolean;
  /** This update is left out where another one changes the same state. */
  readonly yields?: boolean;
  /** Nothing is computed, since the output shares storage with its inputs: `reshape` of one input, `pack` of many. */
  readonly view?: "reshape" | "pack";
  /** The op is this function of each element; such ops fuse into one generated kernel. */
  readonly pointwise?: Pointwise;
  plan(inputs: readonly Spec[], attrs: unknown): OpPlan;
  readonly cpu: CpuBody;
  kernels?(constants: Constants, env: KernelEnv): KernelPlan;
  backward?(context: BackwardContext): readonly (Tensor | undefined)[];
}

let created = 0;
const scopes: string[] = [];

/** One use of an op. Nodes are immutable; a fusion makes new ones. */
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

/** One output of a node. */
export class Tensor<out D extends DType = DType> implements Spec {
  constructor(
    readonly node: Node,
    readonly index: number,
    readonly shape: Shape,
    readonly dtype: D,
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

  /** How this tensor was made, if it is a leaf. */
  get leaf(): Leaf | undefined {
    return leaves.get(this);
  }

  /** Using a tensor as a number is a mistake: it has no value while the graph is built. */
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

function makeLeaf<D extends DType>(leaf: Leaf, shape: Shape, dtype: D, label: string): Tensor<D> {
  checkShape(label, shape);
  checkDType(label, dtype);
  const plan: OpPlan = { outputs: [{ shape: [...shape], dtype }], constants: {} };
  const tensor = new Node(leafOp, [], leaf, plan, scopedLabel(label)).outputs[0] as Tensor<D>;
  leaves.set(tensor, leaf);
  return tensor;
}

/** A leaf that the host writes before a run. */
export function input<D extends DType = "f32">(
  shape: Shape,
  dtype: D = "f32" as D,
  label = "input",
): Tensor<D> {
  return makeLeaf({ kind: "input" }, shape, dtype, label);
}

/**
 * A leaf whose values stay on the device from run to run and that updates may change: a counter, a moment. `initial` is
 * converted as by `device.write`. Throws ShapeError on another number of values, ValueError on values that `dtype` can't hold and on
 * arrays of another dtype.
 */
export function state(shape: Shape): Tensor<"f32">;
export function state<V extends Start, D extends DType = "f32">(
  shape: Shape,
  initial: V & ValuesOf<D, V>,
  dtype?: D,
  label?: string,
): Tensor<D>;
export function state(shape: Shape, initial: Start = 0, dtype: DType = "f32", label = "state"): Tensor {
  return makeState(shape, initial, dtype, label, false);
}

/** A state that training changes: f32, with a gradient. `initial` as in `state`. */
export function parameter(shape: Shape): Tensor<"f32">;
export function parameter<V extends Start>(
  shape: Shape,
  initial: V & ValuesOf<"f32", V>,
  label?: string,
): Tensor<"f32">;
export function parameter(shape: Shape, initial: Start = 0, label = "parameter"): Tensor<"f32"> {
  return makeState(shape, initial, "f32", label, true);
}

function makeState<D extends DType>(
  shape: Shape,
  initial: Initial | Values,
  dtype: D,
  label: string,
  trainable: boolean,
): Tensor<D> {
  checkShape(label, shape);
  checkDType(label, dtype);
  if (typeof initial === "function") {
    return makeLeaf({ kind: "state", initial, trainable }, shape, dtype, label);
  }
  const one = typeof initial === "number";
  refuseOtherDType(`${label} ${formatSpec({ shape, dtype })}`, dtype, initial);
  const data = toData(`${label} ${formatSpec({ shape, dtype })}`, dtype, one ? [initial] : initial);
  if (!one) expectValues(label, shape, dtype, initial, data);
  return makeLeaf({ kind: "state", initial: one ? initial : data, trainable }, shape, dtype, label);
}

/**
 * A leaf with a copy of `data`, fixed when the graph is built: i32 from an Int32Array or BigInt64Array, u32 from a Uint32Array or
 * BigUint64Array, f32 from any other numbers. Throws ShapeError unless there are as many as `shape` holds, ValueError on anything
 * but an array of numbers.
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

/** `given` as data of all of `tensor`, or of its elements from `at` on. Throws ShapeError and ValueError, see `toData`. */
export function valuesFor(tensor: Tensor, given: Values, at?: number): Data {
  refuseOtherDType(tensor.toString(), tensor.dtype, given);
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

/** Notes that layer `who` made `tensor` in evaluation mode outside `nn.build`: see `gradients`. */
export function markEvaluation(tensor: Tensor, who: string): Tensor {
  evaluating.set(tensor, who);
  return tensor;
}

/** The layer that `markEvaluation` named. */
export function evaluatedBy(tensor: Tensor): string | undefined {
  return evaluating.get(tensor);
}

/** Puts `name.` before the labels of everything that `build` makes. */
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
