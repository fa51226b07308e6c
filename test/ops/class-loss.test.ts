/** Class losses with options, against loops after PyTorch's formulas in float64; corners; gradients; refusals. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import type { Data } from "../../src/graph/spec.ts";
import { constant, input, type Tensor } from "../../src/graph/tensor.ts";
import { type CrossEntropyOptions, focal, multiMargin } from "../../src/ops/loss/class-loss.ts";
import { crossEntropy, nll } from "../../src/ops/loss/cross-entropy.ts";
import { logSoftmax, softmax } from "../../src/ops/reduce/softmax.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";
import { checkTorch } from "../support/golden.ts";
import { numbers } from "../support/update-run.ts";

/** Class weights where there are some. */
const weighted = (w: Tensor | undefined) => (w === undefined ? {} : { classWeights: w });

// Labels [N], per position [N, T] and per pixel [N, H, W].
checkTorch("class-losses", {
  crossEntropy: ({ x, t, w }, { attrs }) => crossEntropy(x!, t!, { ...attrs, ...weighted(w) }).loss,
  nll: ({ x, t, w }, { attrs }) => nll(x!, t!, { ...attrs, ...weighted(w) }).loss,
  focal: ({ x, t, w }, { attrs }) => focal(x!, t!, { ...attrs, ...weighted(w) }).loss,
});

const f32 = (values: readonly number[]) => constant(Float32Array.from(values));

async function read(backend: Backend, wanted: readonly Tensor[], given: ReadonlyMap<Tensor, Data>) {
  const program = await backend.compile({ outputs: wanted });
  for (const [leaf, data] of given) if (backend.holds(leaf)) backend.write(leaf, data);
  program.run();
  const values: number[][] = [];
  for (const t of wanted) values.push([...(await program.read(t))]);
  return values;
}

const [N, C] = [7, 5];
const labels = [0, 3, 4, 2, 1, 2, 0];
const weights = [1, 2, 1, 0, 1, 3, 1];
const classWeights = [0.5, 2, 1, 4, 0.25];
const x = Float64Array.from(numbers(N * C, 1, -4, 4));
const logProbsOf = (row: number) => {
  const z = Array.from(x.slice(row * C, (row + 1) * C));
  const norm = Math.log(z.reduce((s, v) => s + Math.exp(v), 0));
  return z.map((v) => v - norm);
};

