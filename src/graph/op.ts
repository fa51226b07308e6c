/**
 * The contract of an op: one definition with a shape rule, a naive CPU body, WGSL kernels and a backward pass.
 * The CPU body and the kernels are independent of each other but read the same names. Nothing here depends on WebGPU.
 */
import { ShapeError } from "../validation/errors.ts";
import { checkOptions, given, type OptionKinds, shown } from "../validation/options.ts";
import type { Constants, KernelEnv, KernelPlan, Pointwise } from "./kernel.ts";
import { type Data, formatSpec, type Spec, sizeOf } from "./spec.ts";
import { type BackwardContext, Node, type Op, type OpPlan, scopedLabel, Tensor } from "./tensor.ts";

/** The data that a CPU body reads and writes, by name. A missing optional arg is an empty array. */
export type Tensors<Names extends string> = Readonly<Record<Names, Data>>;

/**
 * The definition of an op. `Args` and `Results` name its tensors in `cpu` and in the bindings of its kernels, `A` are the
 * attributes of a use, `C` the constants that `plan` computes from shapes and attributes.
 */
export interface OpDefinition<Args extends string, Results extends string, A, C extends Constants> {
  /** Shown in labels and errors, and the key of forced variants. */
  readonly name: string;
  /** Names of the inputs in order; trailing ones may be missing in a use. `["...xs"]`: any number, named xs0, xs1 … */
  readonly args: readonly Args[];
  readonly results: readonly Results[];
  /** Names of kernel variants that users and tests can force. Without a forced one `kernels` chooses; the first is not a default. */
  readonly variants?: readonly string[];
  /** Args whose memory the op changes; a use is then an update, which is listed in `updates` of a graph. */
  readonly mutates?: readonly Args[];
  readonly follows?: boolean;
  readonly yields?: boolean;
  readonly view?: "reshape" | "pack";
  readonly pointwise?: Pointwise;
  /** Checks shapes, dtypes and attributes (throws ShapeError) and computes output specs and constants. */
  plan(inputs: readonly Spec[], attrs: A): OpPlan<C>;
  /** Naive loops that accumulate in float64. Indices are in range by construction, hence the `!` in bodies. */
  cpu(tensors: Tensors<Args | Results>, constants: C): void;
  /** The dispatches for these constants on an adapter. Without it the op runs on the CPU reference only. */
  kernels?(constants: NoInfer<C>, env: KernelEnv): KernelPlan;
  /** Gradient nodes, one per input, undefined where there is none or it is not needed. */
  backward?(context: BackwardContext<A>): readonly (Tensor | undefined)[];
}

export interface DefinedOp<A> extends Op {
  /** Adds a use of the op to the graph. */
  node(inputs: readonly Tensor[], attrs: A, label?: string): Node;
  /** `node(…).outputs`. */
  apply(inputs: readonly Tensor[], attrs: A, label?: string): readonly Tensor[];
  /** `node(…).outputs[0]`, for ops with one result. */
  one(inputs: readonly Tensor[], attrs: A, label?: string): Tensor;
}

const DEFINITION = {
  name: "string",
  args: "array",
  results: "array",
  variants: "array",
  mutates: "array",
  view: "string",
  pointwise: "object",
  follows: "any",
  yields: "any",
  plan: "function",
  cpu: "function",
  kernels: "function",
  backward: "function",
} as const satisfies OptionKinds<OpDefinition<string, string, unknown, Constants>>;

/**
 * Makes an op out of its definition. Throws ValueError on unknown options, ShapeError where an arg and a result have the same
 * name. Check a new op with `compare` (device against CPU body) and `checkGradients` (backward against differences).
 */
