/** Recurrent layers against PyTorch: outputs, states and gradients by name. Dropout, shapes in a model, refusals. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { checkGradients } from "../../src/checks/check-gradients.ts";
import { sizeOf } from "../../src/graph/spec.ts";
import { constant, input, state, type Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { add, mul } from "../../src/ops/elementwise/arithmetic.ts";
import { dropout as dropoutOf, RandomSource } from "../../src/ops/random/random.ts";
import { recurrence } from "../../src/ops/recurrent/recurrence.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { ShapeError, ValueError } from "../../src/validation/errors.ts";
import { gpuBackend } from "../support/backend.ts";
import { expectClose, type Tolerance } from "../support/close.ts";
import { readJsonFixture } from "../support/fixtures.ts";

interface TorchCase extends nn.RnnOptions {
  readonly kind: "rnn" | "lstm" | "gru";
  readonly lengths?: readonly number[];
  readonly initial?: boolean;
  readonly results: Readonly<Record<string, readonly number[]>>;
  readonly gradients: Readonly<Record<string, readonly number[]>>;
}

const { sizes, cases } = await readJsonFixture<{ sizes: number[]; cases: TorchCase[] }>(
  "torch/recurrent.json",
);
const [N, T, F, H] = sizes as [number, number, number, number];

/** The numbers of test/fixtures/torch/recurrent.py. */
const sines = (shape: readonly number[], salt: number, scale = 1) =>
  Float64Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(1.7 * i + salt) * scale);

async function check(
  { kind, lengths, initial, results, gradients: expected, ...options }: TorchCase,
  backend: Backend,
  tolerance: Tolerance,
): Promise<void> {
  const model = { rnn: nn.rnn, lstm: nn.lstm, gru: nn.gru }[kind](F, H, options);
  const parameters = nn.namedParameters(model);
  const values = new Map<Tensor, Float64Array>();
  [...parameters.values()].forEach((t, i) => void values.set(t, sines(t.shape, i, 0.6)));
  const leaf = (name: string, shape: number[], salt: number) => {
    const t = input(shape, "f32", name);
    values.set(t, sines(shape, salt));
    return t;
  };
  const planes = [(options.layers ?? 1) * (options.bidirectional ? 2 : 1), N, H];
  const x = leaf("x", [N, T, F], 100);
  const start = initial
    ? { h: leaf("h0", planes, 101), ...(kind === "lstm" && { c: leaf("c0", planes, 102) }) }
    : {};
  const run = model.run(x, { state: start, lengths: lengths && constant(Int32Array.from(lengths)) });
  const made: Record<string, Tensor> = { output: run.output, ...run.state };
  const loss = Object.values(made)
    .map((t, i) => sum(mul(t, constant(sines(t.shape, 200 + i), t.shape))))
    .reduce((a, b) => add(a, b));
  const wrt = new Map([
    ...[...values.keys()].filter((t) => t.leaf?.kind === "input").map((t) => [t.label, t] as const),
    ...parameters,
  ]);
  expect(Object.keys(expected).sort()).toEqual([...wrt.keys()].sort());
  const outputs = Object.values(made);
  const grads = gradients(loss, [...wrt.values()]);
  const program = await backend.compile({ outputs: [...outputs, ...grads] });
  for (const [t, data] of values) backend.write(t, data);
  program.run();
  const names = [...Object.keys(made), ...wrt.keys()];
  for (const [i, t] of [...outputs, ...grads].entries()) {
    const name = names[i]!;
    const truth = i < outputs.length ? results[name] : expected[name];
    expectClose(`${kind} ${name}`, await program.read(t), Float64Array.from(truth!), t.shape, tolerance);
  }
}

describe("as PyTorch", () => {
  for (const c of cases) {
    const { results: _, gradients: __, ...form } = c;
    it(JSON.stringify(form), async () => {
      await check(c, new CpuBackend({ bits: 64 }), { atol: 1e-9, rtol: 1e-9 });
      // Activations and products in float32, several steps deep.
      await check(c, await gpuBackend(), { atol: 1e-5, rtol: 1e-4 });
    });

    it(`${JSON.stringify(form)}, unrolled`, async () => {
      await check({ ...c, unroll: true }, new CpuBackend({ bits: 64 }), { atol: 1e-9, rtol: 1e-9 });
      await check({ ...c, unroll: true }, await gpuBackend(), { atol: 1e-5, rtol: 1e-4 });
    });
  }
});

