/** sigmoidFocal and dice: reference values, the GPU against the CPU, samples of weight 0, far logits, refusals, in training. */
import { describe, expect, it } from "vitest";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { dice, sigmoidFocal } from "../../src/ops/loss/binary-mask-losses.ts";
import { focal } from "../../src/ops/loss/class-loss.ts";
import { poissonNll } from "../../src/ops/loss/likelihood-losses.ts";
import type { Reduction } from "../../src/ops/loss/loss-reduction.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";
import { checkTorch } from "../support/golden.ts";
import { lossOf, weightsOf } from "../support/loss-run.ts";

checkTorch("binary-mask-losses", {
  sigmoidFocal: ({ x, t }, { attrs }) => sigmoidFocal(x!, t!, attrs as object),
  dice: ({ x, t }, { attrs }) => dice(x!, t!, attrs as object),
});

const reductions: readonly Reduction[] = ["mean", "sum", "none"];
const shapes = [
  [1, 1],
  [7, 3, 5],
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
  const mask = { shape, range: [0, 1] as const };
  return [
    {
      name: `sigmoidFocal [${shape}], ${reduction}`,
      inputs: [{ shape, range: [-5, 5] }, { ...mask, gradient: false }, weights],
      build: (x, t, w) => sigmoidFocal(x!, t!, { weights: w!, gamma: 1.5, reduction }),
    },
    {
      name: `dice [${shape}], ${reduction}`,
      inputs: [mask, mask, weights],
      build: (x, t, w) => dice(x!, t!, { weights: w!, squared: i === 1, reduction }),
    },
  ];
});
for (const fuse of [false, true]) {
  // Sums of up to 105 losses of up to 5.
  checkOp(fuse ? "masks, fused" : "masks", cases, { fuse, atol: 1e-5, numeric: !fuse });
}

const { NaN: nan } = Number;
const losses: Readonly<Record<string, (x: Tensor, t: Tensor, weights: Tensor) => Tensor>> = {
  sigmoidFocal: (x, t, weights) => sigmoidFocal(x, t, { weights }),
  dice: (x, t, weights) => dice(x, t, { weights }),
};

describe.each([
  ["cpu", async (): Promise<Backend> => new CpuBackend()],
  ["webgpu", gpuBackend],
] as const)("on %s", (_, open) => {
  it.each(Object.entries(losses))("%s takes no notice of samples of weight 0", async (_name, loss) => {
    const backend = await open();
    const one = await lossOf(backend, (x, t) => loss(x, t, weightsOf(2)), [[[0.2, 0.9]], [[1, 0]]]);
    const padded = await lossOf(backend, (x, t) => loss(x, t, weightsOf(2, 0)), [
      [
        [0.2, 0.9],
        [nan, Infinity],
      ],
      [
        [1, 0],
        [0, nan],
      ],
    ]);
    expectClose("loss", padded.loss, one.loss, []);
    padded.gradients.forEach((slope, i) => {
      expectClose("gradient", slope, [...one.gradients[i]!, 0, 0], [2, 2]);
    });
    expect((await lossOf(backend, (x, t) => loss(x, t, weightsOf(0)), [[[1]], [[1]]])).loss).toEqual([0]);
    expect((await lossOf(backend, (x, t) => loss(x, t, weightsOf(1)), [[[nan]], [[1]]])).loss).toEqual([nan]);
  });

  it("sigmoidFocal of far logits is finite, also its gradient", async () => {
    for (const gamma of [0, 0.5, 2]) {
      const options = { gamma, alpha: -1, reduction: "none" } as const;
      const far = [
        [1e4, -1e4, 1e4, -1e4, 200, -200],
        [1, 0, 0, 1, 1, 0],
      ] as const;
      const { loss, gradients } = await lossOf(await open(), (x, t) => sigmoidFocal(x, t, options), far);
      expectClose("loss", loss, [0, 0, 1e4, 1e4, 0, 0], [6]);
      expectClose("gradient", gradients[0]!, [0, 0, 1, -1, 0, 0], [6]);
    }
  });

  it("dice of an empty mask that is found empty is 0", async () => {
    const { loss } = await lossOf(await open(), (x, t) => dice(x, t, { reduction: "none" }), [
      [
        [0, 0],
        [1, 0],
        [1, 1],
      ],
      [
        [0, 0],
        [1, 0],
        [0, 0],
      ],
    ]);
    expectClose("loss", loss, [0, 0, 1], [3], { atol: 1e-5 });
  });
});

it("nn losses are the ops' means over samples that count", async () => {
  const [x, t, labels, w] = [input([3, 4]), input([3, 4]), input([3], "i32"), input([3])];
  const cpu = new CpuBackend({ bits: 64 });
  const pairs: readonly (readonly [nn.LossResult, Tensor])[] = [
    [nn.sigmoidFocal({ gamma: 3 }).build(x, t, w), sigmoidFocal(x, t, { gamma: 3, weights: w })],
    [nn.dice({ squared: true }).build(x, t, w), dice(x, t, { squared: true, weights: w })],
    [nn.poissonNll({ full: true }).build(x, t, w), poissonNll(x, t, { full: true, weights: w })],
    [nn.focal({ gamma: 3 }).build(x, labels, w), focal(x, labels, { gamma: 3, weights: w }).loss],
  ];
  const program = await cpu.compile({ outputs: pairs.flatMap(([{ loss, count }, op]) => [loss, op, count]) });
  cpu.write(
    x,
    Float64Array.from({ length: 12 }, (_, i) => (i % 5) / 5),
  );
  cpu.write(
    t,
    Float64Array.from({ length: 12 }, (_, i) => i % 2),
  );
  cpu.write(labels, Int32Array.of(0, 3, 1));
  cpu.write(w, Float64Array.of(1, 1, 0));
  program.run();
  for (const [{ loss, count }, op] of pairs) {
    expect((await program.read(loss))[0]).toBeGreaterThan(0);
    expect(await program.read(loss)).toEqual(await program.read(op));
    expect([...(await program.read(count))]).toEqual([2]);
  }
  expect(nn.focal({ ignoreIndex: 5 }).reweighted?.({ classWeights: [1, 2, 3, 4] }).ignoreIndex).toBe(5);
});

describe("they refuse", () => {
  const x = input([4, 3]);
  it.each([
    ["another shape", () => dice(x, input([4, 2])), /dice: x and target must have one shape/],
    ["vectors", () => dice(input([4]), input([4])), /dice: needs \[N, C, …\] or \[N, D\]/],
    ["no smoothing", () => dice(x, x, { smooth: 0 }), /dice: smooth must be above 0, got 0/],
    ["labels", () => sigmoidFocal(x, input([4, 3], "i32")), /sigmoidFocal: inputs must be f32/],
    [
      "an alpha above 1",
      () => sigmoidFocal(x, x, { alpha: 2 }),
      /alpha must be in \[0, 1\], or -1 for none, got 2/,
    ],
    [
      "a gamma below 0",
      () => sigmoidFocal(x, x, { gamma: -1 }),
      /sigmoidFocal: gamma must be at least 0, got -1/,
    ],
    ["another reduction", () => dice(x, x, { reduction: "all" as "sum" }), /dice: reduction must be one of/],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(message);
  });
});
