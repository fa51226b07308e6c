/**
 * NaN, infinities, zeros of both signs, denormal and huge numbers through every pointwise op, reduction and loss, values and
 * gradients: PyTorch's results (fixtures/special-values, with the script that made them) against the CPU reference and the
 * GPU, op by op and fused.
 */
import { describe, expect, it } from "vitest";
import { gradients } from "../src/autograd.ts";
import { constant, type Tensor } from "../src/graph/tensor.ts";
import * as ops from "../src/ops/index.ts";
import type { Backend } from "../src/runtime/backend.ts";
import { CpuBackend } from "../src/runtime/cpu/backend.ts";
import { gpuBackend } from "./support/backend.ts";
import { readJsonFixture } from "./support/fixtures.ts";

interface Record_ {
  readonly y: string;
  readonly d?: readonly (string | null)[];
}
type Records = Readonly<Record<string, Record_>>;
interface Fixture {
  readonly unary: { readonly x: string; readonly ops: Records };
  readonly binary: { readonly a: string; readonly b: string; readonly ops: Records };
  readonly rows: { readonly x: string; readonly ops: Records };
  readonly losses: { readonly x: string; readonly t: string; readonly ops: Records };
  readonly classes: { readonly x: string; readonly labels: readonly number[]; readonly ops: Records };
  readonly images: Records;
}

const fixture = await readJsonFixture<Fixture>("special-values/special-values.json");
const numbers = (words: string) =>
  words
    .split(" ")
    .map((w) =>
      w === "nan" ? Number.NaN : w.endsWith("inf") ? Number(w.replace("inf", "Infinity")) : Number(w),
    );

interface Case {
  readonly name: string;
  readonly inputs: readonly Tensor[];
  readonly y: Tensor;
  readonly expected: Record_;
}

/** What is tolerated beside equal values. */
interface Rule {
  /** Places with a NaN among the inputs: a gradient may be NaN there where PyTorch stops it. */
  readonly nanAt: (i: number) => boolean;
  /** Gradients that are not compared, and results that are not. */
  readonly unsure?: (i: number) => boolean;
  readonly skip?: (i: number) => boolean;
  /** Another right result: of 0, where an adapter that flushes denormal numbers may see that. */
  readonly instead: (i: number) => number | undefined;
}

const TINY = 2 ** -126;

function close(actual: number, expected: number): boolean {
  if (Number.isNaN(expected)) return Number.isNaN(actual);
  return actual === expected || Math.abs(actual - expected) <= 2e-6 + 4e-5 * Math.abs(expected);
}

function differences(
  what: string,
  actual: ArrayLike<number>,
  expected: readonly number[],
  rule: Rule,
  isGradient: boolean,
): string[] {
  return expected.flatMap((e, i) => {
    const a = actual[i] as number;
    if (rule.skip?.(i)) return [];
    const other = rule.instead(i);
    if (close(a, e) || (isGradient && rule.nanAt(i) && Number.isNaN(a))) return [];
    if (isGradient && (rule.unsure?.(i) || !(Number.isFinite(e) || Number.isFinite(a)))) return [];
    if (other !== undefined && close(a, other)) return [];
    return [`${what}[${i}]: ${a}, PyTorch ${e}`];
  });
}

/** Checks `cases` on one backend, all in one program. */
async function check(
  backend: Backend,
  fuse: boolean,
  cases: readonly Case[],
  ruleOf: (c: Case) => (list: readonly number[]) => Rule,
) {
  const wanted = cases.map((c) => ({
    c,
    grads: c.expected.d === undefined ? [] : gradients(ops.sum(c.y), [...c.inputs]),
  }));
  const outputs = wanted.flatMap(({ c, grads }) => [c.y, ...grads]);
  const program = await backend.compile({ outputs: [...new Set(outputs)] }, { fuse });
  program.run();
  const wrong: string[] = [];
  for (const { c, grads } of wanted) {
    const y = numbers(c.expected.y);
    wrong.push(...differences(c.name, await program.read(c.y), y, ruleOf(c)(y), false));
    for (const [g, grad] of grads.entries()) {
      const words = c.expected.d?.[g];
      if (words === null || words === undefined) continue;
      const d = numbers(words);
      wrong.push(...differences(`${c.name}, gradient ${g}`, await program.read(grad), d, ruleOf(c)(d), true));
    }
  }
  expect(wrong).toEqual([]);
}

function onAll(
  title: string,
  make: () => readonly Case[],
  ruleOf: (c: Case, flushes: boolean) => (list: readonly number[]) => Rule,
) {
  describe(title, () => {
    it("on the CPU reference", () => check(new CpuBackend(), false, make(), (c) => ruleOf(c, false)));
    it("on the GPU, op by op", async () => check(await gpuBackend(), false, make(), (c) => ruleOf(c, true)));
    it("on the GPU, fused", async () => check(await gpuBackend(), true, make(), (c) => ruleOf(c, true)));
  });
}

