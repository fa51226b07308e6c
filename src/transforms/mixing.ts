/** Random transforms that take parts of images away or mix samples with each other. In training only. */
import { ValueError } from "../common/errors.ts";
import { checkOptions, shown } from "../common/options.ts";
import { expectWhole } from "../graph/op.ts";
import { constant, type Tensor } from "../graph/tensor.ts";
import { isTraining, randomSource } from "../nn/mode.ts";
import { add, mul, sub } from "../ops/elementwise/arithmetic.ts";
import { lt, where } from "../ops/elementwise/compare.ts";
import { abs } from "../ops/elementwise/math.ts";
import { oneHot, take } from "../ops/index/gather.ts";
import { choice } from "../ops/random/random.ts";
import { imageShape, ofInputs, type Transform } from "./transform.ts";

export interface CutoutOptions {
  /** Default 0. */
  readonly fill?: number;
}

/**
 * Fills a square of `size` pixels around a random place of each image; at the edges a part of it lies outside
 * (DeVries and Taylor, 2017, arXiv:1708.04552).
 */
export function cutout(size: number, options: CutoutOptions = {}): Transform {
  const { fill = 0 } = checkOptions("cutout", options, { fill: "number" });
  expectWhole("cutout", "size", size, 1);
  if (!Number.isFinite(fill)) throw new ValueError(`cutout: fill must be finite, got ${fill}`);
  return ofInputs("cutout", (x) => {
    const [N, , H, W] = imageShape("cutout", x);
    if (!isTraining()) return x;
    const source = randomSource("cutout");
    /** 1 within the square, along one axis: places of shape `along`, counted from 0. */
    const within = (length: number, along: readonly number[]) => {
      const places = Array.from({ length }, (_, i) => i);
      const middles = places.map((place) => place - Math.floor(size / 2) + (size - 1) / 2);
      const distance = sub(constant(Float64Array.from(places), along), choice([N, 1, 1, 1], middles, source));
      return lt(abs(distance), size / 2);
    };
    return where(mul(within(H, [H, 1]), within(W, [W])), fill, x);
  });
}

/**
 * Mixes every sample with its neighbour in the batch: lambda x + (1 - lambda) neighbour, and the targets alike, with one
 * lambda per step from the Beta(alpha, alpha) distribution (Zhang et al., 2017, arXiv:1710.09412; torchvision's MixUp).
 * Class numbers become probabilities, in evaluation too, so the loss must take them: `nn.crossEntropy({ probabilities:
 * true })`. Put it last. Rows that fill up the last batch are mixed in too. Throws ValueError unless alpha is above 0.
 */
export function mixup(alpha = 1): Transform {
  if (!(alpha > 0 && Number.isFinite(alpha))) {
    throw new ValueError(`mixup: alpha must be above 0, got ${shown(alpha)}`);
  }
  const shares = betaQuantiles(alpha);
  return {
    name: "mixup",
    apply(batch) {
      const target =
        batch.target.dtype === "i32" ? oneHot(batch.target, batch.classes as number) : batch.target;
      if (!isTraining()) return { ...batch, target };
      const share = choice([1], shares, randomSource("mixup"));
      const N = batch.x.shape[0] as number;
      const neighbours = constant(Int32Array.from({ length: N }, (_, n) => (n + N - 1) % N));
      const mixed = (values: Tensor) => {
        const others = take(values, neighbours);
        return add(others, mul(share, sub(values, others)));
      };
      return { ...batch, x: mixed(batch.x), target: mixed(target) };
    },
  };
}

const QUANTILES = 4096;

/**
 * Values of Beta(alpha, alpha) that stand for equal chances each: to draw one of them is to draw from the distribution.
 * Half of it is integrated over v = x^alpha, in which its density (1 - x)^(alpha - 1) is bounded; the rest is its mirror image.
 */
export function betaQuantiles(alpha: number): number[] {
  const cells = 4 * QUANTILES;
  const width = 0.5 ** alpha / cells;
  const area = new Float64Array(cells + 1);
  for (let i = 0; i < cells; i++) {
    const x = ((i + 0.5) * width) ** (1 / alpha);
    area[i + 1] = (area[i] as number) + (1 - x) ** (alpha - 1);
  }
  const total = area[cells] as number;
  const half: number[] = [];
  let cell = 0;
  for (let q = 0; q < QUANTILES / 2; q++) {
    const wanted = (total * (q + 0.5)) / (QUANTILES / 2);
    while ((area[cell + 1] as number) < wanted) cell++;
    const from = area[cell] as number;
    const part = (wanted - from) / ((area[cell + 1] as number) - from);
    half.push(((cell + part) * width) ** (1 / alpha));
  }
  return [...half, ...half.map((x) => 1 - x).reverse()];
}
