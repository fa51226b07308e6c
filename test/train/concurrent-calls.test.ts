/** Runs that are left early, and calls made while a run is under way: they neither mix with its steps nor block. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sgd } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { RunControl } from "../../src/train/loop/control.ts";
import type { TrainEvent } from "../../src/train/loop/events.ts";
import type { FitOptions } from "../../src/train/loop/options.ts";
import type { Trainer } from "../../src/train/loop/trainer.ts";
import { predict } from "../../src/train/predict/predict.ts";
import { resumeFrom } from "../../src/train/state/checkpoint-folder.ts";
import { loadStateDict, stateDict } from "../../src/train/state/state-dict.ts";
import { BusyError } from "../../src/validation/errors.ts";
import { MemoryFiles } from "../support/memory-files.ts";
import { ownBackends, points, smallTrainer, stepOnDevice } from "../support/small-run.ts";

const data = points(32);
const other = points(24, 0.5);

describe.each(ownBackends)("on the %s", (_, open) => {
  let backend: Backend;
  beforeEach(async () => {
    backend = Object.assign(await open(), { files: new MemoryFiles() });
  });
  afterEach(() => backend.close());

  /** After a run was left: steps agree, and the next run gives the losses of one that never stopped. */
  async function expectSound(trainer: Trainer): Promise<void> {
    expect(trainer.steps).toBe(await stepOnDevice(trainer));
    const twin = await smallTrainer(backend);
    await twin.fromSafetensors(await trainer.toSafetensors());
    const losses = async (of: Trainer) => {
      const heard: number[] = [];
      await of.fit(data, { steps: 5, onSteps: (_, steps) => heard.push(...steps.map((s) => s.loss)) });
      return heard;
    };
    const after = await losses(trainer);
    expect(after).toHaveLength(5);
    expect(after).toEqual(await losses(twin));
    expect(trainer.steps).toBe(await stepOnDevice(trainer));
  }

  describe("left early", () => {
    const is = (name: TrainEvent["event"], times = 1) => {
      let left = times;
      return (event: TrainEvent) => event.event === name && --left === 0;
    };
    const moments: readonly (readonly [string, (event: TrainEvent) => boolean, FitOptions])[] = [
      ["at the start", is("start"), {}],
      ["in an epoch", is("progress", 2), {}],
      ["at an evaluation", is("evaluation"), { validation: other, evaluateEvery: 3 }],
      ["at an epoch's end", is("epoch"), { validation: other }],
      ["at the end", is("end"), { epochs: 1 }],
    ];
    it.each(moments)("%s: by break", async (_, when, options) => {
      const fitting = { epochs: 9, ...options };
      const trainer = await smallTrainer(backend, { stepsPerSubmit: 1 });
      const run = trainer.fit(data, fitting);
      for await (const event of run) if (when(event)) break;
      await expectSound(trainer);
      expect((await run).epochs.length).toBeLessThan(9);
    });

    it.each([
      ["progress", {}],
      ["evaluation", { validation: other, evaluateEvery: 3 }],
      ["epoch", {}],
      ["end", { epochs: 1 }],
    ] as const)("at %s: by a throw in the loop, or in a callback", async (name, options) => {
      const mine = new Error("mine");
      const fail = ({ event }: TrainEvent) => {
        if (event === name) throw mine;
      };
      const trainer = await smallTrainer(backend, { stepsPerSubmit: 1 });
      const run = trainer.fit(data, { epochs: 9, ...options });
      const loop = async () => {
        for await (const event of run) fail(event);
      };
      await expect(loop()).rejects.toBe(mine);
      await expectSound(trainer);
      await expect(trainer.fit(data, { epochs: 9, ...options, callbacks: [fail] })).rejects.toBe(mine);
      await expectSound(trainer);
    });

    it("while it is paused, by break; by a signal; by a step listener that throws", async () => {
      const trainer = await smallTrainer(backend, { stepsPerSubmit: 1 });
      const control = new RunControl();
      for await (const event of trainer.fit(data, { epochs: 9, control })) {
        if (event.event === "progress") control.pause();
        if (event.event === "paused") break;
      }
      await expectSound(trainer);
      const abort = new AbortController();
      const aborted = await trainer.fit(data, {
        epochs: 9,
        signal: abort.signal,
        callbacks: [(event) => void (event.event === "progress" && abort.abort())],
      });
      expect(aborted.aborted).toBe(true);
      await expectSound(trainer);
      const onSteps = () => {
        throw new Error("listener");
      };
      await expect(trainer.fit(data, { epochs: 9, onSteps })).rejects.toThrow("listener");
      await expectSound(trainer);
    });

    it("its history is that of the moment", async () => {
      const trainer = await smallTrainer(backend);
      const run = trainer.fit(data, { epochs: 9 });
      for await (const event of run) if (event.event === "epoch" && event.epoch === 2) break;
      const history = await run;
      expect(history.epochs.map(({ epoch }) => epoch)).toEqual([1, 2]);
      expect(history.aborted).toBe(true);
      expect(trainer.steps).toBe(8);
    });
  });

  describe("while a fit is under way", () => {
    it("a second one is refused, also from a callback, and the first continues", async () => {
      const trainer = await smallTrainer(backend);
      const second: unknown[] = [];
      const listen = async () => {
        await trainer.fit(data, { epochs: 3 }).catch((error: unknown) => second.push(error));
      };
      const runs = await Promise.allSettled([
        trainer.fit(data, { epochs: 3, callbacks: [listen] }),
        trainer.fit(other, { epochs: 3 }),
      ]);
      expect(runs.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
      expect((runs[1] as PromiseRejectedResult).reason).toBeInstanceOf(BusyError);
      expect(second.length).toBeGreaterThan(3);
      for (const error of second) expect(error).toBeInstanceOf(BusyError);
      expect([trainer.steps, await stepOnDevice(trainer)]).toEqual([12, 12]);
      const iterated = trainer.fit(data);
      const loop = async () => {
        for await (const _ of trainer.fit(data)) expect.fail("an event of a refused fit");
      };
      await expect(loop()).rejects.toThrow(BusyError);
      await iterated;
      expect(trainer.steps).toBe(16);
    });

    it("other calls run between its steps: it ends with the same bits as without them", async () => {
      const alone = await smallTrainer(backend, { optimizer: sgd({ learningRate: 0.1, averageDecay: 0.5 }) });
      const options = { epochs: 6, validation: other, evaluateAverages: true };
      const expected = await alone.fit(data, options);
      const trainer = await smallTrainer(backend, {
        optimizer: sgd({ learningRate: 0.1, averageDecay: 0.5 }),
        stepsPerSubmit: 1,
      });
      const run = trainer.fit(data, options);
      const bytes: Promise<Uint8Array>[] = [];
      const losses: Promise<number>[] = [];
      let running = true;
      const meanwhile = (async () => {
        while (running) {
          bytes.push(trainer.toSafetensors());
          losses.push(trainer.evaluate(data).then(({ loss }) => loss));
          losses.push(trainer.evaluate(data, { average: true }).then(({ loss }) => loss));
          void trainer.profile(data);
          await Promise.all([
            predict(trainer, data),
            trainer.parameter("0.weight"),
            trainer.withAverages(() => Promise.all([trainer.evaluate(data), predict(trainer, other)])),
            Promise.all(
              [1, 2].map(() => trainer.withAverages(() => trainer.evaluate(data, { average: true }))),
            ),
          ]);
          await new Promise((resolve) => setTimeout(resolve));
        }
      })();
      const history = await run;
      running = false;
      await meanwhile;
      expect(history.epochs.map(({ loss, valLoss }) => [loss, valLoss])).toEqual(
        expected.epochs.map(({ loss, valLoss }) => [loss, valLoss]),
      );
      expect(await trainer.toSafetensors()).toEqual(await alone.toSafetensors());
      expect((await Promise.all(losses)).every(Number.isFinite)).toBe(true);
      // Every saved file is of one step: loaded, it goes on to the same end.
      for (const file of (await Promise.all(bytes)).slice(0, 2)) {
        const twin = await smallTrainer(backend, {
          optimizer: sgd({ learningRate: 0.1, averageDecay: 0.5 }),
        });
        await twin.fromSafetensors(file);
        if (twin.steps < 24) await twin.fit(data, { steps: 24 - twin.steps });
        expect(await twin.toSafetensors()).toEqual(await alone.toSafetensors());
      }
    });

    it("may be awaited in a callback and in the loop, at every event and while paused", async () => {
      const trainer = await smallTrainer(backend, { stepsPerSubmit: 1 });
      const control = new RunControl();
      const heard = new Set<string>();
      const callback = async (event: TrainEvent) => {
        heard.add(event.event);
        const [{ loss }] = await Promise.all([trainer.evaluate(other), trainer.profile(data)]);
        expect(loss).toBeGreaterThan(0);
        expect((await predict(trainer, other)).values.length).toBe(72);
        expect(await stepOnDevice(trainer)).toBe(trainer.steps);
        await trainer.save("model");
        await trainer.load("model");
        await loadStateDict(trainer, await stateDict(trainer));
        if (event.event === "progress" && trainer.steps > 4) control.pause();
        if (event.event === "paused")
          setTimeout(() => void trainer.evaluate(other).then(() => control.resume()));
      };
      const fitting = { epochs: 3, validation: other, evaluateEvery: 2, control, callbacks: [callback] };
      for await (const _ of trainer.fit(data, fitting)) await trainer.evaluate(other);
      expect([...heard].sort()).toEqual(["end", "epoch", "evaluation", "paused", "progress", "start"]);
      const alone = await smallTrainer(backend);
      await alone.fit(data, { epochs: 3 });
      expect(await trainer.toSafetensors()).toEqual(await alone.toSafetensors());
    });

    it("a file that would move it to another step is refused: later, earlier, a checkpoint", async () => {
      const later = await smallTrainer(backend);
      await later.fit(data, { epochs: 20, checkpoints: { directory: "later" } });
      await later.save("later.safetensors");
      const trainer = await smallTrainer(backend);
      await trainer.save("first.safetensors");
      const refused: unknown[] = [];
      const callback = async ({ event }: TrainEvent) => {
        if (event !== "epoch") return;
        for (const work of [
          () => trainer.load("later.safetensors"),
          () => trainer.load("first.safetensors"),
          () => resumeFrom(trainer, "later"),
        ]) {
          await work().catch((error: unknown) => refused.push(error));
        }
      };
      await trainer.fit(data, { epochs: 2, callbacks: [callback] });
      expect(refused).toHaveLength(6);
      for (const error of refused) expect(error).toBeInstanceOf(BusyError);
      expect(trainer.steps).toBe(8);
      await expectSound(trainer);
      await trainer.load("later.safetensors");
      expect(trainer.steps).toBe(80);
    });
  });

  it("within withAverages, fit and loading are refused, since its end would undo them", async () => {
    const trainer = await smallTrainer(backend, { optimizer: sgd({ learningRate: 0.1, averageDecay: 0.5 }) });
    await trainer.fit(data);
    const bytes = await trainer.toSafetensors();
    await trainer.withAverages(async () => {
      await expect(trainer.fit(data)).rejects.toThrow(BusyError);
      await expect(trainer.fromSafetensors(bytes)).rejects.toThrow(BusyError);
    });
    expect(await trainer.toSafetensors()).toEqual(bytes);
    await trainer.fit(data);
    expect(trainer.steps).toBe(8);
  });

  it("begins by itself, and gives missed events to a later iteration", async () => {
    const trainer = await smallTrainer(backend);
    const unattended = trainer.fit(data);
    while (trainer.steps < 4) await new Promise((resolve) => setTimeout(resolve));
    await unattended;
    const done: string[] = [];
    const run = trainer.fit(data, { epochs: 3 });
    const history = run.finally(() => done.push("finally"));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const heard: string[] = [];
    for await (const { event } of run) heard.push(event);
    expect([heard[0], heard.at(-1)]).toEqual(["start", "end"]);
    expect(heard.filter((event) => event === "epoch")).toHaveLength(3);
    expect((await history).epochs).toHaveLength(3);
    expect(done).toEqual(["finally"]);
    expect(await run).toBe(await history);
    await expect(run[Symbol.asyncIterator]().next()).rejects.toThrow(BusyError);
  });

  it("has all methods of a promise", async () => {
    const trainer = await smallTrainer(backend);
    const run: Promise<unknown> = trainer.fit(data);
    expect(Object.prototype.toString.call(run)).toBe("[object Fit]");
    expect(await Promise.race([run, new Promise(() => undefined)])).toHaveProperty("epochs");
    const mine = new Error("mine");
    const callbacks = [
      () => {
        throw mine;
      },
    ];
    expect(await trainer.fit(data, { callbacks }).catch((error: unknown) => error)).toBe(mine);
    const settled: string[] = [];
    const failing = trainer.fit(data, { callbacks }).finally(() => settled.push("now"));
    await expect(failing).rejects.toBe(mine);
    expect(settled).toEqual(["now"]);
  });
});
