/**
 * What an op tells the runtime about its kernels: which shader, entry point, bindings, constants and workgroups. Plain data;
 * nothing here knows WebGPU objects or tensors.
 */
import type { Shader, ShaderSource } from "./shader.ts";
import type { DType } from "./spec.ts";

/**
 * Numbers computed once by `plan`; those that a shader declares, as `override` or in `struct Sizes`, are given to it.
 * Overrides make a pipeline of their own for each value; members of `var<uniform> sizes: Sizes`, all u32, are read
 * at run time, so that nodes of other shapes share a pipeline: what loops need not know while they are compiled.
 */
export type Constants = Readonly<Record<string, number | boolean | readonly number[] | string>>;

/**
 * What kernel choice may know of an adapter. Plain data, so that a program can be planned for an adapter that is not there;
 * `adapterProfile` in src/runtime/gpu makes it.
 */
export interface AdapterProfile {
  /**
   * `"high"` where a workgroup barrier suspends and resumes every invocation (software adapters): kernels that keep sums in
   * registers win. `"low"` on GPUs: kernels that share loads through workgroup memory win.
   */
  readonly barrierCost: "low" | "high";
  /**
   * `"high"` where thousands of invocations are needed to keep the adapter busy (GPUs). `"low"` on a few CPU cores: an
   * invocation should do much work, so that what it computes first is shared by more results.
   */
  readonly parallelism: "low" | "high";
  /**
   * `"high"` where a pipeline takes seconds to compile (lavapipe, which vectorises a kernel for every lane): small kernels
   * of different sizes then share one pipeline.
   */
  readonly compileCost: "low" | "high";
  /** Invocations per subgroup where the adapter has subgroups and all of one size, else 0. */
  readonly subgroupSize: number;
  /** Invocations per workgroup. */
  readonly maxWorkgroupSize: number;
  /** Bytes of workgroup memory. */
  readonly maxWorkgroupMemory: number;
}

/** What kernel choice may depend on: the adapter, and a variant that the user or a test forces. */
export interface KernelEnv extends AdapterProfile {
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

export interface Pointwise {
  /** WGSL expression of the result from the expressions of its arguments (each already in parentheses or a name). */
  wgsl(args: readonly string[], constants: Constants, dtypes: readonly DType[]): string;
  /** WGSL functions that the expression calls. */
  readonly functions?: readonly ShaderSource[] | undefined;
  /** The same function on numbers. */
  scalar(args: readonly number[], constants: Constants, dtypes: readonly DType[]): number;
}

/** The largest number of workgroups along one axis that every WebGPU device allows. */
export const MAX_GROUPS = 65535;

/** Spreads `count` workgroups over x and y; the shader's index is `wg.y * num_workgroups.x + wg.x`, and may exceed. */
export function spread(count: number): readonly [number, number] {
  const y = Math.ceil(count / MAX_GROUPS);
  return [Math.ceil(count / y), y];
}
