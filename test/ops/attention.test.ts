/** Attention: PyTorch's values, every kernel against the CPU body, composed against fused, masks, special values, refusals. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import type { Data } from "../../src/graph/spec.ts";
import { constant, input, type Tensor } from "../../src/graph/tensor.ts";
import {
  type AttentionOptions,
  scaledDotProductAttention,
  selfAttention,
} from "../../src/ops/attention/dot-product-attention.ts";
import { mul } from "../../src/ops/elementwise/arithmetic.ts";
import { gt } from "../../src/ops/elementwise/compare.ts";
import { RandomSource } from "../../src/ops/random/random.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { GraphError } from "../../src/validation/errors.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";
import { checkTorch } from "../support/golden.ts";
import { numbers } from "../support/update-run.ts";

type Causal = "upperLeft" | "lowerRight";

const torchCase = (inputs: Readonly<Record<string, Tensor>>, attrs: object, composed: boolean) => {
  const { q, k, v, mask, bias, lengths } = inputs;
  const given = attrs as { causal?: Causal; scale?: number };
  const options: AttentionOptions = { ...given, mask, scoreBias: bias, lengths, enableGqa: true, composed };
  return scaledDotProductAttention(q!, k!, v!, options);
};
for (const composed of [true, false]) {
  checkTorch(
    "attention",
    { attention: (inputs, { attrs }) => torchCase(inputs, attrs, composed) },
    { atol: 2e-6 },
  );
}

const TILES = ["quads", "single", "tile"];
const VARIANTS = TILES.map((name) => ({ attention: name, attentionBackward: name }));
/** Without `single`, which differs from `tile` in where it loads from: every variant compiles for seconds on a software adapter. */
const COMMON = VARIANTS.filter(({ attention }) => attention !== "single");
const ROWS = { attention: "rows" };

/** A new source at each call, so that every build draws the same numbers. */
const random = () => new RandomSource(constant(Uint32Array.of(3)), constant(Uint32Array.of(7, 1)));

interface Form extends Omit<AttentionOptions, "mask" | "scoreBias" | "lengths"> {
  /** Shapes of masks. */
  readonly mask?: readonly number[];
  readonly scoreBias?: readonly number[];
  readonly integers?: boolean;
  readonly lengths?: readonly number[];
  readonly drops?: boolean;
}

function masksOf(
  { mask, scoreBias, lengths, integers, drops, ...others }: Form,
  rest: Tensor[],
): AttentionOptions {
  return {
    ...others,
    mask: mask && rest.shift(),
    scoreBias: scoreBias && rest.shift(),
    lengths: lengths && rest.shift(),
    ...(drops ? { dropout: 0.3, random: random() } : {}),
  };
}

function maskInputs({ mask, scoreBias, lengths, integers }: Form) {
  const truths = (shape: readonly number[]) =>
    numbers(
      shape.reduce((a, b) => a * b),
      9,
    ).map((v) => Number(v > -0.4));
  return [
    ...(mask
      ? [{ shape: mask, data: truths(mask), gradient: false, dtype: integers ? "i32" : "f32" } as const]
      : []),
    ...(scoreBias ? [{ shape: scoreBias, gradient: false }] : []),
    ...(lengths ? [{ shape: [lengths.length], dtype: "i32", data: lengths } as const] : []),
  ];
}

const nameOf = (form: Form) =>
  Object.entries(form)
    .map(([key, value]) => `, ${key} ${value}`)
    .join("");

/** Separate operands. */
const separate = ([N, H, KV, L, S, E, EV = E]: readonly number[], form: Form = {}): OpCase => ({
  name: `${N} x ${H} heads (${KV}), ${L}x${S}, ${E} features${nameOf(form)}`,
  inputs: [
    { shape: [N!, H!, L!, E!] },
    { shape: [N!, KV!, S!, E!] },
    { shape: [N!, KV!, S!, EV!] },
    ...maskInputs(form),
  ],
  build: (q, k, v, ...rest) =>
    scaledDotProductAttention(q!, k!, v!, { ...masksOf(form, rest as Tensor[]), enableGqa: true }),
});

const packed = ([N, T, heads, kvHeads, E]: readonly number[], form: Form = {}): OpCase => ({
  name: `packed ${N} x ${T}, ${heads} heads (${kvHeads}) of ${E}${nameOf(form)}`,
  inputs: [{ shape: [N!, T!, (heads! + 2 * kvHeads!) * E!] }, ...maskInputs(form)],
  build: (qkv, ...rest) =>
    selfAttention(qkv!, { heads: heads!, kvHeads: kvHeads!, ...masksOf(form, rest as Tensor[]) }),
});