// @__NO_SIDE_EFFECTS__
export function defineOp<const Args extends string, const Results extends string, A, C extends Constants>(
  definition: OpDefinition<Args, Results, A, C>,
): DefinedOp<A> {
  checkOptions(`defineOp ${definition?.name}`, definition, DEFINITION);
  // The definition's types hold because every node of this op is made by `node` below.
  const op = { variants: [], mutates: [], ...definition } as unknown as Op;
  const twice = op.args.find((name) => op.results.includes(name));
  if (twice !== undefined) throw new ShapeError(`${op.name}: ${twice} names both an arg and a result`);
  const required = (inputs: readonly Tensor[]) => {
    const variadic = op.args[0]?.startsWith("...") === true;
    if (!variadic && inputs.length > op.args.length) {
      throw new ShapeError(`${op.name}: takes at most ${op.args.length} inputs, got ${inputs.length}`);
    }
  };
  const node = (inputs: readonly Tensor[], attrs: A, label: string = op.name): Node => {
    required(inputs);
    const wrong = inputs.findIndex((x) => !(x instanceof Tensor));
    if (wrong >= 0) {
      const name = argName(defined, wrong);
      expectTensor(op.name, name, inputs[wrong]);
    }
    return new Node(defined, inputs, attrs, op.plan(inputs, attrs), scopedLabel(label));
  };
  const defined: DefinedOp<A> = Object.assign(op, {
    node,
    apply: (inputs: readonly Tensor[], attrs: A, label?: string) => node(inputs, attrs, label).outputs,
    one: (inputs: readonly Tensor[], attrs: A, label?: string) => {
      const [first] = node(inputs, attrs, label).outputs;
      if (first === undefined) throw new ShapeError(`${op.name}: has no result`);
      return first;
    },
  });
  return defined;
}

/** Name of input i: args by position, or xs0, xs1 … of a variadic op. */
export function argName(op: Op, i: number): string {
  const name = op.args[0]?.startsWith("...") ? `${op.args[0].slice(3)}${i}` : op.args[i];
  if (name === undefined) throw new ShapeError(`${op.name}: has no input ${i}`);
  return name;
}

/** `${op}: ${rule}, got ${specs}`. */
export function shapeError(op: string, rule: string, inputs: readonly Spec[]): ShapeError {
  return new ShapeError(`${op}: ${rule}, got ${inputs.map(formatSpec).join(", ")}`);
}

/** Throws ShapeError on anything but a tensor, such as an array of numbers, before a property of it is read. */
export function expectTensor(op: string, name: string, x: unknown): asserts x is Tensor {
  if (x instanceof Tensor) return;
  throw new ShapeError(`${op}: ${name} must be a tensor, as input() or constant() give it, got ${shown(x)}`);
}

/** Throws ShapeError on anything but an array, such as the first of numbers that were passed one by one. */
export function expectArray(op: string, name: string, list: unknown): void {
  if (Array.isArray(list) || ArrayBuffer.isView(list)) return;
  throw new ShapeError(`${op}: ${name} must be an array, got ${shown(list)}`);
}

/** Throws ShapeError unless an input has the expected rank and dtype. */
export function expectSpec(
  op: string,
  name: string,
  spec: Spec | undefined,
  rank: number,
  dtype = "f32",
): Spec {
  if (spec === undefined) throw new ShapeError(`${op}: ${name} is missing`);
  if (!Array.isArray(spec?.shape)) expectTensor(op, name, spec);
  if (spec.shape.length !== rank || spec.dtype !== dtype) {
    throw new ShapeError(`${op}: ${name} must be ${dtype} of rank ${rank}, got ${formatSpec(spec)}`);
  }
  return spec;
}

/** Throws ShapeError unless an attribute is a whole number of at least `least`. */
export function expectWhole(op: string, name: string, value: number, least: number): number {
  if (!Number.isInteger(value) || value < least) {
    throw new ShapeError(
      `${op}: ${name} must be a whole number of at least ${least}, got ${given(op, value)}`,
    );
  }
  return value;
}

/** Throws ShapeError unless a tensor of rank 1 holds a single number. */
export function expectOne(op: string, name: string, spec: Spec | undefined, dtype: "f32" | "u32"): void {
  if (sizeOf(expectSpec(op, name, spec, 1, dtype).shape) !== 1) {
    throw shapeError(op, `${name} must hold one number`, spec ? [spec] : []);
  }
}
