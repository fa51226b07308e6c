/**
 * The contract of an op: one definition with a shape rule, a naive CPU body, WGSL kernels and a backward pass.
 * The CPU body and the kernels are independent of each other but read the same names. Nothing here depends on WebGPU.
 */
import { GraphError, ShapeError } from "../validation/errors.ts";
import { checkOptions, expectGiven, given, nearest, type OptionKinds, shown } from "../validation/options.ts";
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

const opNames = new Set<string>();

/** Throws GraphError, with the nearest name, unless every key of `variants` is the name of an op that was defined. */
export function checkVariants(variants: Readonly<Record<string, string>> = {}): void {
  const unknown = Object.keys(variants).find((name) => !opNames.has(name));
  if (unknown === undefined) return;
  const close = nearest(unknown, [...opNames]);
  const hint = close === undefined ? "" : `; did you mean ${close}?`;
  throw new GraphError(`compile: variants: there is no op ${shown(unknown)}${hint}`);
}

/**
 * Makes an op out of its definition. Throws ValueError on options that are unknown or missing, ShapeError where two args or
 * results have the same name, or `mutates` names no arg. Check a new op with `compare` (device against CPU body) and `checkGradients` (backward against differences).
 */
// @__NO_SIDE_EFFECTS__
export function defineOp<const Args extends string, const Results extends string, A, C extends Constants>(
  definition: OpDefinition<Args, Results, A, C>,
): DefinedOp<A> {
  const who = `defineOp ${definition?.name}`;
  checkOptions(who, definition, DEFINITION);
  expectGiven(who, definition, ["name", "args", "results", "plan", "cpu"]);
  // The definition's types hold because every node of this op is made by `node` below.
  const op = { variants: [], mutates: [], ...definition } as unknown as Op;
  const names = [...op.args, ...op.results];
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new ShapeError(`${op.name}: ${twice} names two args or results`);
  const isVariadic = op.args[0]?.startsWith("...") === true;
  const stranger = op.mutates.find((name) => !isVariadic && !op.args.includes(name));
  if (stranger !== undefined) throw new ShapeError(`${op.name}: mutates ${stranger}, which is no arg`);
  opNames.add(op.name);
  const node = (inputs: readonly Tensor[], attrs: A, label: string = op.name): Node => {
    if (!isVariadic && inputs.length > op.args.length) {
      throw new ShapeError(`${op.name}: takes at most ${op.args.length} inputs, got ${inputs.length}`);
    }
    const wrong = inputs.findIndex((x) => !(x instanceof Tensor));
    if (wrong >= 0) {
      const name = argName(defined, wrong);
      expectTensor(op.name, name, inputs[wrong]);
    }
    const plan = op.plan(inputs, attrs);
    if (plan.outputs.length !== op.results.length) {
      throw new ShapeError(
        `${op.name}: plan gave ${plan.outputs.length} outputs for the results ${op.results.join(", ") || "(none)"}`,
      );
    }
    return new Node(defined, inputs, attrs, plan, scopedLabel(label));
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

/** Throws ShapeError, naming `cast`, on integers. */
export function expectFloats(op: string, x: Spec): void {
  if (x.dtype !== "f32") throw shapeError(op, 'input must be f32, as ops.cast(x, "f32") gives it', [x]);
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
    const hint = spec.dtype === dtype ? "" : `; convert with ops.cast(x, "${dtype}")`;
    throw new ShapeError(`${op}: ${name} must be ${dtype} of rank ${rank}, got ${formatSpec(spec)}${hint}`);
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
