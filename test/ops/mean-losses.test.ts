/** mse, bce and bceWithLogits: both kernel families against the CPU reference, weights, extremes, refusals. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import type { Shape } from "../../src/graph/spec.ts";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import { mul, square } from "../../src/ops/elementwise/arithmetic.ts";
import { bce, bceOp, bceWithLogits, bceWithLogitsOp, mse, mseOp } from "../../src/ops/loss/mean-losses.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";

const shapes: readonly Shape[] = [[], [1], [7], [63, 1], [64, 1], [5, 13], [3, 2, 5, 7], [130, 257]];
const weightsFor = (N: number) =>
  Array.from({ length: N }, (_, n) => (n > 0 && n >= N - 2 ? 0 : 1 + (n % 3)));

for (const [name, op, range, targetGradient] of [
  ["mse", mseOp, [-1, 1], true],
  ["bce", bceOp, [0.05, 0.95], false],
  ["bceWithLogits", bceWithLogitsOp, [-5, 5], false],
] as const) {
  checkOp(
    name,
    shapes.flatMap((shape) => {
      const x = { shape, range };
      const target = { shape, range: [0, 1], gradient: targetGradient } as const;
      const weights = { shape: [shape[0] ?? 1], data: weightsFor(shape[0] ?? 1), gradient: false };
      const build = (...given: Tensor[]) => op.apply(given, {}).slice(0, 2);
      return [
        { name: `[${shape}]`, inputs: [x, target], build },
        { name: `[${shape}] weighted`, inputs: [x, target, weights], build },
      ];
    }),
    { variants: [{ [name]: "single" }, { [name]: "parts" }] },
  );
}

checkOp("the gradients of losses have gradients", [
  {
    name: "mse",
    inputs: [{ shape: [3, 4] }, { shape: [3, 4] }],
    build: (x, t) => gradients(square(mse(x!, t!)), [x!, t!]),
  },
  {
    name: "bceWithLogits, weighted",
    inputs: [
      { shape: [3, 2, 2] },
      { shape: [3, 2, 2], range: [0, 1], gradient: false },
      { shape: [3], data: [1, 2, 0], gradient: false },
    ],
    build: (x, t, w) => gradients(square(bceWithLogits(x!, t!, w)), [x!]),
  },
]);

const backends = [
  ["cpu", async (): Promise<Backend> => new CpuBackend()],
  ["webgpu", gpuBackend],
] as const;

describe.each(backends)("losses on %s", (_, open) => {
  const evaluate = async (op: typeof mseOp, values: number[], targets: number[], weights?: number[]) => {
    const given = [values, targets, ...(weights === undefined ? [] : [weights])];
    const leaves = given.map((v) => input([v.length]));
    const wanted = op.apply(leaves, {});
    const backend = await open();
    const program = await backend.compile({ outputs: wanted });
    leaves.forEach((leaf, i) => {
      backend.write(leaf, Float32Array.from(given[i] as number[]));
    });
    program.run();
    const [loss, count] = [await program.read(wanted[0] as Tensor), await program.read(wanted[1] as Tensor)];
    return { loss: loss[0] as number, count: count[0], dx: [...(await program.read(wanted[2] as Tensor))] };
  };

  it("keeps its head at logits of ±1e4", async () => {
    const { loss, dx } = await evaluate(bceWithLogitsOp, [1e4, -1e4, 1e4, -1e4], [1, 0, 0, 1]);
    expectClose("loss", [loss], [5000], []);
    expectClose("dx", dx, [0, 0, 0.25, -0.25], [4]);
  });

  it("charges what a sure and right logit costs, to its own precision", async () => {
    const { loss } = await evaluate(bceWithLogitsOp, [-20, 18], [0, 1]);
    const expected = (Math.exp(-20) + Math.exp(-18)) / 2;
    expectClose("loss", [loss], [expected], [], { atol: 0, rtol: 1e-5 });
  });

  it("charges 100 for a probability of 0 or 1 that is wrong", async () => {
    const { loss, dx } = await evaluate(bceOp, [0, 1, 0, 1], [0, 1, 1, 0]);
    expectClose("loss", [loss], [50], []);
    expectClose("dx", dx, [0, 0, -0.25e12, 0.25e12], [4]);
  });

  it("is 0 with gradient 0 when all weights are 0", async () => {
    for (const op of [mseOp, bceOp, bceWithLogitsOp]) {
      const { loss, count, dx } = await evaluate(op, [0.1, 0.2], [1, 0], [0, 0]);
      expect([loss, count, ...dx]).toEqual([0, 0, 0, 0]);
    }
  });

  it("takes no notice of samples that weigh 0, and NaN of the rest", async () => {
    for (const op of [mseOp, bceOp, bceWithLogitsOp]) {
      const padded = await evaluate(op, [0.5, Number.NaN], [1, 0], [2, 0]);
      expect(padded.loss).toBeGreaterThan(0);
      expect(padded.dx[1]).toBe(0);
      expect((await evaluate(op, [0.5, Number.NaN], [1, 0], [2, 1])).loss).toBeNaN();
    }
  });
});

it("hands out dx itself as the gradient of the loss, and scales it otherwise", () => {
  const [x, target] = [input([4]), input([4])];
  const loss = mse(x, target);
  const [plain] = gradients(loss, [x]) as [Tensor];
  expect(plain).toBe(loss.node.outputs[2]);
  const [scaled] = gradients(mul(loss, 3), [x]) as [Tensor];
  expect(scaled.node.op.name).toBe("mul");
});

it("is one dispatch for a training batch, gradient included", async () => {
  const x = input([64, 10]);
  const loss = mse(x, input([64, 10]));
  const program = await (await gpuBackend()).compile({ outputs: [loss, ...gradients(loss, [x])] });
  expect(program.describe().dispatches).toBe(1);
});

describe("losses refuse", () => {
  const x = input([4, 3]);
  const weights = input([4]);
  it.each([
    [
      "shapes that differ",
      () => mse(x, input([3, 4])),
      /mse: x and target must have one shape, got f32\[4, 3\], f32\[3, 4\]/,
    ],
    ["other dtypes", () => bce(x, input([4, 3], "i32")), /bce: takes x, target and maybe weights, all f32/],
    [
      "weights of another length",
      () => mse(x, x, input([3])),
      /weights must have one value for each of 4 samples/,
    ],
    [
      "to differentiate by weights",
      () => gradients(mse(x, x, weights), [weights]),
      /mse: weights have no gradient/,
    ],
    [
      "to differentiate bce by its target",
      () => {
        const target = input([4, 3]);
        return gradients(bce(x, target), [target]);
      },
      /bce: the target has no gradient/,
    ],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(message);
  });
});
