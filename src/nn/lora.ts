/**
 * LoRA (Hu et al., 2021): a frozen linear layer W gets a trainable update of low rank, W + alpha / rank · B A. Names of parameters
 * are those of Hugging Face's PEFT.
 */

import { expectWhole } from "../graph/op.ts";
import type { Tensor } from "../graph/tensor.ts";
import { mul } from "../ops/elementwise/arithmetic.ts";
import { ValueError } from "../validation/errors.ts";
import { checkOptions, expectGiven, type OptionKinds, shown } from "../validation/options.ts";
import { dropout as dropoutLayer } from "./blocks.ts";
import { zeros } from "./init.ts";
import { addLowRank, Linear, lowRank, removeLowRank } from "./linear.ts";
import { freeze, namedObjects } from "./module.ts";

export interface LoraOptions {
  /** Rank of the updates: rows of A and columns of B. */
  readonly rank: number;
  /** The update is multiplied by alpha / rank. Default `rank`. */
  readonly alpha?: number;
  /**
   * Which linear layers: the end of their path in the model (`"c_attn"`, `"attn.c_proj"`), as in PEFT, or a pattern that is
   * found in it.
   */
  readonly targets: readonly (string | RegExp)[];
  /** Probability of dropout of the layer's input on its way to A, in training. Default 0. */
  readonly dropout?: number;
}

const LORA = {
  rank: "number",
  alpha: "number",
  targets: "array",
  dropout: "number",
} as const satisfies OptionKinds<LoraOptions>;

/** The adapters of a model. */
export interface LoraAdapters {
  readonly rank: number;
  readonly alpha: number;
  /** The last parts of the names of the layers that have one. */
  readonly targets: readonly string[];
  /** `h.0.attn.c_attn.lora_A.weight` f32 [rank, in], `….lora_B.weight` f32 [out, rank], and so on. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** The layers: the base's weight [out, in] and the factors of scale · b a that are added to it. */
  readonly layers: readonly LoraLayer[];
  /**
   * Takes the adapters off: graphs that are built from now on, and files of trainers made from now on, are those of the plain
   * model, which stays frozen until `nn.unfreeze`. What the adapters have learned is kept only if `mergeLora` was called before.
   */
  unload(): void;
}

export interface LoraLayer {
  readonly weight: Tensor;
  readonly a: Tensor;
  readonly b: Tensor;
  readonly scale: number;
}

/**
 * Freezes `model` and gives the linear layers that `targets` name a trainable update of low rank, which starts at 0. Trainers that
 * are made from now on train the adapters only. The base keeps its names. Throws ValueError where a target matches no linear
 * layer, where the model has adapters already, or where `rank` is larger than a layer's sizes.
 */
export function lora(model: object, options: LoraOptions): LoraAdapters {
  const given = checkOptions("nn.lora", options, LORA);
  expectGiven("nn.lora", given, ["rank", "targets"]);
  const { rank, alpha = rank, targets, dropout = 0 } = given;
  expectWhole("nn.lora", "rank", rank, 1);
  if (!(Number.isFinite(alpha) && alpha > 0)) {
    throw new ValueError(`nn.lora: alpha must be above 0, got ${shown(alpha)}`);
  }
  const drop = dropoutLayer(dropout);
  const layers = targeted(model, targets);
  for (const [name, layer] of layers) checkTarget(name, layer, rank);
  freeze(model);
  const parameters = new Map<string, Tensor>();
  for (const [name, layer] of layers) {
    const [outputs, inputs] = layer.weight.shape as readonly [number, number];
    const a = new Linear(inputs, rank, { bias: false });
    const b = new Linear(rank, outputs, { bias: false, weightInit: zeros });
    const scale = alpha / rank;
    addLowRank(layer, { a, b, scale, branch: (x) => mul(b.forward(a.forward(drop(x))), scale) });
    parameters.set(nameOf(name, "lora_A"), a.weight).set(nameOf(name, "lora_B"), b.weight);
  }
  return {
    rank,
    alpha,
    targets: [...new Set(layers.map(([name]) => name.split(".").at(-1) as string))],
    parameters,
    layers: layers.map(([, layer]) => {
      const { a, b, scale } = lowRank(layer);
      return { weight: layer.weight, a: a.weight, b: b.weight, scale };
    }),
    unload() {
      for (const [name, layer] of layers) {
        if (layer.lora_B?.weight === parameters.get(nameOf(name, "lora_B"))) removeLowRank(layer);
      }
    },
  };
}

const nameOf = (layer: string, factor: string) => `${layer === "" ? "" : `${layer}.`}${factor}.weight`;

/** The linear layers of `model` that `targets` name. */
function targeted(model: object, targets: readonly (string | RegExp)[]): [string, Linear][] {
  if (typeof model !== "object" || model === null) {
    throw new ValueError(`nn.lora: model must be an object with layers, got ${shown(model)}`);
  }
  const linear = [...namedObjects(model, (value): value is Linear => value instanceof Linear)];
  const names = linear.map(([name]) => name).join(", ") || "none";
  const matches = (target: string | RegExp, name: string): boolean =>
    typeof target === "string" ? name === target || name.endsWith(`.${target}`) : target.test(name);
  if (targets.length === 0) throw new ValueError("nn.lora: targets must name at least one layer");
  const adapted = linear.find(([, layer]) => layer.lora_A !== undefined);
  if (adapted !== undefined) {
    throw new ValueError(
      `nn.lora: the model has adapters already, at ${adapted[0]}; name all layers in one call, or take them off with unload()`,
    );
  }
  for (const target of targets) {
    if (typeof target !== "string" && !(target instanceof RegExp)) {
      throw new ValueError(`nn.lora: targets must be names or patterns, got ${shown(target)}`);
    }
    if (typeof target !== "string" && (target.global || target.sticky)) {
      throw new ValueError(`nn.lora: a pattern must not have the flags g or y, got ${target}`);
    }
    if (!linear.some(([name]) => matches(target, name))) {
      throw new ValueError(
        `nn.lora: no linear layer is called ${typeof target === "string" ? shown(target) : target}; there are ${names}`,
      );
    }
  }
  return linear.filter(([name]) => targets.some((target) => matches(target, name)));
}

function checkTarget(name: string, layer: Linear, rank: number): void {
  const most = Math.min(...layer.weight.shape);
  if (rank > most) {
    throw new ValueError(`nn.lora: rank ${rank} is larger than the smaller size of ${name}, ${most}`);
  }
}
