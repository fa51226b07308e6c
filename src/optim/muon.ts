/**
 * Muon (Jordan et al., 2024, "Muon: An optimizer for hidden layers in neural networks"): momentum whose matrices are made
 * orthogonal by Newton-Schulz products. Other parameters are trained by AdamW.
 */

import type { Tensor } from "../graph/tensor.ts";
import { add, div, mul, square, sub } from "../ops/elementwise/arithmetic.ts";
import { where } from "../ops/elementwise/compare.ts";
import { fill } from "../ops/elementwise/fill.ts";
import { rsqrt, sqrt } from "../ops/elementwise/math.ts";
import { matmul } from "../ops/linalg/matmul.ts";
import { norm } from "../ops/reduce/norm.ts";
import { pack } from "../ops/shape/pack.ts";
import { reshape } from "../ops/shape/reshape.ts";
import { transpose } from "../ops/shape/transpose.ts";
import { ValueError } from "../validation/errors.ts";
import { checkOptions, type OptionKinds } from "../validation/options.ts";
import { biasCorrection, checkBetas } from "./adam.ts";
import { defineOptimizer, movingAverage } from "./define-optimizer.ts";
import {
  COMMON,
  type CommonOptions,
  checkRange,
  type Optimizer,
  type ParameterFilter,
  type ParameterGroup,
} from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";

/** Options of AdamW for the parameters that are no matrices. */
export interface MuonAdamwOptions {
  /** Follows the schedule of the matrices' rate. Default 3e-4. */
  readonly learningRate?: number;
  /** Default [0.9, 0.95]. */
  readonly betas?: readonly [number, number];
  /** Default 1e-10. */
  readonly eps?: number;
}

/** `weightDecay` shrinks the weights themselves, as in adamw. */
export interface MuonOptions extends CommonOptions {
  /** Default 0.02. */
  readonly learningRate?: number | Schedule;
  /** Default 0.95. */
  readonly momentum?: number;
  /** Default true. */
  readonly nesterov?: boolean;
  /** Newton-Schulz iterations. Default 5. */
  readonly iterations?: number;
  /**
   * Which parameters are matrices. Kernels of convolutions count as matrices of one row per output channel. The paper leaves
   * embeddings and the last layer to AdamW. Default: all of rank 2 or more.
   */
  readonly matrices?: ParameterFilter;
  readonly adamw?: MuonAdamwOptions;
}

const ADAMW = { learningRate: "number", betas: "array", eps: "number" } as const;
const MUON = {
  learningRate: "any",
  ...COMMON,
  momentum: "number",
  nesterov: "boolean",
  iterations: "number",
  matrices: "function",
  adamw: "options",
} as const satisfies OptionKinds<MuonOptions>;

/** Throws ValueError on options outside their range. */
export function muon(given: MuonOptions = {}): Optimizer {
  const {
    learningRate = 0.02,
    momentum = 0.95,
    nesterov = true,
    iterations = 5,
    matrices = (_name: string, t: Tensor) => t.rank > 1,
    adamw = {},
    ...options
  } = checkOptions("muon", given, MUON);
  const inner = checkOptions("muon: adamw", adamw, ADAMW);
  const { learningRate: innerRate = 3e-4, betas = [0.9, 0.95], eps = 1e-10 } = inner;
  const [beta1, beta2] = checkBetas("muon: adamw", betas);
  checkRange("muon", { momentum }, 1);
  checkRange("muon: adamw", { learningRate: innerRate, eps });
  if (!Number.isInteger(iterations) || iterations < 1) {
    throw new ValueError(`muon: iterations must be a whole number of at least 1, got ${iterations}`);
  }
  const rate = typeof learningRate === "number" ? learningRate : learningRate?.learningRate;
  if (rate === 0) throw new ValueError("muon: learningRate must be above 0");
  return defineOptimizer({
    name: "muon",
    learningRate,
    undefinedAtZero: eps === 0,
    decoupledWeightDecay: true,
    options: { ...options, groups: withRates(options.groups, matrices, innerRate / rate) },
    states: ["m", "v"],
    rule({ parameter, gradient, learningRate, updateCount, states, parameters, split, spread }) {
      const chosen = parameters.map(([name, t]) => t.rank > 0 && matrices(name, t));
      const isMatrix = spread(chosen.map(Number));
      const t = add(updateCount, 1);
      const m = add(states.m, mul(sub(gradient, states.m), where(isMatrix, 1 - momentum, 1 - beta1)));
      const v = movingAverage(states.v, square(gradient), beta2);
      const root = add(mul(sqrt(v), rsqrt(biasCorrection(beta2, t))), eps);
      const adam = div(div(m, biasCorrection(beta1, t)), root);
      const directions = split(nesterov ? movingAverage(m, gradient, momentum) : m);
      const orthogonal = directions.map((d, i) =>
        chosen[i] ? orthogonalised(d, iterations) : fill(d.shape, 0),
      );
      const change = where(isMatrix, pack(orthogonal), adam);
      return { parameter: sub(parameter, mul(learningRate, change)), m, v };
    },
  });
}

/** `groups` and the rest of the parameters, with the rate of those that are no matrices times `factor`. */
function withRates(
  groups: readonly ParameterGroup[] = [],
  matrices: ParameterFilter,
  factor: number,
): ParameterGroup[] {
  const others =
    (filter: ParameterFilter): ParameterFilter =>
    (name, t) =>
      filter(name, t) && !(t.rank > 0 && matrices(name, t));
  return [...groups, { filter: () => true }].flatMap((group) => [
    { ...group, filter: others(group.filter), learningRateFactor: (group.learningRateFactor ?? 1) * factor },
    group,
  ]);
}

/** The paper's coefficients: singular values come near 1 in few iterations, without converging to it. */
const [A, B, C] = [3.4445, -4.775, 2.0315];

/**
 * U Vᵀ of the singular value decomposition U S Vᵀ of `x`, with singular values from about 0.7 to 1.2, times the root of
 * rows / columns where there are more rows.
 */
function orthogonalised(x: Tensor, iterations: number): Tensor {
  const rows = x.shape[0] as number;
  const columns = x.size / rows;
  const matrix = reshape(x, [rows, columns]);
  const isTall = rows > columns;
  let y = isTall ? transpose(matrix, 0, 1) : matrix;
  y = div(y, add(norm(y), 1e-7));
  for (let i = 0; i < iterations; i++) {
    const square = matmul(y, y, { transposeB: true });
    const factor = add(mul(square, B), mul(matmul(square, square), C));
    y = add(mul(y, A), matmul(factor, y));
  }
  const scaled = mul(isTall ? transpose(y, 0, 1) : y, Math.sqrt(Math.max(1, rows / columns)));
  return reshape(scaled, x.shape);
}
