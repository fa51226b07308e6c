/** Runs that are paused, resumed and stepped end with the same bits; other graphs can be run while they are paused. */
import { expect, it } from "vitest";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import { constant } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { adam } from "../../src/optim/index.ts";
import { RunControl } from "../../src/train/loop/control.ts";
import type { Metrics } from "../../src/train/loop/events.ts";
import type { TrainerOptions } from "../../src/train/loop/options.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { ValueError } from "../../src/validation/errors.ts";
import { ownBackend } from "../support/backend.ts";

const { train, test } = syntheticDigits({ seed: 3, train: 500, test: 100 });
const STEPS = 16;

async function trainerOf(stepsPerSubmit?: number): Promise<Trainer> {
  return Trainer.create(await ownBackend(), {
    model: nn.sequential(nn.flatten(), nn.linear(784, 16), nn.relu(), nn.linear(16, 10)),
    loss: nn.crossEntropy(),
    optimizer: adam(),
    batchSize: 32,
    seed: 2,
    ...(stepsPerSubmit === undefined ? {} : { stepsPerSubmit }),
  });
}

/** Notes every step's loss under its number. */
function lossLog(): { losses: number[]; onSteps: (first: number, steps: readonly Metrics[]) => void } {
  const losses: number[] = [];
  const onSteps = (first: number, steps: readonly Metrics[]) => {
    for (const [i, { loss }] of steps.entries()) losses[first + i] = loss;
  };
  return { losses, onSteps };
}

it("pauses, takes single steps, resumes, and ends with the same losses and bytes", async () => {
  const undisturbed = await trainerOf();
  const whole = lossLog();
  await undisturbed.fit(train, { epochs: 2, validation: test, onSteps: whole.onSteps });
  expect(whole.losses).toHaveLength(2 * STEPS);

  const trainer = await trainerOf(3);
  const log = lossLog();
  const control = new RunControl(true);
  const positions: number[] = [];
  const run = trainer.fit(train, { epochs: 2, validation: test, onSteps: log.onSteps, control });
  const turns = [() => control.step(), () => control.step(), () => control.step(4), () => control.resume()];
  control.step(2);
  let paused = 0;
  for await (const event of run) {
    if (event.event === "progress" && control.paused) {
      positions.push(event.step);
      setTimeout(turns[paused++] as () => void, 5);
    }
  }
  expect(positions).toEqual([2, 3, 4, 8]);
  expect(log.losses).toEqual(whole.losses);
  expect(await trainer.toSafetensors()).toEqual(await undisturbed.toSafetensors());
  await trainer.backend.close();
  await undisturbed.backend.close();
});

it("ends a paused run when its signal is aborted", async () => {
  const trainer = await trainerOf();
  const control = new RunControl();
  const abort = new AbortController();
  control.step(3);
  const run = trainer.fit(train, { epochs: 1, control, signal: abort.signal });
  let history: unknown;
  for await (const event of run) {
    if (event.event === "progress" && control.paused) setTimeout(() => abort.abort(), 5);
    if (event.event === "end") history = event.history;
  }
  expect(history).toEqual({ epochs: [], aborted: true });
  expect(trainer.steps).toBe(3);
  await trainer.backend.close();
});

it("keeps weights that are loaded while a program is being compiled", async () => {
  const source = await trainerOf();
  await source.fit(train, { epochs: 1 });
  const bytes = await source.toSafetensors();
  const trainer = await trainerOf();
  const x = constant(new Float32Array(784), [1, 784]);
  const compiling = trainer.compile({ outputs: [nn.forward((trainer.options as TrainerOptions).model, x)] });
  trainer.fromSafetensors(bytes);
  expect(await trainer.toSafetensors()).toEqual(bytes);
  await compiling;
  expect(await trainer.toSafetensors()).toEqual(bytes);
  await source.backend.close();
  await trainer.backend.close();
});

it("refuses what is no number of steps", () => {
  for (const count of [-1, 1.5, Number.NaN]) {
    expect(() => new RunControl().step(count)).toThrow(ValueError);
  }
});

it("compiles other graphs over the weights, and profiles a step without taking it", async () => {
  const trainer = await trainerOf();
  const x = constant(
    Float32Array.from({ length: 784 }, (_, i) => (i % 7) / 7),
    [1, 784],
  );
  const logits = nn.forward((trainer.options as TrainerOptions).model, x);
  const before = await trainer.compile({ outputs: [logits] });
  before.run();
  const first = await before.read(logits);
  await trainer.fit(train, { epochs: 1 });
  const bytes = await trainer.toSafetensors();
  before.run();
  expect(await before.read(logits)).not.toEqual(first);

  const times = await trainer.profile(train);
  expect(await trainer.toSafetensors()).toEqual(bytes);
  if (trainer.backend.timestamps) {
    const { dispatches } = (await trainer.trainProgram(train)).program.describe();
    expect(times).toHaveLength(dispatches);
  } else {
    expect(times).toBeUndefined();
  }
  await trainer.backend.close();
});

it("gives a paused event at every pause, also without new progress", async () => {
  const trainer = await trainerOf(1);
  const control = new RunControl();
  const held: number[] = [];
  let told = 0;
  for await (const event of trainer.fit(train, { epochs: 1, control })) {
    // The run waits for us: when it looks up again it is held, and there is nothing new to tell.
    if (event.event === "progress" && told++ === 0) control.pause();
    if (event.event !== "paused") continue;
    held.push(event.step);
    if (held.length === 1) setTimeout(() => control.step(0), 1);
    else setTimeout(() => control.resume(), 1);
  }
  expect(held).toHaveLength(2);
  expect(held[0]).toBeGreaterThan(0);
  expect(held[1]).toBe(held[0]);
  expect(trainer.steps).toBe(STEPS);
  await trainer.backend.close();
});
