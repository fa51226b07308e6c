/** What the doctor checks: uses of an op at small shapes, odd ones among them, with seeded numbers. */

import type { DType, Shape } from "../graph/spec.ts";
import type { Node, Op, Tensor } from "../graph/tensor.ts";

export interface Leaf {
  readonly shape: Shape;
  /** Default f32. */
  readonly dtype?: DType;
  /** Default: seeded uniform numbers in `range`. */
  readonly data?: readonly number[];
  /** Default [-1, 1]. */
  readonly range?: readonly [number, number];
  /** Set to false for an f32 input that has no gradient, or whose gradient is not of interest. */
  readonly gradient?: false;
  /** A state, which updates may change; its value after the run is compared too. */
  readonly state?: true;
}

/** Tensors to compare and updates to carry out. The gradient of the first f32 output is checked as well. */
export interface Uses {
  readonly outputs?: readonly Tensor[];
  readonly updates?: readonly Node[];
}

export interface Case {
  readonly name: string;
  readonly leaves: readonly Leaf[];
  build(...leaves: Tensor[]): Tensor | Uses;
}

/** How far a device may be from the float64 reference: `atol + rtol * |reference|`. */
export interface Tolerance {
  /** Default 1e-6. */
  readonly atol?: number;
  /** Default 1e-5. */
  readonly rtol?: number;
}

export interface Check extends Tolerance {
  /** As the user knows it. */
  readonly op: string;
  readonly cases: readonly Case[];
  /** Set to false for ops without a gradient. */
  readonly gradients?: false;
  /** Set to true to run with fusions on; else op by op as written. */
  readonly fused?: true;
  /**
   * Whose variants are forced in turn, after the planner's choice. Default: of all ops as written. For a fusion, the ops
   * that it puts in, since forcing those as written would undo it; or none of any.
   */
  readonly force?: false | readonly Op[];
  /**
   * How many cases, from the first, each forced kernel goes through on a software adapter. Such an adapter takes seconds
   * to compile a kernel with barriers, for every shape anew. Default all.
   */
  readonly forcedOnSoftware?: number;
}
