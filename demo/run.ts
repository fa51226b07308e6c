/** One run in the worker: trains, pauses, and answers probes meanwhile. Reports to the page by events. */
import { type AnyTrainer, DeviceLostError, data, RunControl, report, type TrainEvent } from "../src/index.ts";
import type { RunData } from "./data.ts";
import type { Engine } from "./engine.ts";
import { type Probes, runAll } from "./probe.ts";
import type { Filters, Look, SessionEvent } from "./protocol.ts";

/** How many filters are shown at most. */
const MAX_FILTERS = 32;
const FILTERS_MILLISECONDS = 250;
const MISTAKES = 15;

export class Run {
  readonly trainer: AnyTrainer;
  readonly #probes: Probes;
  #control = new RunControl();
  #abort = new AbortController();
  #training: Promise<unknown> | undefined;
  /** Whether `fit` is running, which replaces lost devices itself. */
  #fitting = false;
  #steps = 0;
  #profiled = false;
  #filtersAt = 0;

  constructor(
    { trainer, probes }: Engine,
    readonly data: RunData,
    readonly emit: (event: SessionEvent) => void,
  ) {
    this.trainer = trainer;
    trainer.hearRecoveries(({ step, message }) => emit({ event: "recovered", step, message }));
    this.#probes = probes;
  }

  get stepsPerEpoch(): number {
    return Math.ceil(this.data.train.count / this.trainer.options.batchSize);
  }

  async train(epochs: number, steps?: number): Promise<{ aborted: boolean }> {
    if (this.#training !== undefined) throw new Error("This run is already training.");
    this.#control = new RunControl();
    if (steps !== undefined) this.#control.step(steps);
    this.#abort = new AbortController();
    const training = this.#recovering(() => this.#ready()).then(() => this.#fit(epochs));
    this.#training = training.catch(() => undefined);
    try {
      return await training;
    } finally {
      this.#training = undefined;
    }
  }

  pause(): void {
    this.#control.pause();
  }

  resume(): void {
    this.#control.resume();
  }

  step(): void {
    this.#control.step();
  }

  /** Ends training and frees the device. */
  async close(): Promise<void> {
    this.#abort.abort();
    this.#control.resume();
    await this.#training;
    await this.trainer.backend.close();
  }

  async predict(image: Float32Array): Promise<Float32Array> {
    return (await this.#recovering(() => this.#probes.one.run(image)))[0];
  }

  async look(image: Float32Array): Promise<Look> {
    const { inside } = this.#probes;
    const [probabilities, ...values] = await this.#recovering(() => inside.run(image));
    const maps = inside.stages.map(({ title, shape }, i) => {
      const [, channels = 0, height = 0, width = 0] = shape;
      return { title, channels, height, width, values: values[i] as Float32Array };
    });
    return { image, maps, probabilities };
  }

  /** The weights of the first layer that can be shown: convolution kernels, or those of units connected to the whole image. */
  async filters(): Promise<Filters | undefined> {
    const { trainer } = this;
    const [, inputHeight = 0, inputWidth = 0] = this.data.train.inputs.shape;
    for (const [name, { shape }] of trainer.parameters) {
      const [out = 0, features = 0] = shape;
      const whole = shape.length === 2 && features === inputHeight * inputWidth;
      if (shape.length !== 4 && !whole) continue;
      const [height, width] = whole ? [inputHeight, inputWidth] : [shape[2] as number, shape[3] as number];
      const each = shape.slice(1).reduce((product, extent) => product * extent, 1);
      const count = Math.min(out, MAX_FILTERS);
      const all = await this.#recovering(() => trainer.parameter(name));
      // Only the first input channel is shown.
      const values = new Float32Array(count * height * width);
      for (let f = 0; f < count; f++) {
        values.set(all.subarray(f * each, f * each + height * width), f * height * width);
      }
      return { count, height, width, values };
    }
    return undefined;
  }

  /** Evaluates the whole validation set sample by sample. */
  async examine(): Promise<void> {
    const { validation } = this.data;
    const probabilities = await this.#recovering(() => runAll(this.#probes.many, validation));
    const answers = report.judge(probabilities, validation.labels, validation.classes ?? 1, MISTAKES);
    const size = 28 * 28;
    const images = new Float32Array(answers.mistakes.length * size);
    answers.mistakes.forEach(({ index }, i) => {
      images.set(data.readSample(validation, index), i * size);
    });
    this.emit({ event: "examined", examination: { ...answers, images } });
  }

  async load(bytes: Uint8Array, name: string) {
    if (this.#training !== undefined) throw new Error("Pause and reset the run before loading weights.");
    const { trainer } = this;
    await trainer.fromSafetensors(bytes, name);
    this.#steps = trainer.steps;
    const { loss, accuracy = 0 } = await this.#recovering(() => trainer.evaluate(this.data.validation));
    await this.examine();
    await this.#sendFilters(true);
    return { step: trainer.steps, valLoss: loss, valAccuracy: accuracy };
  }

  async #ready(): Promise<void> {
    const { trainer } = this;
    if (this.#profiled) return;
    this.emit({ event: "kernels", kernels: (await trainer.profile(this.data.train)) ?? null });
    this.#profiled = true;
  }

  async #fit(epochs: number): Promise<{ aborted: boolean }> {
    const { train, validation } = this.data;
    const run = this.trainer.fit(train, {
      epochs,
      validation,
      control: this.#control,
      signal: this.#abort.signal,
      onSteps: (first, steps) => {
        this.#steps = first + steps.length;
        const losses = Float32Array.from(steps, ({ loss }) => loss);
        const accuracies = Float32Array.from(steps, ({ accuracy = 0 }) => accuracy);
        this.emit({ event: "steps", first, losses, accuracies });
      },
    });
    let aborted = false;
    this.#fitting = true;
    try {
      for await (const event of run) {
        if (event.event === "end") aborted = event.history.aborted;
        // Where a device is lost during a probe, the trainer notices at its next step.
        await this.#report(event).catch((error: unknown) => {
          if (!(error instanceof DeviceLostError)) throw error;
        });
      }
    } finally {
      this.#fitting = false;
    }
    return { aborted };
  }

