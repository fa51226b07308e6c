/**
 * The fully connected layer, and what it shares with convolutions: options and start values of weight and bias, which are
 * PyTorch's by default.
 */

import { expectWhole } from "../graph/op.ts";
import { type Shape, sizeOf } from "../graph/spec.ts";
import { parameter, type Tensor } from "../graph/tensor.ts";
import { add } from "../ops/elementwise/arithmetic.ts";
import { linear as linearOf } from "../ops/linalg/linear.ts";
import { checkOptions, type OptionKinds } from "../validation/options.ts";
import { type Initializer, kaimingUniform, uniform } from "./init.ts";
import type { Module } from "./module.ts";

export interface WeightOptions {
  /** Default true. */
  readonly bias?: boolean;
  /** Default Kaiming-uniform with a = √5, as in PyTorch. */
  readonly weightInit?: Initializer;
  /** Default uniform in ±1/√fanIn. */
  readonly biasInit?: Initializer;
}

export const WEIGHT = {
  bias: "boolean",
  weightInit: "function",
  biasInit: "function",
} as const satisfies OptionKinds<WeightOptions>;

/** A layer with a weight and, unless the options say otherwise, a bias. */
export abstract class WeightedLayer {
  readonly weight: Tensor;
  readonly bias?: Tensor;

  /** `shape`: of the weight; all extents but the first make up the fan-in. `outputs`: length of the bias. */
  constructor(shape: Shape, outputs: number, { bias = true, ...options }: WeightOptions) {
    const bound = 1 / Math.sqrt(sizeOf(shape.slice(1)));
    const { weightInit = kaimingUniform(), biasInit = uniform(-bound, bound) } = options;
    this.weight = parameter(shape, weightInit(shape), "weight");
    if (bias) this.bias = parameter([outputs], biasInit([outputs]), "bias");
  }
}

/** y = x wᵀ + b: `[…, in] -> […, out]`. `weight` is [out, in], `bias` [out]. `nn.lora` adds lora_B lora_A x. */
export class Linear extends WeightedLayer implements Module {
  readonly kind = "Linear";
  declare lora_A?: Linear;
  declare lora_B?: Linear;

  constructor(inFeatures: number, outFeatures: number, options: WeightOptions = {}) {
    checkOptions("nn.linear", options, WEIGHT);
    expectWhole("nn.linear", "inFeatures", inFeatures, 1);
    expectWhole("nn.linear", "outFeatures", outFeatures, 1);
    super([outFeatures, inFeatures], outFeatures, options);
  }

  forward(x: Tensor): Tensor {
    const y = linearOf(x, this.weight, this.bias);
    return this.lora_B === undefined ? y : add(y, lowRank(this).branch(x));
  }
}

/** What `nn.lora` adds to a linear layer. */
export interface LowRank {
  readonly a: Linear;
  readonly b: Linear;
  /** Factor of b(a(x)). */
  readonly scale: number;
  branch(x: Tensor): Tensor;
}

const lowRanks = new WeakMap<Linear, LowRank>();

/** Gives a linear layer a low-rank branch with the parameters `lora_A.weight` and `lora_B.weight`. */
export function addLowRank(layer: Linear, added: LowRank): void {
  Object.assign(layer, { lora_A: added.a, lora_B: added.b });
  lowRanks.set(layer, added);
}

export function removeLowRank(layer: Linear): void {
  delete layer.lora_A;
  delete layer.lora_B;
}

export const lowRank = (layer: Linear): LowRank => lowRanks.get(layer) as LowRank;

export const linear = (inFeatures: number, outFeatures: number, options?: WeightOptions) =>
  new Linear(inFeatures, outFeatures, options);
