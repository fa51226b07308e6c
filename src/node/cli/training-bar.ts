/** The live line of a training run: a bar on a terminal, a plain line now and then elsewhere. */
import { SingleBar } from "cli-progress";
import type { Callback, TrainEvent } from "../../train/events.ts";
import { count, duration, percent } from "./words.ts";

type Progress = Extract<TrainEvent, { event: "progress" }>;

const PLAIN_EVERY_MS = 10_000;

export class TrainingBar {
  /** What is counted per second. */
  sample = "sample";
  #bar: SingleBar | undefined;
  #plain = performance.now();

  update(progress: Progress, epochs: number): void {
    const { epoch, step, stepsPerEpoch } = progress;
    if (process.stdout.isTTY) {
      const payload = { epoch, epochs, words: this.#words(progress) };
      this.#bar ??= this.#open(stepsPerEpoch, step, payload);
      this.#bar.update(step, payload);
    } else if (step < stepsPerEpoch && performance.now() - this.#plain > PLAIN_EVERY_MS) {
      this.#plain = performance.now();
      const share = percent(step / stepsPerEpoch, 0);
      process.stdout.write(`Epoch ${epoch}/${epochs} ${share}  ${this.#words(progress)}\n`);
    }
  }

  /** Takes the bar off the terminal. */
  stop(): void {
    if (this.#bar === undefined) return;
    process.off("exit", this.#onExit);
    this.#bar.stop();
    this.#bar = undefined;
  }

  #words({ loss, accuracy, samplesPerSecond, secondsLeft }: Progress): string {
    const parts = [`loss ${loss.toFixed(4)}`];
    if (accuracy !== undefined) parts.push(`accuracy ${percent(accuracy)}`);
    parts.push(`${count(samplesPerSecond)} ${this.sample}s/s`, `${duration(secondsLeft)} left`);
    return parts.join("  ");
  }

  // cli-progress turns line wrapping off while it draws, which an exit in between must not leave behind.
  readonly #onExit = () => this.#bar?.stop();

  #open(total: number, step: number, payload: object): SingleBar {
    const bar = new SingleBar({
      stream: process.stdout,
      format: "Epoch {epoch}/{epochs} [{bar}] {percentage} %  {words}",
      barsize: 20,
      clearOnComplete: true,
    });
    process.on("exit", this.#onExit);
    bar.start(total, step, payload);
    return bar;
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
