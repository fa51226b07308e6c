/** Layers around other layers, and layers of their own kind: residual, dropout, embedding. */
import { ValueError } from "../common/errors.ts";
import { checkOptions, given } from "../common/options.ts";
import { expectWhole } from "../graph/op.ts";
import { parameter, scope, type Tensor } from "../graph/tensor.ts";
import { add } from "../ops/elementwise/arithmetic.ts";
import { embedding as embeddingOf } from "../ops/index/gather.ts";
import { dropout2d as dropout2dOf, dropout as dropoutOf } from "../ops/random/random.ts";
import { reshape } from "../ops/shape/reshape.ts";
import { type Initializer, normal } from "./init.ts";
import { inEvaluation, isBuilding, isTraining, randomSource } from "./mode.ts";
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
    if (shortcut !== undefined) checkLayer("nn.residual", shortcut);
    if (shortcut !== undefined) this.shortcut = shortcut;
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

/** `weightInit` defaults to normal numbers of standard deviation 1, as in PyTorch. */
export const embedding = (numEmbeddings: number, embeddingDim: number, weightInit?: Initializer) =>
  new Embedding(numEmbeddings, embeddingDim, weightInit);

/** Zeroes elements with chance `p` and scales the others by 1 / (1 - p) while training; else changes nothing. */
export function dropout(p = 0.5): (x: Tensor) => Tensor {
  return dropping("nn.dropout", dropoutOf, p);
}

/** As `dropout`, for whole channels of [N, C, …]. */
export function dropout2d(p = 0.5): (x: Tensor) => Tensor {
  return dropping("nn.dropout2d", dropout2dOf, p);
}

function dropping(name: string, op: typeof dropoutOf, p: number): (x: Tensor) => Tensor {
  if (typeof p !== "number" || !(p >= 0 && p <= 1))
    throw new ValueError(`${name}: p must be in [0, 1], got ${given(name, p)}`);
  return (x) => {
    if (isTraining()) return op(x, p, randomSource(name));
    // A tensor of its own to mark: x may be used elsewhere.
    return p === 0 || isBuilding() ? x : inEvaluation(name, reshape(x, x.shape));
  };
}
