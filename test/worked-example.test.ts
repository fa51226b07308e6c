/**
 * The 5x5 network worked through by hand: every intermediate value and derivative, one gradient step and the values
 * after it, and the first 10,000 steps of its fit, against the golden file.
 */
import { describe, expect, it } from "vitest";
import { gradients } from "../src/autograd.ts";
import type { Backend } from "../src/backend.ts";
import { CpuBackend } from "../src/cpu/backend.ts";
import { sigmoid } from "../src/ops/activation.ts";
import { square, sub } from "../src/ops/arithmetic.ts";
import { conv2d } from "../src/ops/conv2d.ts";
import { linear } from "../src/ops/linear.ts";
import { maxPool2d } from "../src/ops/pool.ts";
import { record } from "../src/ops/record.ts";
import { reshape } from "../src/ops/reshape.ts";
import { sum } from "../src/ops/sum.ts";
import { sgd } from "../src/optim/index.ts";
import { constant, parameter, state, type Tensor } from "../src/tensor.ts";
import { gpuBackend } from "./support/backend.ts";
import { expectClose } from "./support/close.ts";
import { readJsonFixture } from "./support/fixtures.ts";

type Weights = Readonly<Record<"kernel" | "w1_to_w4" | "w5_to_w8" | "w9_to_w12", Nested>>;
type Nested = readonly number[] | readonly (readonly number[])[];
interface Example {
  readonly input: Nested;
  readonly targets: readonly number[];
  readonly initial_weights: Weights;
  readonly forward: Readonly<Record<string, Nested | number>>;
  readonly derivatives_of_error: Readonly<Record<string, Nested>>;
  readonly after_one_gradient_step: {
    readonly weights: Weights;
    readonly forward: Readonly<Record<string, Nested | number>>;
  };
  readonly training_checkpoints: { readonly steps: readonly number[]; readonly error: readonly number[] };
}

const flat = (values: Nested | number): number[] => [values].flat(3) as number[];

function build(example: Example, learningRate: number) {
  const { kernel, w1_to_w4, w5_to_w8, w9_to_w12 } = example.initial_weights;
  const values = (...parts: Nested[]) => Float64Array.from(parts.flatMap(flat));
  const x = constant(values(example.input), [1, 1, 5, 5]);
  const targets = constant(values(example.targets), [1, 2]);
  const k = parameter([1, 1, 2, 2], values(kernel), "kernel");
  const hiddenWeight = parameter([2, 4], values(w1_to_w4, w5_to_w8), "hidden");
  const outputWeight = parameter([2, 2], values(w9_to_w12), "output");
  const parameters = [k, hiddenWeight, outputWeight];

  const feature_map = conv2d(x, k);
  const pooled = maxPool2d(feature_map, 2);
  const sigmoid_of_pooled = sigmoid(pooled);
  const hidden_net = linear(reshape(sigmoid_of_pooled, [1, 4]), hiddenWeight);
  const hidden = sigmoid(hidden_net);
  const output_net = linear(hidden, outputWeight);
  const output = sigmoid(output_net);
  const squared_errors = square(sub(output, targets));
  const error = sum(squared_errors);
  const forward = {
    feature_map,
    pooled,
    sigmoid_of_pooled,
    hidden_net,
    hidden,
    output_net,
    output,
    squared_errors,
    error,
  };

  const between = { output, output_net, hidden, hidden_net, sigmoid_of_pooled, pooled, feature_map };
  const grads = gradients(error, [...Object.values(between), ...parameters]);
  const derivatives = new Map(Object.keys(between).map((name, i) => [name, grads[i] as Tensor]));
  const weightGrads = grads.slice(-3);
  const step = state([1], 0, "u32");
  const optimizer = sgd({ learningRate });
  const updates = [
    ...optimizer.updates(parameters, weightGrads, optimizer.states(parameters), step),
    record(state([1, 1]), step, [error]),
  ];
  return { forward, derivatives, weightGrads, parameters, error, updates };
}

async function checkExample(backend: Backend, atol: number): Promise<void> {
  const example = await readJsonFixture<Example>("golden/worked-example-5x5.json");
  const { forward, derivatives, weightGrads, parameters, updates } = build(example, 0.001);
  const outputs = [...Object.values(forward), ...derivatives.values(), ...weightGrads];
  const program = await backend.compile({ outputs, updates });
  const close = async (name: string, t: Tensor, expected: readonly number[]) =>
    expectClose(name, await program.read(t), expected, [expected.length], { atol, rtol: 0 });
  program.run();
  for (const [name, t] of Object.entries(forward))
    await close(name, t, flat(example.forward[name] as Nested));
  for (const [name, t] of derivatives)
    await close(`d ${name}`, t, flat(example.derivatives_of_error[name] as Nested));
  const d = example.derivatives_of_error;
  await close("d kernel", weightGrads[0] as Tensor, flat(d.kernel as Nested));
  await close("d w1..w8", weightGrads[1] as Tensor, [
    ...flat(d.w1_to_w4 as Nested),
    ...flat(d.w5_to_w8 as Nested),
  ]);
  await close("d w9..w12", weightGrads[2] as Tensor, flat(d.w9_to_w12 as Nested));

  const { weights, forward: after } = example.after_one_gradient_step;
  const expected = [
    flat(weights.kernel),
    [...flat(weights.w1_to_w4), ...flat(weights.w5_to_w8)],
    flat(weights.w9_to_w12),
  ];
  for (const [i, p] of parameters.entries()) {
    expectClose(p.label, await backend.read(p), expected[i] as number[], p.shape, { atol, rtol: 0 });
  }
  program.run();
  for (const [name, t] of Object.entries(forward)) {
    if (after[name] !== undefined) await close(`${name} after one step`, t, flat(after[name]));
  }
}

async function checkFit(backend: Backend, most: number, atol: number): Promise<void> {
  const example = await readJsonFixture<Example>("golden/worked-example-5x5.json");
  const { error, updates } = build(example, 0.01);
  const program = await backend.compile({ outputs: [error], updates });
  const { steps, error: errors } = example.training_checkpoints;
  let done = 0;
  for (const [i, at] of steps.entries()) {
    if (at > most) break;
    // The error that a run leaves is the one before its last update.
    program.run(at + 1 - done);
    done = at + 1;
    const got = (await program.read(error))[0] as number;
    expect(Math.abs(got - (errors[i] as number)), `error before step ${at + 1}: ${got}`).toBeLessThan(atol);
  }
}

describe("5x5 worked example", () => {
  it("every value, CPU reference in float64", () => checkExample(new CpuBackend({ bits: 64 }), 1e-12));
  it("every value, CPU reference in float32", () => checkExample(new CpuBackend(), 1e-6));
  it("every value, GPU", async () => checkExample(await gpuBackend(), 1e-6));
  it("10,000 steps of the fit, CPU reference in float64", () =>
    checkFit(new CpuBackend({ bits: 64 }), 10_000, 1e-9));
  // One float32 run elsewhere stayed within 8e-8 of the float64 errors; another order of sums may double that.
  it("1,000 steps of the fit, GPU", async () => checkFit(await gpuBackend(), 1000, 3e-7));
});
