/** What the doctor checks: uses of an op at small and odd shapes, with seeded numbers. Also the notation of the tables in cases/. */

import type { DType, Shape } from "../graph/spec.ts";
import type { Node, Op, Tensor } from "../graph/tensor.ts";
import type { Tolerance } from "../numbers/allclose.ts";

export interface Leaf {
  readonly shape: Shape;
  /** Default f32. */
  readonly dtype?: DType;
  /** Default: seeded uniform numbers in `range`. */
  readonly data?: readonly number[];
  /** Default: that of the check. */
  readonly range?: readonly [number, number];
  /** Set to false for an f32 input whose gradient is not checked. */
  readonly gradient?: false;
  /** A state, which updates may change; its value after the run is compared too. */
  readonly state?: true;
}

/** The leaves of a case, as text where all are f32 with random numbers: `"2x3 3x5"`; `"scalar"` has the shape []. */
export type Leaves = string | readonly Leaf[];

/** Tensors to compare and updates to carry out. The gradient of the first f32 output is checked as well. */
export interface Uses {
  readonly outputs?: readonly Tensor[];
  readonly updates?: readonly Node[];
}

/** Builds the graph of a case from its leaves. */
export type Build = (
  ...leaves: [a: Tensor, b: Tensor, c: Tensor, d: Tensor, e: Tensor, f: Tensor, g: Tensor, h: Tensor]
) => Tensor | Uses;

export interface Case {
  /** Default: the shapes of the leaves. */
  readonly name?: string;
  readonly leaves: Leaves;
  readonly build: Build;
}

/** How far a device may be from the float64 reference: `atol + rtol * |reference|`, by default 1e-6 and 1e-5. */
export interface Check extends Partial<Tolerance> {
  /** As the user knows it. */
  readonly op: string;
  readonly cases: readonly Case[];
  /** Range of random numbers. Default [-1, 1]. */
  readonly range?: readonly [number, number];
  /** Set to false for ops without a gradient. */
  readonly gradients?: false;
  /** Set to true to run with fusions; by default ops run one by one. */
  readonly fused?: true;
  /**
   * The ops whose variants are forced one after the other, after the planner's choice. Default: all ops of the cases. For a
   * fusion, the fused ops, because forcing the original ones would prevent it; false for none.
   */
  readonly force?: false | readonly Op[];
  /**
   * How many of the cases each forced kernel runs on a software adapter, which takes seconds to compile a kernel with
   * barriers for every shape. Default: all.
   */
  readonly forcedOnSoftware?: number;
}

/** Cases that differ in their leaves only. */
export const each = (all: readonly Leaves[], build: Build): Case[] =>
  all.map((leaves) => ({ leaves, build }));

export function leavesOf({ leaves }: Case): readonly Leaf[] {
  if (typeof leaves !== "string") return leaves;
  return leaves.split(" ").map((text) => ({ shape: text === "scalar" ? [] : text.split("x").map(Number) }));
}

export function nameOf(c: Case): string {
  return (
    c.name ??
    leavesOf(c)
      .map(({ shape }) => `[${shape}]`)
      .join(" and ")
  );
}