describe("crossEntropy as PyTorch's", () => {
  const optionSets: readonly (readonly [
    string,
    Omit<CrossEntropyOptions, "reduction"> & { w?: boolean; cw?: boolean },
  ])[] = [
    ["sums", {}],
    ["sample weights", { w: true }],
    ["class weights", { cw: true }],
    ["label smoothing", { labelSmoothing: 0.2 }],
    ["an ignored label", { ignoreIndex: 2 }],
    ["everything", { w: true, cw: true, labelSmoothing: 0.3, ignoreIndex: 0 }],
  ];
  for (const [name, { w, cw, labelSmoothing = 0, ignoreIndex }] of optionSets) {
    for (const soft of [false, true]) {
      if (soft && ignoreIndex !== undefined) continue;
      it(`${name}, ${soft ? "probabilities" : "labels"}`, async () => {
        const shares = Array.from({ length: N }, (_, n) => {
          const row = Array.from(numbers(C, 50 + n, 0.1, 1), (v) => Math.fround(v));
          return soft ? row : row.map((_v, c) => (c === labels[n] ? 1 : 0));
        });
        const classWeight = (c: number) => (cw ? classWeights[c]! : 1);
        const counts = labels.map((l, n) => (!soft && l === ignoreIndex ? 0 : w ? weights[n]! : 1));
        const each = labels.map((_, n) => {
          const logs = logProbsOf(n);
          // nll part and smooth part, apart as in PyTorch's own code.
          const own = logs.reduce((s, v, c) => s - shares[n]![c]! * classWeight(c) * v, 0);
          const smooth = logs.reduce((s, v, c) => s - classWeight(c) * v, 0);
          return counts[n]! * ((1 - labelSmoothing) * own + (labelSmoothing / C) * smooth);
        });
        const total = counts.reduce((s, v, n) => s + v * (soft ? 1 : classWeight(labels[n]!)), 0);
        const sum = each.reduce((a, b) => a + b, 0);
        const leaf = input([N, C]);
        const target = soft
          ? constant(Float64Array.from(shares.flat()), [N, C])
          : constant(Int32Array.from(labels));
        const options: CrossEntropyOptions = {
          labelSmoothing,
          ...(ignoreIndex === undefined ? {} : { ignoreIndex }),
          ...(w ? { weights: f32(weights) } : {}),
          ...(cw ? { classWeights: f32(classWeights) } : {}),
        };
        const made = (["mean", "sum", "none"] as const).map((reduction) =>
          crossEntropy(leaf, target, { ...options, reduction }),
        );
        const hits = labels.map((l, n) => {
          const aim = soft ? shares[n]!.indexOf(Math.max(...shares[n]!)) : l;
          const logs = logProbsOf(n);
          return logs.indexOf(Math.max(...logs)) === aim ? counts[n]! : 0;
        });
        const wanted = [...made.map((m) => m.loss), made[1]!.correct, made[1]!.count];
        const expected = [
          [sum / total],
          [sum],
          each,
          [hits.reduce((a, b) => a + b)],
          [counts.reduce((a, b) => a + b)],
        ];
        const exact = await read(new CpuBackend({ bits: 64 }), wanted, new Map([[leaf, x]]));
        const onGpu = await read(await gpuBackend(), wanted, new Map([[leaf, x]]));
        expected.forEach((e, i) => {
          expectClose(`${name} ${i}`, exact[i]!, e, [e.length], { atol: 1e-6, rtol: 1e-6 });
          expectClose(`${name} ${i} on the GPU`, onGpu[i]!, e, [e.length], { atol: 1e-5 });
        });
      });
    }
  }

  it("takes images of labels: the same as their pixels in rows", async () => {
    const [image, pixels] = [input([2, 3, 2, 2]), input([8, 3])];
    const data = Float64Array.from(numbers(24, 3));
    const rows = Float64Array.from({ length: 24 }, (_, i) => {
      const [pixel, c] = [Math.floor(i / 3), i % 3];
      return data[(Math.floor(pixel / 4) * 3 + c) * 4 + (pixel % 4)]!;
    });
    const labelled = Int32Array.from([0, 1, 2, 0, 1, 1, 0, 2]);
    const a = crossEntropy(image, constant(labelled, [2, 2, 2]), { reduction: "none", weights: f32([1, 2]) });
    const b = crossEntropy(pixels, constant(labelled), {
      reduction: "none",
      weights: f32([1, 1, 1, 1, 2, 2, 2, 2]),
    });
    expect(a.loss.shape).toEqual([2, 2, 2]);
    const given = new Map<Tensor, Data>([
      [image, data],
      [pixels, rows],
    ]);
    const [fromImage, fromRows] = await read(new CpuBackend(), [a.loss, b.loss], given);
    expect(fromImage).toEqual(fromRows);
  });

  it("nll of log-probabilities is the same", async () => {
    const leaf = input([N, C]);
    const options = { classWeights: f32(classWeights), ignoreIndex: 3 };
    const target = constant(Int32Array.from(labels));
    const [a, b] = await read(
      await gpuBackend(),
      [crossEntropy(leaf, target, options).loss, nll(logSoftmax(leaf), target, options).loss],
      new Map([[leaf, x]]),
    );
    expectClose("nll", a!, b!, []);
  });
});

