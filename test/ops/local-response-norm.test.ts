/** instanceNorm, localResponseNorm, layerNorm, rmsNorm: PyTorch's values, the GPU against the CPU, refusals. */
import { describe, expect, it } from "vitest";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import { localResponseNorm } from "../../src/ops/norm/local-response-norm.ts";
import { instanceNorm, layerNorm, layerNormWithStatistics, rmsNorm } from "../../src/ops/norm/normalize.ts";
import { concat } from "../../src/ops/shape/concat.ts";
import { reshape } from "../../src/ops/shape/reshape.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";
import { checkTorch } from "../support/golden.ts";

checkTorch(
  "norms",
  {
    instanceNorm: ({ x, weight, bias }, { attrs }) => instanceNorm(x!, { ...attrs, weight, bias }),
    localResponseNorm: ({ x }, { attrs }) =>
      localResponseNorm(x!, attrs.size as number, attrs.options as object),
    layerNormWithStatistics({ x, weight, bias }, { attrs }) {
      const result = layerNormWithStatistics(x!, attrs.normalized as number[], { weight, bias, eps: 1e-3 });
      return concat([result.y, result.mean, result.inverseStd].map((t) => reshape(t, [t.size])));
    },
    layerNorm: ({ x, weight, bias }, { attrs }) =>
      layerNorm(x!, attrs.normalized as number[], { weight, bias, eps: attrs.eps as number }),
    rmsNorm: ({ x, weight }, { attrs }) =>
      rmsNorm(x!, attrs.normalized as number[], { weight, eps: attrs.eps as number }),
  },
  { atol: 5e-6 },
);

const shapes = [
  [1, 1, 2],
  [3, 5, 67],
  [2, 3, 17, 15],
  [2, 4, 3, 5, 4],
] as const;
for (const fuse of [false, true]) {
  checkOp(
    fuse ? "norms, fused" : "norms, op by op",
    shapes.flatMap((shape): OpCase[] => [
      {
        name: `instanceNorm [${shape}]`,
        inputs: [{ shape }, { shape: [shape[1]] }, { shape: [shape[1]] }],
        build: (x, weight, bias) => instanceNorm(x!, { weight, bias }),
      },
      {
        name: `localResponseNorm [${shape}]`,
        inputs: [{ shape }],
        build: (x) => localResponseNorm(x!, 3, { alpha: 2 }),
      },
      {
        name: `layerNormWithStatistics [${shape}]`,
        inputs: [{ shape }],
        build: (x) => Object.values(layerNormWithStatistics(x!, shape.at(-1)!)),
      },
    ]),
    // Bias gradients add up to 510 numbers of up to 1. Two values with the same last digits have a large inverse deviation.
    { fuse, atol: 2e-5, rtol: 5e-5, numeric: !fuse },
  );
}

it("statistics have the shape of x with 1 for the normalised axes, and are those that y was made with", () => {
  const x = input([2, 3, 4]);
  const { y, mean, inverseStd } = layerNormWithStatistics(x, [3, 4]);
  expect([y.shape, mean.shape, inverseStd.shape]).toEqual([
    [2, 3, 4],
    [2, 1, 1],
    [2, 1, 1],
  ]);
  const own = (t: Tensor) => t.node.inputs[0]?.node.inputs[0];
  expect([own(mean), own(inverseStd)]).toEqual([y.node.outputs[1], y.node.outputs[1]]);
  expect(layerNorm(x, [3, 4]).node.op).toBe(y.node.op);
});

describe("they refuse", () => {
  const x = input([2, 3, 4]);
  it.each([
    ["rows", () => instanceNorm(input([2, 3])), /instanceNorm: needs \[N, C, …\] with more than one value/],
    ["single pixels", () => instanceNorm(input([2, 3, 1, 1])), /more than one value per channel/],
    ["weights of another length", () => instanceNorm(x, { weight: input([4]) }), /must hold 3 values/],
    [
      "rows of channels",
      () => localResponseNorm(input([2, 3]), 2),
      /localResponseNorm: needs \[N, C, …\] of rank 3/,
    ],
    [
      "no neighbours",
      () => localResponseNorm(x, 0),
      /localResponseNorm: size must be a whole number of at least 1/,
    ],
    [
      "an infinite factor",
      () => localResponseNorm(x, 2, { alpha: 1 / 0 }),
      /alpha must be finite, got Infinity/,
    ],
    ["integers", () => instanceNorm(input([2, 3, 4], "i32")), /must be f32/],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(message);
  });
});