// Sums of up to 130 products of numbers below 1 in float32; gradients are sums of as many of them.
const close = { atol: 2e-5, rtol: 1e-4 };
checkOp(
  "attention",
  [
    separate([1, 1, 1, 1, 1, 8]),
    separate([1, 2, 1, 33, 15, 8], { causal: true, scoreBias: [2, 1, 15], mask: [33, 15] }),
    separate([1, 2, 2, 16, 16, 5, 3], { mask: [2, 1, 16], integers: true }),
    packed([2, 37, 3, 3, 16], { causal: true }),
  ],
  { ...close, variants: COMMON },
);
checkOp(
  "attention",
  [
    separate([2, 4, 2, 17, 31, 12], { causal: "lowerRight", lengths: [31, 20], scale: 0.4 }),
    packed([2, 19, 2, 1, 8], { lengths: [19, 6], mask: [1, 19, 19], drops: true }),
  ],
  { ...close, variants: VARIANTS },
);
checkOp("attention", [packed([1, 130, 2, 1, 64], { causal: true }), packed([1, 17, 1, 1, 128])], {
  ...close,
  variants: COMMON,
  numeric: false,
});
checkOp(
  "attention of few queries",
  [
    separate([2, 4, 2, 1, 37, 32], { causal: "lowerRight", lengths: [37, 5] }),
    separate([1, 2, 2, 3, 7, 8], { mask: [3, 7], drops: true }),
    separate([3, 1, 1, 5, 4, 8], { lengths: [4, 0, 1], scoreBias: [3, 1, 5, 4] }),
  ],
  { ...close, variants: [ROWS], gradients: false },
);

type Given = ReadonlyMap<Tensor, Data | readonly number[]>;

async function values(
  backend: Backend,
  outputs: readonly Tensor[],
  given: Given,
  variants = {},
): Promise<number[][]> {
  const program = await backend.compile({ outputs }, { variants });
  for (const [leaf, data] of given) if (backend.holds(leaf)) backend.write(leaf, data);
  program.run();
  return Promise.all(outputs.map(async (t) => [...(await program.read(t))]));
}

it.each([
  [4, {}],
  [6, { causal: "lowerRight" }],
  [7, { drops: true }],
  [6, { drops: true, mask: [2, 1, 1, 6] }],
] as const)("is what its composed form is, with its gradient: %d keys, %o", async (S, form) => {
  const [q, k, v] = [input([2, 2, 5, 8]), input([2, 2, S, 8]), input([2, 2, S, 8])];
  const mask = constant(
    Float32Array.from({ length: 12 }, (_, i) => Number(i % 3 > 0)),
    [2, 1, 1, 6],
  );
  const results = [false, true].flatMap((composed) => {
    const y = scaledDotProductAttention(q, k, v, { ...masksOf(form as Form, [mask]), composed });
    return [y, ...gradients(sum(mul(y, y)), [q, k, v])];
  });
  const given: Given = new Map([q, k, v].map((t, i) => [t, numbers(t.size, i)]));
  for (const backend of [new CpuBackend({ bits: 64 }), await gpuBackend()]) {
    const found = await values(backend, results, given);
    for (let i = 0; i < 4; i++)
      expectClose(`${backend.kind} ${i}`, found[i]!, found[i + 4]!, results[i]!.shape, {
        atol: 5e-6,
        rtol: 1e-4,
      });
  }
});

