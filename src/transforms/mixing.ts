/** Random transforms that erase parts of images or mix samples with each other. Applied in training only. */

import { expectWhole } from "../graph/op.ts";
import { constant, type Tensor } from "../graph/tensor.ts";
import { isTraining, randomSource } from "../nn/build-mode.ts";
import { add, mul, sub } from "../ops/elementwise/arithmetic.ts";
import { lt, where } from "../ops/elementwise/compare.ts";
import { abs } from "../ops/elementwise/math.ts";
import { oneHot, take } from "../ops/index/gather.ts";
import { choice } from "../ops/random/random.ts";
import { expectValue } from "../validation/expect.ts";
import { checkOptions, shown } from "../validation/options.ts";
import { imageShape, ofInputs, type Transform } from "./transform.ts";

export interface CutoutOptions {
  /** Default 0. */
  readonly fill?: number;
}

/**
 * Fills a square of `size` pixels at a random place of each image. The square may extend beyond the edges (DeVries and
 * Taylor, 2017, arXiv:1708.04552).
 */
export function cutout(size: number, options: CutoutOptions = {}): Transform {
  const { fill = 0 } = checkOptions("cutout", options, { fill: "number" });
  expectWhole("cutout", "size", size, 1);
  expectValue(Number.isFinite(fill), `cutout: fill must be finite, got ${fill}`);
  return ofInputs("cutout", (x) => {
    const [N, , H, W] = imageShape("cutout", x);
    if (!isTraining()) return x;
    const source = randomSource("cutout");
    /** 1 within the square and 0 outside, along one axis; `along` is the shape of its positions. */
    const within = (length: number, along: readonly number[]) => {
      const positions = Array.from({ length }, (_, i) => i);
      const centres = positions.map((position) => position - Math.floor(size / 2) + (size - 1) / 2);
      const distance = sub(
        constant(Float64Array.from(positions), along),
        choice([N, 1, 1, 1], centres, source),
      );
      return lt(abs(distance), size / 2);
    };
    return where(mul(within(H, [H, 1]), within(W, [W])), fill, x);
  });
}

/**
 * Mixes every sample with its neighbour in the batch: lambda x + (1 - lambda) neighbour, and likewise the targets, with
 * one lambda per step from the Beta(alpha, alpha) distribution (Zhang et al., 2017, arXiv:1710.09412; torchvision's MixUp).
 * Class numbers become probabilities, in evaluation too, so the loss must be `nn.crossEntropy({ probabilities: true })`.
 * Must come last in a `compose`. Padding of the last batch is mixed, too. Throws ValueError unless alpha is above 0.
 */
export function mixup(alpha = 1): Transform {
  expectValue(alpha > 0 && Number.isFinite(alpha), `mixup: alpha must be above 0, got ${shown(alpha)}`);
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
 * Quantiles of Beta(alpha, alpha) at equal distances: choosing one of them uniformly approximates the distribution. The
 * lower half is integrated over v = x^alpha, where the density (1 - x)^(alpha - 1) is bounded; the upper half mirrors it.
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