  async #report(event: TrainEvent): Promise<void> {
    switch (event.event) {
      case "progress": {
        const { batchSize } = this.trainer.options;
        const imagesPerSecond = event.samplesPerSecond;
        this.emit({
          event: "progress",
          step: this.#steps,
          imagesPerSecond,
          millisecondsPerStep: (1000 * batchSize) / imagesPerSecond,
        });
        await this.#sendFilters(false);
        break;
      }
      case "paused":
        this.emit({ event: "paused", step: event.step });
        await this.#sendFilters(true);
        break;
      case "epoch": {
        const { loss, accuracy = 0, valLoss = 0, valAccuracy = 0, seconds } = event;
        this.emit({ event: "epoch", step: this.#steps, loss, accuracy, valLoss, valAccuracy, seconds });
        if (!this.#abort.signal.aborted) await this.examine();
        break;
      }
      case "recovered":
        this.emit({ event: "recovered", step: event.step, message: event.message });
        break;
    }
  }

  async #sendFilters(now: boolean): Promise<void> {
    if (!now && performance.now() - this.#filtersAt < FILTERS_MILLISECONDS) return;
    this.#filtersAt = performance.now();
    const filters = await this.filters();
    if (filters !== undefined) this.emit({ event: "filters", filters });
  }

  /** Does `work`, and again on another device if this one was lost. During training only `fit` replaces devices. */
  async #recovering<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.trainer.survive(work);
    } catch (error) {
      // A paused run does not notice by itself.
      const paused = this.#fitting && this.#control.paused && !this.#abort.signal.aborted;
      if (error instanceof DeviceLostError && paused) this.#control.step(0);
      throw error;
    }
  }
}