describe.each([
  ["cpu", async (): Promise<Backend> => new CpuBackend()],
  ["webgpu", gpuBackend],
] as const)("corners on %s", (_, open) => {
  const run = async (logits: readonly number[], target: readonly number[], options: CrossEntropyOptions) => {
    const leaf = input([target.length, logits.length / target.length]);
    const { loss } = crossEntropy(leaf, constant(Int32Array.from(target)), options);
    const [dx] = gradients(loss, [leaf]) as [Tensor];
    const [l, d] = await read(await open(), [loss, dx], new Map([[leaf, Float32Array.from(logits)]]));
    return { loss: l![0], dx: d! };
  };

  it("takes no notice of ignored rows, whatever they hold", async () => {
    const { loss, dx } = await run([1, 1, Number.NaN, 2], [0, -100], { ignoreIndex: -100 });
    expectClose("loss", [loss!], [Math.LN2], []);
    expectClose("dx", dx, [-0.5, 0.5, 0, 0], [4]);
    const nothing = await run([1, 2, 3, 4], [7, 7], { ignoreIndex: 7 });
    expectClose("of nothing", [nothing.loss!, ...nothing.dx], [0, 0, 0, 0, 0], [5], { atol: 0 });
  });

  it("keeps its head at ±1e4, and makes NaN of unknown labels", async () => {
    const { loss, dx } = await run([1e4, -1e4, 1e4, -1e4], [0, 1], { classWeights: f32([1, 3]) });
    expectClose("loss", [loss!], [15000], []);
    expectClose("dx", dx, [0, 0, 0.75, -0.75], [4]);
    expect((await run([1, 2, 3, 4], [0, 2], { classWeights: f32([1, 1]) })).loss).toBeNaN();
  });

  it("focal keeps its head far out, also with a gamma below 1, and is crossEntropy with gamma 0", async () => {
    const far = [1e4, -1e4, 1e4, -1e4, 0, Number.NEGATIVE_INFINITY, 1, 2];
    const target = constant(Int32Array.of(0, 1, 0, 1));
    const logits = input([4, 2]);
    const given = new Map([[logits, Float32Array.from(far)]]);
    for (const gamma of [0.5, 2]) {
      const { loss } = focal(logits, target, { gamma, reduction: "none" });
      const [dx] = gradients(loss, [logits], constant(Float32Array.of(1, 1, 1, 1))) as [Tensor];
      const p = 1 / (1 + Math.exp(-1));
      const [values, slopes] = (await read(await open(), [loss, dx], given)) as [number[], number[]];
      expectClose("loss", values, [0, 2e4, 0, -((1 - p) ** gamma) * Math.log(p)], [4]);
      expectClose("gradient", slopes.slice(0, 6), [0, 0, 1, -1, 0, 0], [6]);
    }
    const options = { labelSmoothing: 0.1, ignoreIndex: 1 };
    const ours = focal(logits, target, { ...options, gamma: 0 });
    const other = crossEntropy(logits, target, options);
    const finite = new Map([[logits, Float32Array.from(far, (v) => Math.max(-9, Math.min(v, 9)))]]);
    const [a, b, c, d] = await read(
      await open(),
      [ours.loss, other.loss, ours.correct, other.correct],
      finite,
    );
    expect([a, c]).toEqual([b, d]);
  });

  it("costs nothing where an impossible class is not wanted", async () => {
    const options = { ignoreIndex: -1 };
    const { loss, dx } = await run([0, 0, Number.NEGATIVE_INFINITY], [1], options);
    expectClose("loss", [loss!], [Math.LN2], []);
    expectClose("dx", dx, [0.5, -0.5, 0], [3]);
  });
});

