/** sum and mean: every choice of axes, long sums, sumTo, axis names that make no sense. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { normalizeAxes } from "../../src/geometry/axis.ts";
import { type Shape, sizeOf } from "../../src/graph/spec.ts";
import { constant, input } from "../../src/graph/tensor.ts";
import { Random } from "../../src/numbers/random.ts";
import { mean, sum, sumTo } from "../../src/ops/reduce/sum.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";

function subsets(rank: number): number[][] {
  return Array.from({ length: 2 ** rank }, (_, bits) =>
    Array.from({ length: rank }, (_, axis) => axis).filter((axis) => bits & (1 << axis)),
  );
}

const grid: readonly Shape[] = [[], [1], [7], [5, 1], [3, 65], [2, 3, 5], [4, 1, 3], [2, 3, 5, 7]];

checkOp(
  "sum over every choice of axes",
  grid.flatMap((shape) =>
    subsets(shape.length).map((axes) => ({
      name: `[${shape}] over [${axes}]`,
      inputs: [{ shape }],
      build: (x) => sum(x!, { axes }),
    })),
  ),
);

checkOp(
  "mean over every choice of axes",
  subsets(3).map((axes) => ({
    name: `[4, 3, 5] over [${axes}]`,
    inputs: [{ shape: [4, 3, 5] }],
    build: (x) => mean(x!, { axes, keepDims: true }),
  })),
);

// Float32 sums of many terms of either sign: the error grows with the size of the terms, not that of the sum.
checkOp(
  "sum around the lengths where parts begin",
  [63, 64, 65, 127, 128, 129, 4095, 4097].flatMap((n) => [
    { name: `${n}`, inputs: [{ shape: [n] }], build: (x) => sum(x!) },
    { name: `columns of ${n}`, inputs: [{ shape: [n, 3] }], build: (x) => sum(x!, { axes: 0 }) },
  ]),
  { atol: 1e-5 },
);

checkOp(
  "sums as training has them",
  [
    { name: "bias of a layer", inputs: [{ shape: [64, 120] }], build: (x) => sum(x!, { axes: 0 }) },
    {
      name: "bias of channels",
      inputs: [{ shape: [16, 6, 28, 28] }],
      build: (x) => sum(x!, { axes: [0, 2, 3] }),
    },
    {
      name: "statistics per image",
      inputs: [{ shape: [8, 3, 9, 9] }],
      build: (x) => mean(x!, { axes: [1, 2, 3] }),
    },
    { name: "many kept, few summed", inputs: [{ shape: [20011, 3] }], build: (x) => sum(x!, { axes: 1 }) },
  ],
  { atol: 5e-5 },
);

describe("sums of a million elements", () => {
  it.each([
    ["all of one sign", [0, 1]],
    ["of either sign", [-1, 1]],
  ] as const)("%s", async (_, [low, high]) => {
    const random = new Random(3, 1);
    const data = Float32Array.from({ length: 1_000_000 }, () => low + (high - low) * random.uniform());
    const truth = data.reduce((s, v) => s + v, 0);
    const x = input([1_000_000]);
    const wanted = [sum(x), mean(x)] as const;
    const gpu = await gpuBackend();
    const program = await gpu.compile({ outputs: wanted });
    gpu.write(x, data);
    program.run();
    // Parts of about a thousand terms each, added in turn: an error of a few parts in 10^7 of the sum of magnitudes.
    const magnitude = data.reduce((s, v) => s + Math.abs(v), 0);
    expectClose("sum", await program.read(wanted[0]), [truth], [], { atol: 1e-6 * magnitude, rtol: 0 });
    expectClose("mean", await program.read(wanted[1]), [truth / 1e6], [], { atol: 1e-6, rtol: 0 });
  });

  // Added one after another, roundings of one direction pile up: 2e-5 in columns of a million, 1e-4 of ten million.
  it.each([
    ["a line", [4_000_000], undefined],
    ["few columns", [1_000_000, 4], 0],
    ["many columns", [1500, 3000], 0],
  ] as const)("of 0.1 are right to 2e-6 over %s", async (_, shape, axes) => {
    const x = constant(new Float32Array(sizeOf(shape)).fill(0.1), shape);
    const y = sum(x, axes === undefined ? {} : { axes });
    const program = await (await gpuBackend()).compile({ outputs: [y] });
    program.run();
    const expected = new Float32Array(y.size).fill((Math.fround(0.1) * x.size) / y.size);
    expectClose("sum", await program.read(y), expected, y.shape, { atol: 0, rtol: 2e-6 });
  });

  it("gives the same bits every time", async () => {
    const random = new Random(3, 2);
    const x = input([300, 1001]);
    const wanted = [sum(x), sum(x, { axes: 0 }), sum(x, { axes: 1 })];
    const gpu = await gpuBackend();
    const program = await gpu.compile({ outputs: wanted });
    gpu.write(
      x,
      Float32Array.from({ length: x.size }, () => random.uniform()),
    );
    program.run();
    const first = await Promise.all(wanted.map((t) => program.read(t)));
    program.run(5);
    expect(await Promise.all(wanted.map((t) => program.read(t)))).toEqual(first);
  });
});

describe("shapes", () => {
  const x = input([2, 3, 5]);
  it("drops summed axes, or keeps them as 1", () => {
    expect(sum(x).shape).toEqual([]);
    expect(sum(x, { keepDims: true }).shape).toEqual([1, 1, 1]);
    expect(sum(x, { axes: 1 }).shape).toEqual([2, 5]);
    expect(sum(x, { axes: [0, 2], keepDims: true }).shape).toEqual([1, 3, 1]);
    expect(mean(x, { axes: [] }).shape).toEqual([2, 3, 5]);
  });

  it("counts negative axes from the end", () => {
    expect(sum(x, { axes: -1 }).shape).toEqual([2, 3]);
    expect(sum(x, { axes: [-3, -1] }).shape).toEqual([3]);
    expect(normalizeAxes("sum", 3, [-1, 0])).toEqual([0, 2]);
  });

  it("sums down to a shape that broadcasts back", () => {
    expect(sumTo(x, x.shape)).toBe(x);
    for (const shape of [[], [5], [3, 1], [1, 3, 5], [2, 1, 1], [1, 1, 1, 1].slice(1)]) {
      expect(sumTo(x, shape).shape).toEqual(shape);
    }
  });
});

checkOp(
  "sumTo",
  ([[], [5], [3, 1], [1, 3, 5], [2, 1, 1]] as const).map((shape) => ({
    name: `[2, 3, 5] to [${shape}]`,
    inputs: [{ shape: [2, 3, 5] }],
    build: (x) => sumTo(x!, shape),
  })),
);

it("shares the gradient of a mean out evenly", async () => {
  const x = input([2, 3, 5]);
  const cpu = new CpuBackend({ bits: 64 });
  for (const [axes, count] of [
    [[0], 2],
    [[1, 2], 15],
    [[], 1],
  ] as const) {
    const [dx] = gradients(sum(mean(x, { axes })), [x]);
    const program = await cpu.compile({ outputs: [dx!] });
    program.run();
    expectClose("dx", await program.read(dx!), new Array(sizeOf(x.shape)).fill(1 / count), x.shape);
  }
});

it("refuses what it can't sum, saying why", () => {
  const x = input([2, 3]);
  expect(() => sum(x, { axes: 2 })).toThrow(/sum: axis 2 does not exist in a tensor of rank 2/);
  expect(() => mean(x, { axes: -3 })).toThrow(/mean: axis -3 does not exist/);
  expect(() => sum(x, { axes: 0.5 })).toThrow(/sum: axis 0.5 does not exist/);
  expect(() => sum(x, { axes: [0, -2] })).toThrow(/sum: axes \[0, 0\] name one twice/);
  expect(() => sum(input([2, 2, 2, 2, 2, 2, 2]), { axes: [0, 2, 4, 6] })).toThrow(
    /axes alternate between kept and summed more than three times/,
  );
});
