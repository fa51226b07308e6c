/** Options that differ between parameters, as values of every element of the flattened parameters. */
import { packLayout } from "../graph/pack-layout.ts";
import { constant, type Tensor } from "../graph/tensor.ts";
import { fill } from "../ops/elementwise/fill.ts";
import { take } from "../ops/index/gather.ts";
import { concat } from "../ops/shape/concat.ts";
import { reshape } from "../ops/shape/reshape.ts";
import { type CommonOptions, checkRange, type ElementOptions } from "./optimizer.ts";

/** f32 `[words]`: `valueAt(i)` at the elements of parameter i, 0 between parameters. */
function byElement(parameters: readonly Tensor[], label: string, valueAt: (i: number) => number): Tensor {
  const { offsets, words } = packLayout(parameters.map((t) => t.size));
  const values = new Float64Array(words);
  parameters.forEach(({ size }, i) => {
    const at = offsets[i] as number;
    values.fill(valueAt(i), at, at + size);
  });
  return constant(values, [words], label);
}

/** Weight decay and learning rate factor of `parameters` by filters and groups; filters are called with `names`. */
export function optionsByElement(
  who: string,
  parameters: readonly Tensor[],
  names: readonly string[],
  { groups = [], weightDecayFilter, weightDecay = 0 }: CommonOptions,
): ElementOptions {
  const chosen = parameters.map((t, i) => {
    const key = names[i] ?? t.label;
    const group = groups.find((g) => g.filter(key, t));
    const decays = weightDecayFilter === undefined || weightDecayFilter(key, t);
    const decay = decays ? (group?.weightDecay ?? weightDecay) : 0;
    const factor = group?.learningRateFactor ?? 1;
    checkRange(who, { "groups: weightDecay": decay, "groups: learningRateFactor": factor });
    return { decay, factor };
  });
  const spread = (label: string, values: readonly number[]) =>
    values.every((v) => v === values[0])
      ? (values[0] as number)
      : byElement(parameters, label, (i) => values[i] as number);
  return {
    weightDecay: spread(
      "weight decay",
      chosen.map(({ decay }) => decay),
    ),
    learningRateFactor: spread(
      "learning rate factor",
      chosen.map(({ factor }) => factor),
    ),
  };
}

/** 1 for elements of parameters that have a gradient, which alone change, 0 for others; undefined if all have one. */
export function withGradient(
  parameters: readonly Tensor[],
  grads: readonly (Tensor | undefined)[],
): Tensor | undefined {
  if (!grads.includes(undefined)) return undefined;
  return byElement(parameters, "has gradient", (i) => (grads[i] === undefined ? 0 : 1));
}

/** f32 `[words]`: value i, a number or a tensor of one element, for all elements of parameter i. */
export function spread(parameters: readonly Tensor[], values: readonly (number | Tensor)[]): Tensor {
  if (values.every((v) => typeof v === "number")) return byElement(parameters, "spread", (i) => values[i]!);
  const { offsets, words } = packLayout(parameters.map((t) => t.size));
  const ids = new Int32Array(words);
  offsets.forEach((at, i) => {
    ids.fill(i, at);
  });
  return take(
    concat(values.map((v) => (typeof v === "number" ? fill([1], v) : reshape(v, [1])))),
    constant(ids),
  );
}