it.each(["rnnTanh", "lstm", "gru"] as const)("gradients of gradients of an unrolled %s", async (kind) => {
  const G = { rnnTanh: 1, lstm: 4, gru: 3 }[kind];
  const shapes = [[2, 3, 2], [G * 2, 2], [G * 2, 2], [G * 2], [2, 2]];
  const lengths = constant(Int32Array.of(3, 1));
  const first = (x: Tensor, weightIh: Tensor, weightHh: Tensor, biasHh: Tensor, h0: Tensor) => {
    const options = { h0, lengths, unroll: true };
    const { output, h } = recurrence(kind, x, { weightIh, weightHh, biasHh }, options);
    const loss = add(sum(mul(output, constant(sines(output.shape, 1), output.shape))), sum(mul(h, h)));
    const grads = gradients(loss, [x, weightIh, weightHh, biasHh, h0]);
    return grads
      .map((g, i) => sum(mul(g, constant(sines(g.shape, 2 + i), g.shape))))
      .reduce((a, b) => add(a, b));
  };
  const inputs = shapes.map((shape, i) => ({ shape, data: sines(shape, 10 + i, 0.6) }));
  const { failures } = await checkGradients(first as never, inputs, { atol: 1e-6, rtol: 1e-5 });
  expect(failures).toEqual([]);
});

/** Values of `outputs`, with sines as parameters and inputs. */
async function valuesOf(model: nn.Layer, x: Tensor, outputs: readonly Tensor[]): Promise<number[][]> {
  const device = await gpuBackend();
  const program = await device.compile({ outputs });
  device.write(x, sines(x.shape, 100));
  [...nn.namedParameters(model).values()].forEach((t, i) => {
    if (device.holds(t)) device.write(t, sines(t.shape, i, 0.6));
  });
  program.run();
  return Promise.all(outputs.map(async (t) => [...(await program.read(t))]));
}

