/**
 * What users call on a trainer, whether its programs are traced from a model or compiled ahead of time. A step is compiled
 * once and replayed; data, step counter, shuffling and metrics are on the device. The host submits steps and reads metrics.
 */

import { titleOf } from "../../data/dataset.ts";
import { checkTrainingData, isSharded, refuseEndless, type TrainingData } from "../../data/sharded.ts";
import type { GraphSpec } from "../../graph/graph.ts";
import type { Data } from "../../graph/spec.ts";
import type { KernelTime, Program } from "../../runtime/backend.ts";
import { GraphError, ValueError } from "../../validation/errors.ts";
import { checkOptions } from "../../validation/options.ts";
import { savedStates } from "../state/run-states.ts";
import type { Metrics } from "./events.ts";
import { type Fit, startFit } from "./fit.ts";
import { checkFitOptions, type FitOptions } from "./options.ts";
import { type EvaluateOptions, TrainerCore } from "./trainer-core.ts";
import { fit } from "./training-run.ts";

export abstract class AnyTrainer extends TrainerCore {
  /**
   * Trains for `epochs` passes or `steps` steps; for one pass where neither is given. Iterate over the result for events
   * (`for await (const event of trainer.fit(…))`), or await it for the History; training begins in any case. Other calls made
   * meanwhile (`evaluate`, `predict`, `save`, `load`) are done when the fit next gives an event, between two steps, and may be
   * awaited in a callback. Rejects with a BusyError where another fit of this trainer is under way.
   */
  fit(train: TrainingData, given: FitOptions = {}): Fit {
    checkTrainingData("fit", train);
    const options = checkFitOptions(given);
    checkEndless(train, options);
    return startFit(this.lock, (progress) => fit(this, train, options, progress), options.callbacks ?? []);
  }

  /**
   * Mean loss, and accuracy for class labels, over a whole data set; every sample counts once. Rejects with the reason of
   * `signal` when that is aborted, after the steps in flight. With `average`, the averaged weights are evaluated in place of
   * the latest; throws GraphError for an optimizer without `averageDecay`.
   */
  async evaluate(dataset: TrainingData, options: EvaluateOptions = {}): Promise<Metrics> {
    checkTrainingData("evaluate", dataset);
    refuseEndless("evaluate", dataset, ONE_PASS);
    const given = checkOptions("evaluate", options, { signal: "object", average: "boolean" });
    return this.lock.run(() => this.measure(dataset, given));
  }

  /**
   * Does `work` with the averaged weights in place of the latest, which come back afterwards; `save` within `work` writes a
   * file of the averages. Training waits meanwhile, and all other calls see the averages. Throws GraphError for an optimizer
   * without `averageDecay`.
   */
  async withAverages<T>(work: () => Promise<T>): Promise<T> {
    if (this.lock.replaced) return this.lock.join(work);
    return this.lock.run(() => this.averaged(() => this.lock.replaceWhile(work)));
  }

  /**
   * Compiles any graph over this run's parameters and states for the device in use (`backend`, which changes when a device is
   * lost). The program may run at any time, also between the steps of `fit`, with the weights as they are then.
   */
  compile(spec: GraphSpec): Promise<Program> {
    return this.survive(() => this.programs.compile(spec));
  }

  /**
   * Milliseconds of each dispatch of a training step by the adapter's own clock, the median of three steps after one to
   * warm up; undefined where the adapter has no timestamps. The run stays as it was.
   */
  async profile(dataset: TrainingData): Promise<readonly KernelTime[] | undefined> {
    return this.lock.run(() =>
      this.survive(async () => {
        if (!this.backend.timestamps) return undefined;
        const { program, rings } = await this.programs.training(dataset);
        const { values } = await this.snapshot(this.steps);
        // A fit that is under way may not have read all rows of the ring yet.
        const rows = await this.values.readAll(rings.map(({ ring }) => ring));
        try {
          return await medianTimes(program);
        } finally {
          for (const [tensor, data] of [...values, ...rows]) this.write(tensor, data);
        }
      }),
    );
  }

  /** The current value of a parameter by its name. */
  async parameter(name: string): Promise<Data> {
    const tensor = this.parameters.get(name);
    if (tensor === undefined) {
      const names = [...this.parameters.keys()].join(", ");
      throw new GraphError(`trainer: has no parameter ${name}; there are ${names}`);
    }
    return (await this.lock.run(() => this.read([tensor]))).get(tensor) as Data;
  }

  /**
   * The run as the bytes of a safetensors file: parameters, optimizer states and step, but neither the seed nor a rate set by
   * `setLearningRate`, which checkpoints of `fit` hold. Equal runs give equal bytes.
   */
  async toSafetensors(metadata: Readonly<Record<string, string>> = {}): Promise<Uint8Array> {
    const { saveStates } = await import("../state/state-file.ts");
    const values = await this.lock.run(() => this.read(savedStates(this.states)));
    return saveStates(values, this.states, { ...metadata, ...(this.trained && { trained: this.trained }) });
  }

  /**
   * Takes parameters, and optimizer states and step where there are any, from the bytes of a safetensors file. Rejects
   * with a FormatError that names what is missing, unknown or of another shape, with a BusyError where the file's step would
   * move a fit that is under way, and then changes nothing.
   */
  async fromSafetensors(bytes: Uint8Array, file = "safetensors"): Promise<void> {
    const { loadFile } = await import("../state/state-file.ts");
    await this.lock.run(async () => {
      const { values, notes, trained } = loadFile(bytes, this.states, file);
      const step = values.get(this.states.step)?.[0];
      this.checkLoad(file, step ?? this.steps);
      if (step !== undefined) {
        this.values.moveTo(step);
        this.trained = trained;
      }
      for (const [tensor, data] of values) this.write(tensor, data);
      for (const note of notes) this.notice(note);
    });
  }

  /** Writes `toSafetensors` to a file, whole or not at all. Where there are no files (a page), throws DeviceError. */
  async save(path: string, metadata: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.files().write(path, await this.toSafetensors(metadata));
  }

  /** Reads a file that `save` or PyTorch's safetensors wrote. */
  async load(path: string): Promise<void> {
    await this.fromSafetensors(await this.files().read(path), path);
  }
}

const ONE_PASS = "give its samples per pass as `count`";

/** Throws ValueError where an endless data set is to end, or one to be continued that can't be read again. */
function checkEndless(train: TrainingData, { steps, validation, resume }: FitOptions): void {
  if (steps === undefined) refuseEndless("fit", train, "give the training steps as `steps`, not epochs");
  if (validation !== undefined) refuseEndless("fit: validation", validation, ONE_PASS);
  if (resume !== undefined && isSharded(train) && train.replayable === false) {
    throw new ValueError(
      `fit: resume: ${titleOf(train)} can't be read again, and the run would go on with other samples; give the stream a function ` +
        "that begins with any sample, and `seekable: true`, or load the file's weights and call fit without resume",
    );
  }
}

/** Time of each dispatch, the median of three runs after one to warm up. */
async function medianTimes(program: Program): Promise<readonly KernelTime[]> {
  await program.profile?.();
  const runs: (readonly KernelTime[])[] = [];
  for (let i = 0; i < 3; i++) runs.push((await program.profile?.()) ?? []);
  return (runs[0] ?? []).map(({ label }, i) => {
    const times = runs.map((run) => run[i]?.milliseconds ?? 0).sort((a, b) => a - b);
    return { label, milliseconds: times[1] as number };
  });
}
