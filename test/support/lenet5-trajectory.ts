/**
 * LeNet-5's first five Adam steps on 64 images against an independent float64 run: losses, every gradient's norm and
 * one whole gradient.
 */
import { expect } from "vitest";
import { gradients } from "../../src/autograd.ts";
import type { Data } from "../../src/graph/spec.ts";
import { input, state, type Tensor } from "../../src/graph/tensor.ts";
import { readSafetensors } from "../../src/io/safetensors.ts";
import * as nn from "../../src/nn/index.ts";
import { record } from "../../src/ops/data/record.ts";
import { relu } from "../../src/ops/elementwise/relu-sigmoid-tanh.ts";
import { crossEntropy } from "../../src/ops/loss/cross-entropy.ts";
import { maxPool2d } from "../../src/ops/pool/pool.ts";
import { flatten } from "../../src/ops/shape/reshape.ts";
import { adam } from "../../src/optim/index.ts";
import type { Backend, CompileOptions } from "../../src/runtime/backend.ts";
import { expectClose } from "./close.ts";
import { readFixture, readJsonFixture } from "./fixtures.ts";

interface Values {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}
interface Trajectory {
  readonly loss_before_each_step: readonly number[];
  readonly loss_after_step_5: number;
  readonly correct_before_each_step: readonly number[];
  readonly logits_at_step0: Values;
  readonly logits_after_step_5: Values;
  readonly gradient_l2_norms_at_step0: Readonly<Record<string, number>>;
  readonly gradient_conv1_weight_at_step0: Values;
}

class LeNet5 implements nn.Module {
  readonly conv1 = nn.conv2d(1, 6, 5, { padding: 2 });
  readonly conv2 = nn.conv2d(6, 16, 5);
  readonly fc1 = nn.linear(400, 120);
  readonly fc2 = nn.linear(120, 84);
  readonly fc3 = nn.linear(84, 10);

  forward(x: Tensor): Tensor {
    const a = maxPool2d(relu(this.conv1.forward(x)), 2);
    const b = maxPool2d(relu(this.conv2.forward(a)), 2);
    return this.fc3.forward(relu(this.fc2.forward(relu(this.fc1.forward(flatten(b))))));
  }
}

/** Compiles the step for `backend` and compares it with the golden run. */
export async function followTrajectory(
  backend: Backend,
  options: CompileOptions,
  tolerance: number,
): Promise<void> {
  const golden = await readJsonFixture<Trajectory>("golden/lenet5/trajectory.json");
  const weights = readSafetensors(await readFixture("golden/lenet5/initial_weights.safetensors")).tensors;
  const batch = readSafetensors(await readFixture("golden/lenet5/images.safetensors")).tensors;
  const model = new LeNet5();
  const named = nn.namedParameters(model);
  expect([...named.keys()].sort()).toEqual([...weights.keys()].sort());
  const parameters = [...named.values()];
  const x = input([64, 1, 28, 28]);
  const labels = input([64], "i32");
  const logits = model.forward(x);
  const { loss, correct, count } = crossEntropy(logits, labels);
  const grads = gradients(loss, parameters);
  const step = state([1], 0, "u32");
  const optimizer = adam({ learningRate: 1e-3 });
  const states = optimizer.states(parameters);
  const updates = [
    ...optimizer.updates(parameters, grads, states, step),
    record(state([8, 3]), step, [loss, correct, count]),
  ];
  const look = await backend.compile({ outputs: [loss, correct, logits, ...grads] }, options);
  const train = await backend.compile({ outputs: [loss], updates }, options);
  backend.write(x, batch.get("images")?.data as Data);
  backend.write(labels, batch.get("labels")?.data as Data);
  for (const [name, tensor] of named) backend.write(tensor, weights.get(name)?.data as Data);

  look.run();
  const { data, shape } = golden.logits_at_step0;
  expectClose("logits at step 0", await look.read(logits), data, shape, { atol: tolerance, rtol: tolerance });
  expect((await look.read(correct))[0]).toBe(golden.correct_before_each_step[0]);
  for (const [i, name] of [...named.keys()].entries()) {
    const gradient = await look.read(grads[i] as Tensor);
    const norm = Math.sqrt(Array.from(gradient).reduce((sum, v) => sum + v * v, 0));
    const expected = golden.gradient_l2_norms_at_step0[name] as number;
    expect(Math.abs(norm / expected - 1), `gradient norm of ${name}`).toBeLessThan(tolerance);
  }
  const first = golden.gradient_conv1_weight_at_step0;
  const conv1 = await look.read(grads[0] as Tensor);
  // Sums of 50,000 terms that largely cancel: an absolute limit, small beside the gradient's norm of 1.4e-2.
  expectClose("gradient of conv1.weight", conv1, first.data, first.shape, {
    atol: tolerance * 1e-2,
    rtol: tolerance,
  });

  for (const [i, expected] of golden.loss_before_each_step.entries()) {
    train.run();
    const got = (await train.read(loss))[0] as number;
    expect(Math.abs(got / expected - 1), `loss before step ${i + 1}: ${got}`).toBeLessThan(tolerance);
  }
  look.run();
  const last = (await look.read(loss))[0] as number;
  expect(Math.abs(last / golden.loss_after_step_5 - 1), `loss after step 5: ${last}`).toBeLessThan(tolerance);
  const after = golden.logits_after_step_5;
  // Adam's first steps are ±lr whatever the gradient's size, so rounding of a tiny gradient can show here.
  const atol = tolerance * 10;
  expectClose("logits after step 5", await look.read(logits), after.data, after.shape, {
    atol,
    rtol: tolerance,
  });
}