const leaf = (values: readonly number[], shape: readonly number[] = [values.length]) =>
  constant(Float32Array.from(values), shape);

const UNARY: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  abs: ops.abs,
  exp: ops.exp,
  expm1: ops.expm1,
  log: ops.log,
  log1p: ops.log1p,
  sqrt: ops.sqrt,
  rsqrt: ops.rsqrt,
  erf: ops.erf,
  floor: ops.floor,
  ceil: ops.ceil,
  round: ops.round,
  sin: ops.sin,
  cos: ops.cos,
  square: ops.square,
  neg: ops.neg,
  relu: ops.relu,
  sigmoid: ops.sigmoid,
  tanh: ops.tanh,
  leakyRelu: ops.leakyRelu,
  elu: ops.elu,
  selu: ops.selu,
  gelu: ops.gelu,
  geluTanh: (x) => ops.gelu(x, { approximate: "tanh" }),
  silu: ops.silu,
  softplus: ops.softplus,
  mish: ops.mish,
  hardtanh: ops.hardtanh,
  hardSigmoid: ops.hardSigmoid,
  clamp: (x) => ops.clamp(x, -1.5, 2),
  clampLow: (x) => ops.clamp(x, 0),
  clampHigh: (x) => ops.clamp(x, Number.NEGATIVE_INFINITY, 0),
  pow0: (x) => ops.pow(x, 0),
  pow1: (x) => ops.pow(x, 1),
  pow2: (x) => ops.pow(x, 2),
  pow3: (x) => ops.pow(x, 3),
  powFraction: (x) => ops.pow(x, 0.7),
  powMinus1: (x) => ops.pow(x, -1),
  powMinus2: (x) => ops.pow(x, -2),
};

onAll(
  "functions of one number",
  () => {
    const values = numbers(fixture.unary.x);
    return Object.entries(fixture.unary.ops).map(([name, expected]) => {
      const x = leaf(values);
      return { name, inputs: [x], y: UNARY[name]!(x), expected };
    });
  },
  (c, flushes) => {
    const values = numbers(fixture.unary.x);
    const zeros = [values.findIndex((v) => Object.is(v, 0)), values.findIndex((v) => Object.is(v, -0))];
    return (list) => ({
      nanAt: (i) => Number.isNaN(values[i]),
      // PyTorch's vector code stops this gradient at NaN, its scalar code does not.
      unsure: (i) => Number.isNaN(values[i]) && c.name.startsWith("hard"),
      instead: (i) => {
        const v = values[i]!;
        if (!flushes || v === 0 || !(Math.abs(v) < TINY)) return undefined;
        return list[zeros[v > 0 ? 0 : 1]!];
      },
    });
  },
);

const BINARY: Readonly<Record<string, (a: Tensor, b: Tensor) => Tensor>> = {
  add: ops.add,
  sub: ops.sub,
  mul: ops.mul,
  div: ops.div,
  maximum: ops.maximum,
  minimum: ops.minimum,
  pow: ops.pow,
  eq: ops.eq,
  ne: ops.ne,
  lt: ops.lt,
  le: ops.le,
  gt: ops.gt,
  ge: ops.ge,
  prelu: (a, b) => ops.where(ops.gt(a, 0), a, ops.mul(a, b)),
  where: (a, b) => ops.where(a, a, b),
};

const never = { nanAt: () => false, instead: () => undefined };

onAll(
  "functions of two numbers",
  () => {
    const [as, bs] = [numbers(fixture.binary.a), numbers(fixture.binary.b)];
    return Object.entries(fixture.binary.ops).map(([name, expected]) => {
      const [a, b] = [leaf(as), leaf(bs)];
      return { name, inputs: [a, b], y: BINARY[name]!(a, b), expected };
    });
  },
  () => {
    const [as, bs] = [numbers(fixture.binary.a), numbers(fixture.binary.b)];
    return () => ({ ...never, nanAt: (i) => Number.isNaN(as[i]! + bs[i]!) });
  },
);