describe("in a model", () => {
  it("forward gives all steps, or the last state of the top layer", async () => {
    const x = input([N, T, F]);
    const layer = nn.gru(F, H, { layers: 2, bidirectional: true });
    const {
      output,
      state: { h },
    } = layer.run(x);
    const outputs = [nn.forward(layer, x), output, h];
    const [sequence, same, states] = await valuesOf(layer, x, outputs);
    expect(outputs.map((t) => t.shape)).toEqual([
      [N, T, 2 * H],
      [N, T, 2 * H],
      [4, N, H],
    ]);
    expect(sequence).toEqual(same);
    const short = nn.gru(F, H, { layers: 2, bidirectional: true, returnSequences: false });
    const last = nn.forward(short, x);
    const [pairs] = await valuesOf(short, x, [last]);
    expect(last.shape).toEqual([N, 2 * H]);
    const top = states!.slice(2 * N * H);
    const expected = Array.from({ length: N }, (_, n) =>
      [0, 1].flatMap((d) => top.slice((d * N + n) * H, (d * N + n + 1) * H)),
    );
    expect(pairs).toEqual(expected.flat());
  });

  it("names and shapes of parameters are PyTorch's, and start values lie within 1/√H", () => {
    const layer = nn.lstm(5, 4, { layers: 2, bidirectional: true });
    const shapes = [...nn.namedParameters(nn.sequential(layer))].map(([name, t]) => `${name} ${t.shape}`);
    const rows = (name: string, f: number) => [
      `0.weight_ih_${name} 16,${f}`,
      `0.weight_hh_${name} 16,4`,
      `0.bias_ih_${name} 16`,
      `0.bias_hh_${name} 16`,
    ];
    expect(shapes).toEqual([
      ...rows("l0", 5),
      ...rows("l0_reverse", 5),
      ...rows("l1", 8),
      ...rows("l1_reverse", 8),
    ]);
    expect(nn.namedParameters(nn.rnn(2, 3, { bias: false })).size).toBe(2);
    expect(nn.summary(nn.sequential(layer, nn.linear(8, 2)), [7, 5]).outputShape).toEqual([1, 7, 2]);
  });

  it("a replaced parameter counts", async () => {
    const x = input([N, T, F]);
    const [one, two] = [nn.rnn(F, H), nn.rnn(F, H)];
    Object.assign(two, Object.fromEntries(nn.namedParameters(one)));
    const [a, b] = await valuesOf(one, x, [one.forward(x), two.forward(x)]);
    expect(a).toEqual(b);
  });

  it("dropout zeroes what one layer gives the next, in training only", async () => {
    const x = input([N, T, F]);
    const layer = nn.lstm(F, H, { layers: 2, dropout: 0.5 });
    const source = () => new RandomSource(state([1], 3, "u32"), constant(Uint32Array.of(1, 2)));
    const { result: trained } = nn.build({ training: true, random: source() }, () => layer.forward(x));
    const { result: evaluated } = nn.build({ training: false }, () => layer.forward(x));
    const p = Object.fromEntries(nn.namedParameters(layer)) as Record<string, Tensor>;
    const weights = (k: number) => ({
      weightIh: p[`weight_ih_l${k}`]!,
      weightHh: p[`weight_hh_l${k}`]!,
      biasIh: p[`bias_ih_l${k}`],
      biasHh: p[`bias_hh_l${k}`],
    });
    const first = recurrence("lstm", x, weights(0)).output;
    const byHand = recurrence("lstm", dropoutOf(first, 0.5, source()), weights(1)).output;
    const plain = recurrence("lstm", first, weights(1)).output;
    const [a, b, c, d] = await valuesOf(layer, x, [trained, byHand, evaluated, plain]);
    expect(a).toEqual(b);
    expect(c).toEqual(d);
    expect(a).not.toEqual(c);
    const unsaid = sum(layer.forward(x));
    expect(() => gradients(unsaid, [p.weight_ih_l0!])).toThrow(/built for evaluation/);
  });
});

describe("refuses", () => {
  const x = input([N, T, F]);
  const wrong: readonly (readonly [string, () => unknown, new (m: string) => Error, RegExp])[] = [
    [
      "no units",
      () => nn.lstm(2, 0),
      ShapeError,
      /nn.lstm: hiddenSize must be a whole number of at least 1, got 0/,
    ],
    [
      "half a layer",
      () => nn.gru(2, 2, { layers: 0.5 }),
      ShapeError,
      /nn.gru: layers must be a whole number/,
    ],
    [
      "dropout after the only layer",
      () => nn.lstm(2, 2, { dropout: 0.1 }),
      ValueError,
      /dropout lies between layers/,
    ],
    [
      "dropout above 1",
      () => nn.lstm(2, 2, { layers: 2, dropout: 2 }),
      ValueError,
      /dropout must be in \[0, 1\], got 2/,
    ],
    [
      "PyTorch's name for layers",
      () => nn.lstm(2, 2, { numLayers: 2 } as never),
      ValueError,
      /did you mean layers/,
    ],
    [
      "an unknown nonlinearity",
      () => nn.rnn(2, 2, { nonlinearity: "relo" as never }),
      ValueError,
      /did you mean "relu"/,
    ],
    [
      "a state without layers",
      () => nn.lstm(F, H).run(x, { state: { h: input([N, H]) } }),
      ShapeError,
      /state.h must be \[1, 3, 3\], got \[3, 3\]/,
    ],
    [
      "a cell state for a gru",
      () => nn.gru(F, H).run(x, { state: { c: input([1, N, H]) } }),
      ShapeError,
      /gru: has no cell state/,
    ],
    [
      "a sequence without steps",
      () => nn.lstm(F, H).forward(input([N, F])),
      ShapeError,
      /nn.lstm: x must be f32 of rank 3/,
    ],
  ];
  it.each(wrong)("%s", (_, build, kind, message) => {
    expect(build).toThrow(message);
    expect(build).toThrow(kind);
  });
});
