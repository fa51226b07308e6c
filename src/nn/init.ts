/**
 * Initialisers of parameters: PyTorch's (torch.nn.init) with its fan counts. Values are drawn from a seeded stream with
 * correctly rounded arithmetic, so that they are the same on every backend and host.
 */

import { formatShape, type Shape, sizeOf } from "../graph/spec.ts";
import type { Initial } from "../graph/tensor.ts";
import { type Distribution, draw, type Random } from "../numbers/random.ts";
import { ValueError } from "../validation/errors.ts";
import { checkOptions, type OptionKinds, shown } from "../validation/options.ts";

/** Gives the initial value of a parameter of `shape`: `parameter(shape, xavierUniform()(shape))`. */
export type Initializer = (shape: Shape) => Initial;

export interface Fans {
  /** Number of inputs that each output sums over. */
  readonly fanIn: number;
  /** Number of outputs that each input contributes to. */
  readonly fanOut: number;
}

/** Fans of a weight: `[out, in]` of a linear layer, `[out, in / groups, kernel …]` of a convolution. */
export function fans(shape: Shape): Fans {
  const [out, inside, ...kernel] = shape;
  if (out === undefined || inside === undefined) {
    throw new ValueError(`init: fans need a weight of rank 2 or more, got ${formatShape(shape)}`);
  }
  const field = sizeOf(kernel);
  return { fanIn: inside * field, fanOut: out * field };
}

export interface KaimingOptions {
  /** Negative slope of the leaky ReLU that follows. */
  readonly a?: number;
  /** Preserves the variance of activations ("fanIn", default) or of gradients ("fanOut"). */
  readonly mode?: "fanIn" | "fanOut";
}

const KAIMING = { a: "number", mode: ["fanIn", "fanOut"] } as const satisfies OptionKinds<KaimingOptions>;

/** Uniform in ±√(6 / ((1 + a²) fan)). Default a = √5, as PyTorch's layers have it: ±1/√fanIn. He et al., 2015. */
export function kaimingUniform(options: KaimingOptions = {}): Initializer {
  const { a = Math.sqrt(5), mode } = checkOptions("init.kaimingUniform", options, KAIMING);
  return (shape) => symmetric(shape, Math.sqrt(3) * kaimingDeviation(shape, a, mode));
}

/** Normal with standard deviation √(2 / ((1 + a²) fan)). Default a = 0, for ReLU. He et al., 2015. */
export function kaimingNormal(options: KaimingOptions = {}): Initializer {
  const { a = 0, mode } = checkOptions("init.kaimingNormal", options, KAIMING);
  return (shape) => normal(0, kaimingDeviation(shape, a, mode))(shape);
}

function kaimingDeviation(shape: Shape, a: number, mode: "fanIn" | "fanOut" = "fanIn"): number {
  return Math.sqrt(2 / ((1 + finite("a", a) ** 2) * fans(shape)[mode]));
}

/** Uniform in ±gain √(6 / (fanIn + fanOut)). Glorot and Bengio, 2010. */
export function xavierUniform(gain = 1): Initializer {
  return (shape) => symmetric(shape, Math.sqrt(3) * xavierDeviation(shape, gain));
}

/** Normal with standard deviation gain √(2 / (fanIn + fanOut)). Glorot and Bengio, 2010. */
export function xavierNormal(gain = 1): Initializer {
  return (shape) => normal(0, xavierDeviation(shape, gain))(shape);
}

function xavierDeviation(shape: Shape, gain: number): number {
  const { fanIn, fanOut } = fans(shape);
  return finite("gain", gain) * Math.sqrt(2 / (fanIn + fanOut));
}

/** Uniform in [low, high). */
export function uniform(low = 0, high = 1): Initializer {
  if (!(finite("low", low) <= finite("high", high))) {
    throw new ValueError(`init: uniform needs low <= high, got ${low} and ${high}`);
  }
  return drawn({ uniform: [low, high] });
}

function symmetric(shape: Shape, bound: number): Initial {
  return uniform(-bound, bound)(shape);
}

export function normal(mean = 0, standardDeviation = 1): Initializer {
  finite("mean", mean);
  if (!(finite("standardDeviation", standardDeviation) >= 0)) {
    throw new ValueError(`init: standardDeviation must be at least 0, got ${standardDeviation}`);
  }
  return drawn({ normal: [mean, standardDeviation] });
}

/** `value` everywhere. */
export function constant(value: number): Initializer {
  finite("value", value);
  return () => value;
}

export const zeros: Initializer = () => 0;
export const ones: Initializer = () => 1;

function drawn(distribution: Distribution): Initializer {
  return (shape) =>
    Object.assign((random: Random) => draw(random, distribution, sizeOf(shape)), { distribution });
}

function finite(name: string, value: number): number {
  if (!Number.isFinite(value)) throw new ValueError(`init: ${name} must be finite, got ${shown(value)}`);
  return value;
}