const along = { axes: 1 };
const ROWS: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  sum: (x) => ops.sum(x, along),
  mean: (x) => ops.mean(x, along),
  max: (x) => ops.max(x, along),
  min: (x) => ops.min(x, along),
  prod: (x) => ops.prod(x, along),
  variance: (x) => ops.variance(x, along),
  std: (x) => ops.std(x, along),
  logSumExp: (x) => ops.logSumExp(x, along),
  norm1: (x) => ops.norm(x, { ...along, p: 1 }),
  norm2: (x) => ops.norm(x, along),
  normInf: (x) => ops.norm(x, { ...along, p: Number.POSITIVE_INFINITY }),
  softmax: (x) => ops.softmax(x),
  logSoftmax: (x) => ops.logSoftmax(x),
  cumsum: (x) => ops.cumsum(x, 1),
  argmax: (x) => ops.argmax(x, 1),
  argmin: (x) => ops.argmin(x, 1),
  layerNorm: (x) => ops.layerNorm(x, 4),
};

onAll(
  "reductions and what goes by rows",
  () => {
    const values = numbers(fixture.rows.x);
    return Object.entries(fixture.rows.ops).map(([name, expected]) => {
      const x = leaf(values, [values.length / 4, 4]);
      return { name, inputs: [x], y: ROWS[name]!(x), expected };
    });
  },
  (c) => {
    const values = numbers(fixture.rows.x);
    // Only one of the two backends adds in float32, where 3e38 + 3e38 is infinite.
    const rowOf = (i: number, list: readonly number[]) => Math.floor((i * values.length) / 4 / list.length);
    const row = (i: number, list: readonly number[]) =>
      values.slice(4 * rowOf(i, list), 4 * rowOf(i, list) + 4);
    return (list) => ({
      nanAt: (i) => row(i, list).some(Number.isNaN),
      // prod says that its gradient is NaN beside both.
      unsure: (i) =>
        c.name === "prod" && row(i, list).includes(0) && row(i, list).some((v) => Math.abs(v) === 1 / 0),
      // Where the maximum is infinite the gradient of logSumExp is 0; PyTorch's is NaN.
      instead: (i) =>
        c.name === "logSumExp" && Math.abs(Math.max(...row(i, list))) === Number.POSITIVE_INFINITY
          ? 0
          : undefined,
      skip: (i) => row(i, list).includes(3e38),
    });
  },
);

const LOSSES: Readonly<Record<string, (x: Tensor, t: Tensor, options: ops.LossOptions) => Tensor>> = {
  mse: ops.mse,
  l1: ops.l1,
  huber: ops.huber,
  smoothL1: ops.smoothL1,
  klDiv: ops.klDiv,
  bceWithLogits: ops.bceWithLogits,
  hinge: ops.hinge,
};
const none = { reduction: "none" } as const;

onAll(
  "losses of values",
  () => {
    const [xs, ts] = [numbers(fixture.losses.x), numbers(fixture.losses.t)];
    return Object.entries(fixture.losses.ops).map(([name, expected]) => {
      const x = leaf(xs);
      return { name, inputs: [x], y: LOSSES[name]!(x, leaf(ts), none), expected };
    });
  },
  (c) => {
    const values = numbers(fixture.losses.x);
    return () => ({
      nanAt: (i) => Number.isNaN(values[i]),
      unsure: (i) => values[i] !== 0 && Math.abs(values[i]!) < TINY,
      // PyTorch computes 0 · -Infinity where the loss is infinite.
      instead: (i) =>
        c.name === "bceWithLogits" && !Number.isFinite(values[i]) ? Number.POSITIVE_INFINITY : undefined,
    });
  },
);

const CLASSES: Readonly<Record<string, (x: Tensor, labels: Tensor) => ops.ClassLoss>> = {
  crossEntropy: (x, labels) => ops.crossEntropy(x, labels, none),
  crossEntropySmoothed: (x, labels) => ops.crossEntropy(x, labels, { ...none, labelSmoothing: 0.1 }),
  nll: (x, labels) => ops.nll(x, labels, none),
  multiMargin: (x, labels) => ops.multiMargin(x, labels, none),
};

onAll(
  "losses of classes",
  () => {
    const { x: words, labels, ops: records } = fixture.classes;
    const values = numbers(words);
    return Object.entries(records).map(([name, expected]) => {
      const x = leaf(values, [labels.length, 4]);
      return { name, inputs: [x], y: CLASSES[name]!(x, constant(Int32Array.from(labels))).loss, expected };
    });
  },
  (c) => {
    const values = numbers(fixture.classes.x);
    const row = (i: number, list: readonly number[]) => {
      const r = Math.floor((i * values.length) / 4 / list.length);
      return values.slice(4 * r, 4 * r + 4);
    };
    const margin = c.name === "multiMargin";
    return (list) => ({
      nanAt: (i) => row(i, list).some(Number.isNaN),
      unsure: (i) => margin && !row(i, list).every(Number.isFinite),
      // PyTorch's margin takes NaN for 0; here it stays NaN.
      instead: (i) => (margin && !row(i, list).every(Number.isFinite) ? Number.NaN : undefined),
    });
  },
);
