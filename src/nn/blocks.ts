/** Layers without a file of their own: residual connections, embedding, dropout, flatten. */

import { expectWhole } from "../graph/op.ts";
import { parameter, scope, type Tensor } from "../graph/tensor.ts";
import { add } from "../ops/elementwise/arithmetic.ts";
import { embedding as embeddingOf } from "../ops/index/gather.ts";
import { dropout2d as dropout2dOf, dropout as dropoutOf } from "../ops/random/random.ts";
import { flatten as flattenOf, reshape } from "../ops/shape/reshape.ts";
import { ValueError } from "../validation/errors.ts";
import { checkOptions, expectNumber, given } from "../validation/options.ts";
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

/** Rows of `weight` [numEmbeddings, embeddingDim] by i32 indices […]: […, embeddingDim]. */
export class Embedding implements Module {
  readonly kind = "Embedding";
  readonly weight: Tensor;

  constructor(numEmbeddings: number, embeddingDim: number, weightInit: Initializer = normal()) {
    expectWhole("nn.embedding", "numEmbeddings", numEmbeddings, 1);
    expectWhole("nn.embedding", "embeddingDim", embeddingDim, 1);
    checkOptions("nn.embedding", { weightInit }, { weightInit: "function" });
    const shape = [numEmbeddings, embeddingDim];
    this.weight = parameter(shape, weightInit(shape), "weight");
  }

  forward(indices: Tensor): Tensor {
    return embeddingOf(indices, this.weight);
  }
}

export const residual = (main: Layer, shortcut?: Layer) => new Residual(main, shortcut);

/** `weightInit`: default normal with standard deviation 1, as in PyTorch. */
export const embedding = (numEmbeddings: number, embeddingDim: number, weightInit?: Initializer) =>
  new Embedding(numEmbeddings, embeddingDim, weightInit);

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
