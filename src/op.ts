/**
 * The contract of an op: one definition with a shape rule, a naive CPU body, WGSL kernels and a backward pass.
 * The CPU body and the kernels are independent of each other but read the same names. Nothing here knows WebGPU.
 */
import { ShapeError } from "./errors.ts";
import { checkOptions, given, type OptionKinds, shown } from "./options.ts";
import type { Shader, ShaderSource } from "./shader.ts";
import { type Data, formatSpec, Node, type Spec, scopedLabel, Tensor } from "./tensor.ts";

/**
 * Numbers computed once by `plan`; those that a shader declares, as `override` or in `struct Sizes`, are given to it.
 * Overrides make a pipeline of their own for each value; members of `var<uniform> sizes: Sizes`, all u32, are read
 * at run time, so that nodes of other shapes share a pipeline: what loops need not know while they are compiled.
 */
export type Constants = Readonly<Record<string, number | boolean | readonly number[] | string>>;

export interface OpPlan<C extends Constants = Constants> {
  readonly outputs: readonly Spec[];
  readonly constants: C;
}

/** What kernel choice may depend on: the adapter, and a variant that the user or a test forces. */
export interface KernelEnv {
  /** True on SwiftShader and lavapipe, where barriers are dear and register tiles win. */
  readonly software: boolean;
  readonly maxWorkgroupSize: number;
  readonly maxWorkgroupMemory: number;
  /** Invocations per subgroup where the adapter has subgroups and all of one size, else 0. */
  readonly subgroupSize: number;
  readonly variant?: string;
}

/** One dispatch. */
export interface Kernel {
  readonly shader: Shader;
  readonly entry: string;
  /**
   * The shader's storage variables that the entry uses: `"x"` binds the arg, result or scratch named x to `var x`;
   * `["x4", "x"]` binds it to `var x4` (another element type for the same memory).
   */
  readonly bind: readonly (string | readonly [variable: string, name: string])[];
  /** Constants beside the plan's (tile sizes, flags); they win over those of the same name. */
  readonly constants?: Readonly<Record<string, number | boolean>>;
  readonly groups: readonly [x: number, y?: number, z?: number];
  /**
   * Stands in for this kernel until it has been compiled, where that saves pipelines before the first run. Same shader,
   * bindings and content of `sizes`; same results, bit for bit.
   */
  readonly standIn?: Kernel;
}

/** A kernel with the constants of the node that it is for. */
export interface KernelUse {
  readonly kernel: Kernel;
  readonly constants: Constants;
}

export interface KernelPlan {
  readonly kernels: readonly Kernel[];
  /** Temporary storage by name, in 4-byte words, alive during this node only. Its content starts undefined. */
  readonly scratch?: Readonly<Record<string, number>>;
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
  /** The fusion of nodes of this op with their neighbours, which only programs that have such nodes need. */
  rewrite?(graph: GraphView): Replaced;
  plan(inputs: readonly Spec[], attrs: unknown): OpPlan;
  readonly cpu: CpuBody;
  kernels?(constants: Constants, env: KernelEnv): KernelPlan;
  backward?(context: BackwardContext): readonly (Tensor | undefined)[];
}

export interface Pointwise {
  /** WGSL expression of the result from the expressions of its arguments (each already in parentheses or a name). */
  wgsl(args: readonly string[], constants: Constants): string;
  /** WGSL functions that the expression calls. */
  readonly functions?: readonly ShaderSource[] | undefined;
  /** The same function on numbers. */
  scalar(args: readonly number[], constants: Constants): number;
}

/** `Record` of the tensors of a CPU body. A missing optional arg is an empty array. */
export type Tensors<Names extends string> = Readonly<Record<Names, Data>>;

export interface OpDefinition<Args extends string, Results extends string, A, C extends Constants> {
  readonly name: string;
  readonly args: readonly Args[];
  readonly results: readonly Results[];
  /** Kernel families that can be forced and that tests go through; the first is no default, `kernels` chooses. */
  readonly variants?: readonly string[];
  readonly mutates?: readonly Args[];
  readonly follows?: boolean;
  readonly yields?: boolean;
  readonly view?: "reshape" | "pack";
  readonly pointwise?: Pointwise;
  rewrite?(graph: GraphView): Replaced;
  /** Checks shapes, dtypes and attributes (throws ShapeError) and computes output specs and constants. */
  plan(inputs: readonly Spec[], attrs: A): OpPlan<C>;
  /** Naive loops that accumulate in float64. Index arithmetic stays inside by construction, hence `!` in bodies. */
  cpu(tensors: Tensors<Args | Results>, constants: C): void;
  kernels?(constants: C, env: KernelEnv): KernelPlan;
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
  rewrite: "function",
  follows: "any",
  yields: "any",
  plan: "function",
  cpu: "function",
  kernels: "function",
  backward: "function",
} as const satisfies OptionKinds<OpDefinition<string, string, unknown, Constants>>;

/** Makes an op out of its definition. */
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

/** Refuses what is no tensor, such as an array of numbers, before anything of it is read. */
export function expectTensor(op: string, name: string, x: unknown): asserts x is Tensor {
  if (x instanceof Tensor) return;
  throw new ShapeError(`${op}: ${name} must be a tensor, as input() or constant() give it, got ${shown(x)}`);
}

/** Refuses what is no array, such as the first of numbers that were not put into one. */
export function expectArray(op: string, name: string, list: unknown): void {
  if (Array.isArray(list) || ArrayBuffer.isView(list)) return;
  throw new ShapeError(`${op}: ${name} must be an array, got ${shown(list)}`);
}

/** Refuses an input whose rank or dtype is not the expected one. */
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

/** Refuses an attribute that is not a whole number of at least `least`. */
export function expectWhole(op: string, name: string, value: number, least: number): number {
  if (!Number.isInteger(value) || value < least) {
    throw new ShapeError(
      `${op}: ${name} must be a whole number of at least ${least}, got ${given(op, value)}`,
    );
  }
  return value;
}

/** The largest number of workgroups along one axis that every WebGPU device allows. */
export const MAX_GROUPS = 65535;

/** Spreads `count` workgroups over x and y; the shader's index is `wg.y * num_workgroups.x + wg.x`, and may exceed. */
export function spread(count: number): readonly [number, number] {
  const y = Math.ceil(count / MAX_GROUPS);
  return [Math.ceil(count / y), y];
}
