/** The live line of a training run: a bar on a terminal, a plain line now and then elsewhere. */
import type { CompileProgress } from "../../../runtime/backend.ts";
import type { Callback, TrainEvent } from "../../../train/loop/events.ts";
import { count, duration, percent } from "./format.ts";
import { type Bar, openBar, say } from "./terminal.ts";

type Progress = Extract<TrainEvent, { event: "progress" }>;

const PLAIN_EVERY_MS = 10_000;
const COMPILING = "Compiling kernels [{bar}] {value}/{total}";
const EPOCH = "Epoch {epoch}/{epochs} [{bar}] {percentage} %  {words}";

export class TrainingBar {
  /** What is counted per second. */
  sample = "sample";
  #bar: Bar | undefined;
  #compiling = false;
  #plain = performance.now();

  update(progress: Progress, epochs: number): void {
    const { epoch, step, stepsPerEpoch } = progress;
    if (process.stdout.isTTY) {
      const payload = { epoch, epochs, words: this.#words(progress) };
      this.#bar ??= this.#open(EPOCH, stepsPerEpoch, step, payload);
      this.#bar.update(step, payload);
    } else if (step < stepsPerEpoch && performance.now() - this.#plain > PLAIN_EVERY_MS) {
      this.#plain = performance.now();
      const share = percent(step / stepsPerEpoch, 0);
      say(`Epoch ${epoch}/${epochs} ${share}  ${this.#words(progress)}`);
    }
  }

  /** What it is that takes a moment before the first step: on a terminal alone, and not where an epoch's bar is. */
  compiling({ compiled, total }: CompileProgress): void {
    if (!process.stdout.isTTY || (this.#bar !== undefined && !this.#compiling)) return;
    this.#compiling = compiled < total;
    this.#bar ??= this.#open(COMPILING, total, compiled, {});
    this.#bar.update(compiled);
    if (!this.#compiling) this.stop();
  }

  /** Takes the bar off the terminal. */
  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #words({ loss, accuracy, samplesPerSecond, secondsLeft }: Progress): string {
    const parts = [`loss ${loss.toFixed(4)}`];
    if (accuracy !== undefined) parts.push(`accuracy ${percent(accuracy)}`);
    parts.push(`${count(samplesPerSecond)} ${this.sample}s/s`, `${duration(secondsLeft)} left`);
    return parts.join("  ");
  }

  #open(format: string, total: number, value: number, words: object): Bar {
    return openBar({
      stream: process.stdout,
      format,
      total,
      value,
      words,
      barsize: 20,
      clearOnComplete: true,
    });
  }
}

/** A callback for `fit` that shows the run: a live bar on a terminal, a plain line now and then elsewhere. */
export function progressBar(): Callback {
  const bar = new TrainingBar();
  let epochs = 0;
  return (event) => {
    if (event.event === "start") epochs = event.epochs;
    else if (event.event === "progress") bar.update(event, epochs);
    else bar.stop();
  };
}