describe.each([...COMMON, ROWS])("special values, %o", (variants) => {
  const [N, L, S, E] = [2, 3, 20, 8];
  const [q, k, v] = [input([N, 1, L, E]), input([N, 1, S, E]), input([N, 1, S, E])];
  const results = (options: AttentionOptions) => {
    const y = scaledDotProductAttention(q, k, v, options);
    return [y, ...gradients(sum(mul(y, y)), [q, k, v])];
  };
  const data = () => new Map([q, k, v].map((t, i) => [t, Float32Array.from(numbers(t.size, i))]));

  it("a query that sees no key gives 0 and has no gradient", async () => {
    const mask = constant(
      Float32Array.from({ length: L }, (_, i) => Number(i !== 1)),
      [L, 1],
    );
    const lengths = constant(Int32Array.of(S, 0));
    for (const backend of [new CpuBackend({ bits: 64 }), await gpuBackend()]) {
      const found = await values(
        backend,
        results({ mask, lengths }),
        data(),
        backend.kind === "cpu" ? {} : variants,
      );
      for (const [r, t] of [q, q, k, v].entries()) {
        expect(found[r]!.every(Number.isFinite)).toBe(true);
        expect(found[r]!.slice(t.size / 2).every((value) => value === 0)).toBe(true);
        expect(found[r]!.slice(0, t.size / 2).some((value) => value !== 0)).toBe(true);
      }
      for (const r of [0, 1]) expect(found[r]!.slice(E, 2 * E)).toEqual(new Array(E).fill(0));
    }
  });

  it("NaN and infinite scores reach the query, and no other sample", async () => {
    const device = await gpuBackend();
    const clean = await values(device, results({}), data(), variants);
    for (const [t, value] of [
      [q, Number.NaN],
      [k, Number.NaN],
      [k, Number.POSITIVE_INFINITY],
      [v, Number.NaN],
    ] as const) {
      const given = data();
      given.get(t)![E] = value;
      const found = await values(device, results({}), given, variants);
      const ofQuery = found[0]!.slice(E, 2 * E);
      expect(t === v ? Number.isNaN(ofQuery[0]) : ofQuery.every(Number.isNaN)).toBe(true);
      if (t === q) expect(found[0]!.slice(0, E)).toEqual(clean[0]!.slice(0, E));
      // The gradients of what took part.
      expect(found[1]!.slice(E, 2 * E).every(Number.isNaN)).toBe(true);
      expect(found[2]!.slice(0, E).every(Number.isNaN)).toBe(true);
      for (const [r, whole] of found.entries()) {
        expect(whole.slice(whole.length / 2)).toEqual(clean[r]!.slice(whole.length / 2));
      }
    }
  });

  it("what lies behind the lengths does not matter, even if it is NaN", async () => {
    const device = await gpuBackend();
    const lengths = constant(Int32Array.of(5, 17));
    const clean = await values(device, results({ lengths }), data(), variants);
    const given = data();
    for (const t of [k, v]) {
      given.get(t)!.fill(Number.NaN, 5 * E, S * E);
      given.get(t)!.fill(Number.NaN, (S + 17) * E);
    }
    expect(await values(device, results({ lengths }), given, variants)).toEqual(clean);
  });

  it("a computed mask of other numbers than 0 and 1 gives NaN", async () => {
    const mask = input([S]);
    const given: Map<Tensor, Data> = data();
    given.set(
      mask,
      Float32Array.from({ length: S }, (_, j) => (j === 4 ? Number.NEGATIVE_INFINITY : 0)),
    );
    for (const backend of [new CpuBackend({ bits: 64 }), await gpuBackend()]) {
      const [y] = await values(backend, results({ mask }), given, backend.kind === "cpu" ? {} : variants);
      expect(y!.every(Number.isNaN)).toBe(true);
    }
  });
});

it("takes what comparisons give as a mask, and lengths that change between runs", async () => {
  const [q, scores, lengths] = [input([2, 1, 3, 4]), input([2, 1, 1, 3]), input([2], "i32")];
  const y = scaledDotProductAttention(q, q, q, { mask: gt(scores, 0), lengths });
  const device = await gpuBackend();
  const program = await device.compile({ outputs: [y] });
  device.write(q, numbers(24, 1));
  device.write(scores, [1, 1, -1, 1, 1, 1]);
  const read = async (given: readonly number[]) => {
    device.write(lengths, Int32Array.from(given));
    program.run();
    return [...(await program.read(y))];
  };
  const whole = await read([3, 3]);
  expect(await read([2, 3])).toEqual(whole);
  expect(await read([3, 2])).not.toEqual(whole);
  expect(await read([3, 3])).toEqual(whole);
});

it("takes one dispatch forward and one backward, and memory that grows with T, not with its square", async () => {
  const device = await gpuBackend();
  const bytes: number[] = [];
  for (const T of [256, 1024, 4096]) {
    const [qkv, dy] = [input([1, T, 96]), input([1, T, 32])];
    const y = selfAttention(qkv, { heads: 4, causal: true });
    const program = await device.compile({ outputs: gradients(mul(y, 2), [qkv], dy) });
    const { steps, slotBytes } = program.describe();
    expect(steps.filter((label) => label.startsWith("attention"))).toEqual([
      "attention",
      "attentionBackward",
    ]);
    bytes.push(slotBytes);
  }
  // y, its gradient and a logarithm per head and query.
  expect(bytes).toEqual([256, 1024, 4096].map((T) => T * 4 * (32 + 32 + 4)));
});

it("refuses gradients that only the composed form has, by its name", () => {
  const [q, scoreBias] = [input([3, 4]), input([3, 3])];
  for (const composed of [false, true]) {
    const y = scaledDotProductAttention(q, q, q, { scoreBias, composed });
    const second = () => gradients(sum(mul(gradients(sum(mul(y, y)), [q])[0]!, q)), [q]);
    const ofBias = () => gradients(sum(y), [scoreBias]);
    for (const make of [second, ofBias]) {
      if (composed) expect(make).not.toThrow();
      else {
        expect(make).toThrow(/composed: true/);
        expect(make).toThrow(GraphError);
      }
    }
  }
});

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
