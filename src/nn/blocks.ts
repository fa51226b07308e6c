/** Layers without a file of their own: residual connections, embedding, dropout, flatten. */

import { expectWhole } from "../graph/op.ts";
import type { Data } from "../graph/spec.ts";
import { type Initial, parameter, scope, type Tensor } from "../graph/tensor.ts";
import { add } from "../ops/elementwise/arithmetic.ts";
import { embedding as embeddingOf, paddingRow } from "../ops/index/gather.ts";
import { dropout2d as dropout2dOf, dropout as dropoutOf } from "../ops/random/random.ts";
import { flatten as flattenOf, reshape } from "../ops/shape/reshape.ts";
import { ValueError } from "../validation/errors.ts";
import { checkOptions, expectNumber, given, type OptionKinds } from "../validation/options.ts";
import { inEvaluation, isBuilding, isTraining, randomSource } from "./build-mode.ts";
import { type Initializer, normal } from "./init.ts";
import { checkLayer, forward, type Layer, type Module } from "./module.ts";

/** main(x) + x, or main(x) + shortcut(x) where the shapes differ. */
export class Residual implements Module {
  readonly kind = "Residual";
  readonly shortcut?: Layer;

  constructor(
    readonly main: Layer,
    shortcut?: Layer,
  ) {
    checkLayer("nn.residual", main);
    if (shortcut === undefined) return;
    checkLayer("nn.residual", shortcut);
    this.shortcut = shortcut;
  }

  forward(x: Tensor): Tensor {
    const { main, shortcut } = this;
    const y = scope("main", () => forward(main, x));
    return add(y, shortcut === undefined ? x : scope("shortcut", () => forward(shortcut, x)));
  }
}

export interface EmbeddingOptions {
  /** A row that starts as zeros and that training does not change; negative ones count from the end. Default none. */
  readonly paddingIdx?: number;
  /** Default normal with standard deviation 1, as in PyTorch. */
  readonly weightInit?: Initializer;
}

const EMBEDDING = {
  paddingIdx: "number",
  weightInit: "function",
} as const satisfies OptionKinds<EmbeddingOptions>;

/** Rows of `weight` [numEmbeddings, embeddingDim] by i32 indices […]: […, embeddingDim]. */
export class Embedding implements Module {
  readonly kind = "Embedding";
  readonly weight: Tensor;
  readonly paddingIdx: number | undefined;

  /** `options`: also a `weightInit` alone. */
  constructor(numEmbeddings: number, embeddingDim: number, options: EmbeddingOptions | Initializer = {}) {
    expectWhole("nn.embedding", "numEmbeddings", numEmbeddings, 1);
    expectWhole("nn.embedding", "embeddingDim", embeddingDim, 1);
    const given = typeof options === "function" ? { weightInit: options } : options;
    const { paddingIdx, weightInit = normal() } = checkOptions("nn.embedding", given, EMBEDDING);
    this.paddingIdx = paddingRow("nn.embedding", paddingIdx, numEmbeddings);
    const shape = [numEmbeddings, embeddingDim] as const;
    this.weight = parameter(shape, withZeros(weightInit(shape), shape, this.paddingIdx), "weight");
  }

  forward(indices: Tensor): Tensor {
    const { weight, paddingIdx } = this;
    return embeddingOf(indices, weight, paddingIdx === undefined ? {} : { paddingIdx });
  }
}

/** `initial` of a matrix with zeros in one of its rows. */
function withZeros(initial: Initial, shape: readonly [number, number], row: number | undefined): Initial {
  if (row === undefined) return initial;
  const [rows, columns] = shape;
  const zeroed = (values: Data): Data => values.slice().fill(0, row * columns, (row + 1) * columns);
  if (typeof initial === "function") return (random) => zeroed(initial(random));
  return zeroed(typeof initial === "number" ? new Float64Array(rows * columns).fill(initial) : initial);
}

export const residual = (main: Layer, shortcut?: Layer) => new Residual(main, shortcut);

export const embedding = (
  numEmbeddings: number,
  embeddingDim: number,
  options?: EmbeddingOptions | Initializer,
) => new Embedding(numEmbeddings, embeddingDim, options);

export const flatten = (startAxis = 1) => {
  expectNumber("nn.flatten", "startAxis", startAxis);
  return (x: Tensor) => flattenOf(x, startAxis);
};

/** In training: zeroes elements with probability `p` and scales the others by 1 / (1 - p). In evaluation: the identity. */
export function dropout(p = 0.5): (x: Tensor) => Tensor {
  return dropoutLayer("nn.dropout", dropoutOf, p);
}

/** As `dropout`, for whole channels of [N, C, …]. */
export function dropout2d(p = 0.5): (x: Tensor) => Tensor {
  return dropoutLayer("nn.dropout2d", dropout2dOf, p);
}

function dropoutLayer(name: string, op: typeof dropoutOf, p: number): (x: Tensor) => Tensor {
  if (typeof p !== "number" || !(p >= 0 && p <= 1))
    throw new ValueError(`${name}: p must be in [0, 1], got ${given(name, p)}`);
  return (x) => {
    if (isTraining()) return op(x, p, randomSource(name));
    // Only this result may be marked as one of evaluation, and x may be used elsewhere.
    return p === 0 || isBuilding() ? x : inEvaluation(name, reshape(x, x.shape));
  };
}
