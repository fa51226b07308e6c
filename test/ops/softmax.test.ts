/** softmax and logSoftmax: any axis, short and long lines, extreme and equal logits, golden values, NaN, refusals. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import type { Shape } from "../../src/graph/spec.ts";
import { constant, input, type Tensor } from "../../src/graph/tensor.ts";
import { mul, square } from "../../src/ops/elementwise/arithmetic.ts";
import { logSoftmax, softmax } from "../../src/ops/reduce/softmax.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";
import { checkGoldens } from "../support/golden.ts";

const lines: readonly (readonly [Shape, number])[] = [
  [[1], 0],
  [[7], -1],
  [[4, 7], 0],
  [[1, 1], 1],
  [[2, 3, 5], 0],
  [[2, 3, 5], 1],
  [[2, 3, 5], -1],
  [[63, 10], 1],
  [[64, 10], -1],
  [[65, 10], -1],
  [[65, 12], -1],
  [[3, 17, 65], 1],
  [[257, 33], 1],
  [[5, 1, 9], 1],
];

const ops = [
  ["softmax", softmax],
  ["logSoftmax", logSoftmax],
] as const;
const force = (name: string) =>
  ["rows", "vectors", "shared"].map((variant) => ({ [name]: variant, [`${name}Backward`]: variant }));

for (const [name, op] of ops) {
  checkOp(
    name,
    lines.map(([shape, axis]) => ({
      name: `[${shape}] along ${axis}`,
      inputs: [{ shape, range: [-3, 3] }],
      build: (x) => op(x!, axis),
    })),
    { variants: force(name) },
  );

  // Sums of 10,000 terms: the tolerance is that of their rounding.
  checkOp(
    `${name} of long lines and many`,
    (
      [
        [[3, 10000], 1],
        [[2, 5000, 3], 1],
        [[3000, 10], 1],
      ] as const
    ).map(([shape, axis]) => ({ name: `[${shape}]`, inputs: [{ shape }], build: (x) => op(x!, axis) })),
    { atol: 2e-6, rtol: 2e-5 },
  );

  checkOp(`${name}: the gradient has a gradient`, [
    {
      name: "of its square",
      inputs: [{ shape: [3, 5] }, { shape: [3, 5] }],
      build: (x, w) => gradients(sum(mul(square(op(x!)), w!)), [x!]),
    },
    {
      name: "along the first axis",
      inputs: [{ shape: [4, 3] }, { shape: [4, 3] }],
      build: (x, w) => gradients(sum(mul(op(x!, 0), w!)), [x!]),
    },
  ]);
}

const axis = (attrs: Readonly<Record<string, unknown>>) => (attrs as { dim: number }).dim;
checkGoldens("softmax", {
  softmax: ({ x }, { attrs }) => softmax(x!, axis(attrs)),
  log_softmax: ({ x }, { attrs }) => logSoftmax(x!, axis(attrs)),
});

const backends = [
  ["cpu", async (): Promise<Backend> => new CpuBackend({ bits: 64 }), undefined],
  ["webgpu rows", gpuBackend, "rows"],
  ["webgpu vectors", gpuBackend, "vectors"],
  ["webgpu shared", gpuBackend, "shared"],
] as const;

describe.each(backends)("softmax on %s", (_, open, variant) => {
  const evaluate = async (op: (x: Tensor) => Tensor, values: readonly number[]) => {
    const backend = await open();
    const x = input([values.length]);
    const y = op(x);
    const names = ["softmax", "logSoftmax", "softmaxBackward", "logSoftmaxBackward"];
    const variants = variant === undefined ? {} : Object.fromEntries(names.map((name) => [name, variant]));
    const program = await backend.compile({ outputs: [y] }, { variants });
    backend.write(x, Float32Array.from(values));
    program.run();
    return [...(await program.read(y))];
  };

  it("shares equal logits out evenly, however large", async () => {
    for (const logit of [0, -0, 1e4, -1e4, 3e38, -3e38]) {
      const values = new Array<number>(5).fill(logit);
      expectClose("softmax", await evaluate(softmax, values), [0.2, 0.2, 0.2, 0.2, 0.2], [5]);
      const log = new Array<number>(5).fill(-Math.log(5));
      expectClose("logSoftmax", await evaluate(logSoftmax, values), log, [5]);
    }
  });

  it("keeps its head at logits of ±1e4", async () => {
    expectClose("softmax", await evaluate(softmax, [1e4, -1e4, 0, 1e4]), [0.5, 0, 0, 0.5], [4]);
    const log = [-Math.LN2, -2e4 - Math.LN2, -1e4 - Math.LN2, -Math.LN2];
    expectClose("logSoftmax", await evaluate(logSoftmax, [1e4, -1e4, 0, 1e4]), log, [4]);
  });

  it("gives masked places (-Infinity) nothing", async () => {
    const [masked, none] = [[1, Number.NEGATIVE_INFINITY, 1], Number.NEGATIVE_INFINITY];
    expectClose("softmax", await evaluate(softmax, masked), [0.5, 0, 0.5], [3]);
    expectClose("softmax", await evaluate(softmax, [...masked, none]), [0.5, 0, 0.5, 0], [4]);
    const log = [-Math.LN2, none, -Math.LN2];
    expectClose("logSoftmax", await evaluate(logSoftmax, masked), log, [3]);
    expectClose("logSoftmax", await evaluate(logSoftmax, [...masked, none]), [...log, none], [4]);
  });

  it.each([
    [[1, Number.NaN, 2]],
    [[Number.NaN, 1, 2]],
    [[1, 2, Number.NaN, 0]],
    [[1, 2, Number.POSITIVE_INFINITY]],
    [[Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]],
  ])("makes a line with %s NaN throughout", async (values) => {
    for (const [, op] of ops) {
      expect((await evaluate(op, values)).every(Number.isNaN)).toBe(true);
      const slope = (x: Tensor) => gradients(sum(mul(op(x), 2)), [x])[0] as Tensor;
      expect((await evaluate(slope, values)).every(Number.isNaN)).toBe(true);
    }
  });
});

it("refuses axes that do not exist and whole numbers", () => {
  expect(() => softmax(input([2, 3]), 2)).toThrow(/softmax: axis 2 does not exist in a tensor of rank 2/);
  expect(() => logSoftmax(input([2, 3]), -3)).toThrow(/logSoftmax: axis -3 does not exist/);
  expect(() => softmax(input([]))).toThrow(/softmax: axis -1 does not exist in a tensor of rank 0/);
  expect(() => softmax(constant(new Int32Array(3)))).toThrow(/softmax: inputs must be f32, got i32\[3\]/);
});
