/** Cross-entropy: every kernel family against the CPU reference, weights, extreme logits, bad labels, refusals. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { constant, input, type Tensor } from "../../src/graph/tensor.ts";
import { Random } from "../../src/numbers/random.ts";
import { mul, square } from "../../src/ops/elementwise/arithmetic.ts";
import { crossEntropy, crossEntropyOp, nll, nllOp } from "../../src/ops/loss/cross-entropy.ts";
import { logSoftmax } from "../../src/ops/reduce/softmax.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";

const grid: readonly (readonly [number, number])[] = [
  [1, 1],
  [1, 10],
  [2, 2],
  [7, 3],
  [63, 10],
  [64, 10],
  [65, 10],
  [257, 5],
  [1000, 10],
  [3, 257],
  [5, 1000],
  [1, 4097],
];

function labelsFor(N: number, C: number): number[] {
  const random = new Random(5, N);
  return Array.from({ length: N }, () => Math.floor(random.uniform() * C));
}

// The last rows of a batch pad it: they weigh 0.
function weightsFor(N: number): number[] {
  return Array.from({ length: N }, (_, n) => (n > 0 && n >= N - 3 ? 0 : 1 + (n % 3)));
}

for (const [name, op, shapes] of [
  ["crossEntropy", crossEntropyOp, grid],
  ["nll", nllOp, grid.filter(([N]) => N < 64)],
] as const) {
  checkOp(
    name,
    shapes.flatMap(([N, C]) => {
      const logits = { shape: [N, C], range: [-4, 4] } as const;
      const labels = { shape: [N], dtype: "i32", data: labelsFor(N, C) } as const;
      const weights = { shape: [N], data: weightsFor(N), gradient: false } as const;
      const results = (...given: Tensor[]) => op.apply(given, {}).slice(0, 3);
      return [
        { name: `[${N}, ${C}]`, inputs: [logits, labels], build: results },
        { name: `[${N}, ${C}] weighted`, inputs: [logits, labels, weights], build: results },
      ];
    }),
    { variants: ["single", "rows", "wide"].map((variant) => ({ [name]: variant })) },
  );
}

checkOp("crossEntropy: the gradient has a gradient", [
  {
    name: "of its square",
    inputs: [{ shape: [5, 4] }, { shape: [5], dtype: "i32", data: labelsFor(5, 4) }],
    build: (logits, labels) => gradients(square(crossEntropy(logits!, labels!).loss), [logits!]),
  },
  {
    name: "weighted, of log-probabilities too",
    inputs: [
      { shape: [5, 4] },
      { shape: [5], dtype: "i32", data: labelsFor(5, 4) },
      { shape: [5], data: weightsFor(5), gradient: false },
    ],
    build: (logits, labels, weights) => [
      ...gradients(crossEntropy(logits!, labels!, weights).loss, [logits!]),
      ...gradients(square(nll(logSoftmax(logits!), labels!, weights).loss), [logits!]),
    ],
  },
]);

checkOp("crossEntropy: ignored labels have no part in the gradient's gradient", [
  {
    name: "of its square",
    inputs: [{ shape: [5, 4] }, { shape: [5], dtype: "i32", data: [0, -100, 3, 1, -100] }],
    build: (logits, labels) => gradients(square(crossEntropy(logits!, labels!).loss), [logits!]),
  },
]);

const families = [undefined, "single", "rows", "wide"] as const;
const backends = [
  ["cpu", async (): Promise<Backend> => new CpuBackend({ bits: 64 }), undefined],
  ...families.map((variant) => [`webgpu ${variant ?? "by choice"}`, gpuBackend, variant] as const),
] as const;

describe.each(backends)("crossEntropy on %s", (_, open, variant) => {
  const evaluate = async (
    rows: readonly (readonly number[])[],
    labels: number[],
    weights?: number[],
    ignoreIndex?: number,
  ) => {
    const logits = input([rows.length, rows[0]?.length ?? 0]);
    const given = [logits, constant(Int32Array.from(labels))];
    if (weights !== undefined) given.push(constant(Float32Array.from(weights)));
    const wanted = crossEntropyOp.apply(given, { ignoreIndex });
    const backend = await open();
    const variants = variant === undefined ? {} : { crossEntropy: variant };
    const program = await backend.compile({ outputs: wanted }, { variants });
    backend.write(logits, Float32Array.from(rows.flat()));
    program.run();
    const read = async (i: number) => [...(await program.read(wanted[i] as Tensor))];
    const [loss, correct, count] = [await read(0), await read(1), await read(2)].map((v) => v[0] as number);
    return { loss: loss as number, correct, count, dlogits: await read(3) };
  };

  it("is log C for equal logits, and the first class wins the tie", async () => {
    const rows = [
      [3, 3, 3, 3],
      [-0, 0, -0, 0],
    ];
    const { loss, correct, count, dlogits } = await evaluate(rows, [0, 2]);
    expectClose("loss", [loss], [Math.log(4)], []);
    expect([correct, count]).toEqual([1, 2]);
    const expected = [-0.375, 0.125, 0.125, 0.125, 0.125, 0.125, -0.375, 0.125];
    expectClose("dlogits", dlogits, expected, [2, 4]);
  });

  it("keeps its head at logits of ±1e4", async () => {
    const rows = [
      [1e4, -1e4, 0],
      [1e4, -1e4, 0],
      [1e4, 1e4 + 1, 1e4],
    ];
    const { loss, correct, dlogits } = await evaluate(rows, [0, 1, 1]);
    const s = 1 + 2 * Math.exp(-1);
    expectClose("loss", [loss], [(0 + 2e4 + Math.log(s)) / 3], []);
    expect(correct).toBe(2);
    const [p, q] = [1 / s, Math.exp(-1) / s];
    expectClose("dlogits", dlogits, [0, 0, 0, 1 / 3, -1 / 3, 0, q / 3, (p - 1) / 3, q / 3], [3, 3]);
  });

  it("gives masked classes (-Infinity) no share", async () => {
    const { loss, dlogits } = await evaluate([[1, Number.NEGATIVE_INFINITY, 1]], [2]);
    expectClose("loss", [loss], [Math.log(2)], []);
    expectClose("dlogits", dlogits, [0.5, 0, -0.5], [1, 3]);
  });

  it("is 0 with gradient 0 when all weights are 0", async () => {
    const { loss, correct, count, dlogits } = await evaluate(
      [
        [1, 2],
        [3, 4],
      ],
      [0, 1],
      [0, 0],
    );
    expect([loss, correct, count, ...dlogits]).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });

  it("takes no notice of rows that weigh 0, whatever they hold", async () => {
    const rows = [
      [0, 0],
      [Number.NaN, Number.POSITIVE_INFINITY],
    ];
    const { loss, correct, count, dlogits } = await evaluate(rows, [0, 77], [2, 0]);
    expectClose("loss", [loss], [Math.log(2)], []);
    expect([correct, count]).toEqual([2, 2]);
    expectClose("dlogits", dlogits, [-0.5, 0.5, 0, 0], [2, 2]);
  });

  it.each([
    ["-100 by default", -100, undefined, undefined],
    ["a label of one's own", 1, 1, undefined],
    ["beside weights", -100, undefined, [2, 7, 2]],
  ])("ignores a label, whatever its row holds: %s", async (_name, label, ignoreIndex, weights) => {
    const rows = [
      [0, 0],
      [Number.NaN, 3],
      [0, 0],
    ];
    const { loss, correct, count, dlogits } = await evaluate(rows, [0, label, 0], weights, ignoreIndex);
    expectClose("loss", [loss], [Math.log(2)], []);
    expect([correct, count]).toEqual(weights === undefined ? [2, 2] : [4, 4]);
    expectClose("dlogits", dlogits, [-0.25, 0.25, 0, 0, -0.25, 0.25], [3, 2]);
  });

  it.each([-1, 2, 2_000_000_000, -2_000_000_000])(
    "makes loss and row NaN for label %i of 2 classes",
    async (bad) => {
      const { loss, correct, dlogits } = await evaluate(
        [
          [1, 2],
          [3, 4],
        ],
        [1, bad],
      );
      expect(loss).toBeNaN();
      expect(correct).toBe(1);
      expect(dlogits.map(Number.isNaN)).toEqual([false, false, true, true]);
    },
  );

  it("passes NaN and Infinity in logits on to the loss", async () => {
    expect((await evaluate([[0, Number.NaN, 1]], [2])).loss).toBeNaN();
    const infinite = await evaluate([[0, Number.POSITIVE_INFINITY, 1]], [2]);
    expect([infinite.loss, ...infinite.dlogits]).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN]);
    const { loss, correct } = await evaluate([[Number.NaN, 5, Number.NaN]], [0]);
    expect(loss).toBeNaN();
    expect(correct).toBe(1);
  });
});

it("hands out dlogits itself as the gradient of the loss, and scales it otherwise", () => {
  const logits = input([4, 3]);
  const labels = constant(new Int32Array(4));
  const { loss } = crossEntropy(logits, labels);
  const [plain] = gradients(loss, [logits]) as [Tensor];
  expect(plain).toBe(loss.node.outputs[3]);
  const [scaled] = gradients(mul(loss, 3), [logits]) as [Tensor];
  expect(scaled.node.op.name).toBe("mul");
  expect(scaled.node.inputs).toContain(plain.node.outputs[3]);
});

it("is one dispatch for a training batch", async () => {
  const program = await (await gpuBackend()).compile({
    outputs: Object.values(crossEntropy(input([64, 10]), input([64], "i32"), input([64]))),
  });
  expect(program.describe().dispatches).toBe(1);
});

describe("crossEntropy refuses", () => {
  const logits = input([4, 3]);
  const labels = input([4], "i32");
  it.each([
    [
      "labels of another length",
      () => crossEntropy(logits, input([5], "i32")),
      /crossEntropy: labels and weights must have one value for each of 4 rows, got f32\[4, 3\], i32\[5\]/,
    ],
    [
      "weights of another length",
      () => crossEntropy(logits, labels, input([3])),
      /one value for each of 4 rows/,
    ],
    [
      "labels that are no whole numbers",
      () => crossEntropy(logits, input([4])),
      /probabilities must have shape \[4, 3\], got f32\[4, 3\], f32\[4\]/,
    ],
    [
      "labels of another rank",
      () => crossEntropy(input([4, 3, 2]), labels),
      /crossEntropy: labels must have shape \[4, 2\]/,
    ],
    [
      "log-probabilities of another rank",
      () => nll(input([4]), labels),
      /nll: logits must be \[N, C\] or \[N, C, …\], got f32\[4\]/,
    ],
    [
      "to differentiate by weights",
      () => {
        const weights = input([4]);
        return gradients(crossEntropy(logits, labels, weights).loss, [weights]);
      },
      /crossEntropy: weights have no gradient/,
    ],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(message);
  });
});
