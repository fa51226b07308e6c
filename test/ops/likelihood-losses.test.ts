/** poissonNll and gaussianNll: PyTorch's values, the GPU against the CPU, samples of weight 0, special values, refusals. */
import { describe, expect, it } from "vitest";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import { gaussianNll, poissonNll } from "../../src/ops/loss/likelihood-losses.ts";
import type { Reduction } from "../../src/ops/loss/loss-reduction.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";
import { checkTorch } from "../support/golden.ts";
import { lossOf, weightsOf } from "../support/loss-run.ts";

checkTorch(
  "likelihood-losses",
  {
    poissonNll: ({ x, t }, { attrs }) => poissonNll(x!, t!, attrs as object),
    gaussianNll: ({ x, t, v }, { attrs }) => gaussianNll(x!, t!, v!, attrs as object),
  },
  { atol: 5e-6 },
);

const reductions: readonly Reduction[] = ["mean", "sum", "none"];
const shapes = [
  [1, 1],
  [7, 2, 5],
  [65, 13],
] as const;
const cases = shapes.flatMap((shape, i): OpCase[] => {
  const reduction = reductions[i]!;
  const N = shape[0];
  const weights = {
    shape: [N],
    data: Array.from({ length: N }, (_, n) => (n > 0 && n >= N - 2 ? 0 : 1 + (n % 3))),
    gradient: false,
  };
  const [values, counts] = [{ shape }, { shape, range: [0.5, 8] as const }];
  return [
    {
      name: `poissonNll [${shape}], ${reduction}`,
      inputs: [values, counts, weights],
      build: (x, t, w) => poissonNll(x!, t!, { weights: w!, full: true, reduction }),
    },
    {
      name: `poissonNll of rates [${shape}], ${reduction}`,
      inputs: [counts, counts],
      build: (x, t) => poissonNll(x!, t!, { logInput: false, reduction }),
    },
    {
      name: `gaussianNll [${shape}], ${reduction}`,
      inputs: [values, values, { shape, range: [0.5, 2] }, weights],
      build: (x, t, v, w) => gaussianNll(x!, t!, v!, { weights: w!, reduction }),
    },
    {
      name: `gaussianNll, a variance per row, [${shape}], ${reduction}`,
      inputs: [values, values, { shape: shape.slice(0, -1), range: [0.5, 2] }, weights],
      build: (x, t, v, w) => gaussianNll(x!, t!, v!, { weights: w!, full: true, reduction }),
    },
  ];
});
for (const fuse of [false, true]) {
  // Sums of up to 70 losses of up to 60.
  checkOp(fuse ? "likelihoods, fused" : "likelihoods", cases, { fuse, atol: 1e-5, numeric: !fuse });
}

const { NaN: nan } = Number;
const losses: Readonly<Record<string, (x: Tensor, t: Tensor, weights: Tensor) => Tensor>> = {
  poissonNll: (x, t, weights) => poissonNll(x, t, { weights, full: true }),
  "poissonNll of rates": (x, t, weights) => poissonNll(x, t, { weights, logInput: false }),
  gaussianNll: (x, t, weights) => gaussianNll(x, t, t, { weights }),
};

describe.each([
  ["cpu", async (): Promise<Backend> => new CpuBackend()],
  ["webgpu", gpuBackend],
] as const)("on %s", (_, open) => {
  it.each(Object.entries(losses))("%s takes no notice of samples of weight 0", async (_name, loss) => {
    const backend = await open();
    const one = await lossOf(backend, (x, t) => loss(x, t, weightsOf(2)), [[[1, 2]], [[3, 4]]]);
    const padded = await lossOf(backend, (x, t) => loss(x, t, weightsOf(2, 0)), [
      [
        [1, 2],
        [nan, -Infinity],
      ],
      [
        [3, 4],
        [-1, nan],
      ],
    ]);
    expectClose("loss", padded.loss, one.loss, []);
    padded.gradients.forEach((slope, i) => {
      expectClose("gradient", slope, [...one.gradients[i]!, 0, 0], [2, 2]);
    });
    const none = await lossOf(backend, (x, t) => loss(x, t, weightsOf(0)), [[[1, 2]], [[3, 4]]]);
    expectClose("of nothing", [...none.loss, ...none.gradients.flat()], [0, 0, 0, 0, 0], [5], { atol: 0 });
    const all = await lossOf(backend, (x, t) => loss(x, t, weightsOf(1)), [[[nan, 2]], [[3, 4]]]);
    expect(all.loss).toEqual([nan]);
  });

  it("a variance below 0 makes NaN of loss and gradient, one of 0 counts as eps", async () => {
    const run = (v: number) =>
      open().then((b) => lossOf(b, (x, t, u) => gaussianNll(x, t, u, { eps: 0.25 }), [[1], [2], [v]]));
    const negative = await run(-1);
    expect(negative.loss).toEqual([nan]);
    expect(negative.gradients[0]).toEqual([nan]);
    const zero = await run(0);
    expectClose("loss", zero.loss, [(Math.log(0.25) + 4) / 2], []);
    // As in PyTorch, the variance is still told to grow.
    expectClose("gradient", zero.gradients[2]!, [(4 - 16) / 2], [1]);
    expect((await run(nan)).loss).toEqual([nan]);
  });
});

describe("they refuse", () => {
  const x = input([4, 3]);
  it.each([
    ["another shape", () => poissonNll(x, input([4, 2])), /poissonNll: x and target must have one shape/],
    [
      "variances of another shape",
      () => gaussianNll(x, x, input([3])),
      /gaussianNll: variance must be f32 of the shape/,
    ],
    ["integers", () => gaussianNll(x, x, input([4, 3], "i32")), /gaussianNll: variance must be f32/],
    ["no variance", () => gaussianNll(x, x, undefined as never), /gaussianNll: variance must be a tensor/],
    ["an eps of 0", () => gaussianNll(x, x, x, { eps: 0 }), /gaussianNll: eps must be above 0, got 0/],
    ["an eps below 0", () => poissonNll(x, x, { eps: -1 }), /poissonNll: eps must be above 0, got -1/],
    [
      "another reduction",
      () => poissonNll(x, x, { reduction: "all" as "sum" }),
      /poissonNll: reduction must be/,
    ],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(message);
  });
});