const row = { shape: [7, 5], range: [-3, 3] as const };
const classes = { shape: [7], dtype: "i32" as const, data: labels };
const sample = { shape: [7], data: weights, gradient: false };
const perClass = { shape: [5], data: classWeights, gradient: false };
const cases: readonly OpCase[] = [
  {
    name: "class weights, smoothing, ignored",
    inputs: [row, classes, sample, perClass],
    build: (a, t, w, cw) =>
      crossEntropy(a!, t!, { weights: w!, classWeights: cw!, labelSmoothing: 0.1, ignoreIndex: 1 }).loss,
  },
  {
    name: "probabilities",
    inputs: [row, { ...row, range: [0, 1], gradient: false }],
    build: (a, t) => crossEntropy(a!, softmax(t!), { reduction: "none" }).loss,
  },
  {
    name: "images",
    inputs: [{ shape: [2, 3, 2, 2] }, { shape: [2, 2, 2], dtype: "i32", data: [0, 1, 2, 0, 1, 1, 0, 2] }],
    build: (a, t) => crossEntropy(a!, t!, { labelSmoothing: 0.3 }).loss,
  },
  {
    name: "nll",
    inputs: [row, classes, perClass],
    build: (a, t, cw) => nll(a!, t!, { classWeights: cw!, reduction: "sum" }).loss,
  },
  {
    name: "focal",
    inputs: [row, classes, sample, perClass],
    build: (a, t, w, cw) => focal(a!, t!, { weights: w!, classWeights: cw!, labelSmoothing: 0.2 }).loss,
  },
  {
    name: "focal, images",
    inputs: [{ shape: [2, 3, 2, 2] }, { shape: [2, 2, 2], dtype: "i32", data: [0, 1, 2, 0, 1, 1, 0, 2] }],
    build: (a, t) => focal(a!, t!, { gamma: 1.5, ignoreIndex: 1 }).loss,
  },
  ...([1, 2] as const).map(
    (p): OpCase => ({
      name: `multiMargin, p ${p}`,
      inputs: [row, classes, sample],
      build: (a, t, w) => multiMargin(a!, t!, { p, margin: 0.8, weights: w! }).loss,
    }),
  ),
];
checkOp("class losses", cases, { fuse: true, atol: 4e-6 });

it("multiMargin is PyTorch's multi_margin_loss", async () => {
  const leaf = input([2, 4]);
  const given = [0.1, 0.2, 0.4, 0.8, 0.5, -1, 2, 0.25];
  const at = (n: number, y: number) =>
    [0, 1, 2, 3].reduce(
      (s, c) => (c === y ? s : s + Math.max(0, 1 - given[n * 4 + y]! + given[n * 4 + c]!)),
      0,
    ) / 4;
  const { loss, correct } = multiMargin(leaf, constant(Int32Array.of(3, 0)));
  const values = await read(
    new CpuBackend({ bits: 64 }),
    [loss, correct],
    new Map([[leaf, Float64Array.from(given)]]),
  );
  // 0.325 is the example of PyTorch's documentation.
  expect(at(0, 3)).toBeCloseTo(0.325, 12);
  expectClose("loss", values[0]!, [(at(0, 3) + at(1, 0)) / 2], [], { atol: 1e-12 });
  expect(values[1]).toEqual([1]);
});

describe("class losses refuse", () => {
  const [logits, target] = [input([4, 3]), input([4], "i32")];
  it.each([
    [
      "too much smoothing",
      () => crossEntropy(logits, target, { labelSmoothing: 1.5 }),
      /labelSmoothing must be in \[0, 1\], got 1.5/,
    ],
    [
      "labels of another shape",
      () => crossEntropy(logits, input([5], "i32"), { labelSmoothing: 0.1 }),
      /labels must have shape \[4\]/,
    ],
    [
      "probabilities of another shape",
      () => crossEntropy(logits, input([4, 2])),
      /probabilities must have shape \[4, 3\]/,
    ],
    [
      "vectors",
      () => crossEntropy(input([4]), target, { labelSmoothing: 0.1 }),
      /logits must be \[N, C\] or \[N, C, …\]/,
    ],
    [
      "a gamma below 0",
      () => focal(logits, target, { gamma: -1 }),
      /focal: gamma must be at least 0, got -1/,
    ],
    [
      "focal labels of another shape",
      () => focal(logits, input([5], "i32")),
      /focal: labels must have shape/,
    ],
    [
      "half an ignored label, plain",
      () => crossEntropy(logits, target, { ignoreIndex: 1.5 }),
      /^crossEntropy: ignoreIndex must be a whole number of 32 bits, got 1.5/,
    ],
    [
      "half an ignored label, general",
      () => focal(logits, target, { ignoreIndex: 1.5 }),
      /^focal: ignoreIndex must be a whole number/,
    ],
    [
      "other powers",
      () => multiMargin(logits, target, { p: 3 as 2 }),
      /multiMargin: p must be 1 or 2, got 3/,
    ],
    [
      "another reduction",
      () => nll(logits, target, { reduction: "all" as "sum" }),
      /nll: reduction must be one of/,
    ],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(message);
  });
});
