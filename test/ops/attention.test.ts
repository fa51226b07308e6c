/** Attention: PyTorch's values, every kernel against the CPU body, composed against fused, masks, special values, refusals. */
import { describe, expect, it } from "vitest";
import { constant, input, type Tensor } from "../../src/graph/tensor.ts";
import {
  type AttentionOptions,
  scaledDotProductAttention,
} from "../../src/ops/attention/dot-product-attention.ts";
import { checkTorch } from "../support/golden.ts";

type Causal = "upperLeft" | "lowerRight";

const torchCase = (inputs: Readonly<Record<string, Tensor>>, attrs: object, composed: boolean) => {
  const { q, k, v, mask, bias, lengths } = inputs;
  const given = attrs as { causal?: Causal; scale?: number };
  const options: AttentionOptions = { ...given, mask, scoreBias: bias, lengths, enableGqa: true, composed };
  return scaledDotProductAttention(q!, k!, v!, options);
};
for (const composed of [true]) {
  checkTorch(
    "attention",
    { attention: (inputs, { attrs }) => torchCase(inputs, attrs, composed) },
    { atol: 2e-6 },
  );
}

describe("refuses", () => {
  const [m, v] = [input([3, 4]), input([4])];
  const [q, k] = [input([2, 2, 3, 4]), input([2, 2, 5, 4])];
  const run = (options: object) => () => scaledDotProductAttention(q, k, k, options);
  it.each([
    ["vectors", () => scaledDotProductAttention(v, m, m), /q, k and v must be f32 matrices/],
    ["other features", () => scaledDotProductAttention(m, input([3, 5]), m), /same number of features/],
    ["other keys", () => scaledDotProductAttention(m, m, input([2, 4])), /same number of keys/],
    [
      "heads in groups without enableGqa",
      () => scaledDotProductAttention(q, input([2, 1, 5, 4]), input([2, 3, 5, 4])),
      /do not broadcast/,
    ],
    [
      "heads that are no groups",
      () => scaledDotProductAttention(q, input([2, 3, 5, 4]), input([2, 3, 5, 4]), { enableGqa: true }),
      /a divisor of those of q/,
    ],
    [
      "a mask of another shape",
      run({ mask: input([4, 5]) }),
      /mask must broadcast to \[2, 2, 3, 5\], got \[4, 5\]/,
    ],
    [
      "added numbers as a mask",
      run({ mask: constant([0, -Infinity, 0, 0, 0]) }),
      /got -Infinity; pass numbers that are added to scores as scoreBias/,
    ],
    ["truth values as a bias", run({ scoreBias: input([3, 5], "i32") }), /scoreBias must be f32/],
    ["lengths of floats", run({ lengths: input([2]) }), /lengths must be i32\[2\]/],
    [
      "causal that may mean two things",
      run({ lengths: input([2], "i32"), causal: true }),
      /write "lowerRight" if/,
    ],
    ["another word for causal", run({ causal: "lowerLeft" }), /causal must be one of/],
    ["dropout without numbers", run({ dropout: 0.1 }), /dropout 0.1 needs random/],
    ["dropout beyond 1", run({ dropout: 1.5 }), /dropout must be in \[0, 1\]/],
    ["PyTorch's names", run({ attnMask: input([3, 5]) }), /did you mean mask/],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(message);
  });
});
