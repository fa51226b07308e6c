/** Progress of training and downloads: a bar on a terminal; elsewhere a plain line per 10 s or per file. */

import type { CompileProgress } from "../../../runtime/backend.ts";
import type { Callback, TrainEvent } from "../../../train/loop/events.ts";
import { printable } from "../../../validation/printable.ts";
import type { DownloadProgress } from "../../datasets.ts";
import { count, duration, megabytes, percent } from "./format.ts";
import { type Bar, openBar, print, printError } from "./terminal.ts";

type Progress = Extract<TrainEvent, { event: "progress" }>;

const PLAIN_LINE_EVERY_MS = 10_000;

/** Progress within the epochs of a training run, on stdout. */
export class TrainingBar {
  /** What is counted per second. */
  sample = "sample";
  #bar: Bar | undefined;
  #compiling = false;
  #lastPlainLine = performance.now();

  update(progress: Progress, epochs: number): void {
    const { epoch, step, stepsPerEpoch } = progress;
    const figures = this.#figures(progress);
    if (process.stdout.isTTY) {
      const payload = { epoch, epochs, figures };
      const format = "Epoch {epoch}/{epochs} [{bar}] {percentage} %  {figures}";
      this.#bar ??= this.#open(format, stepsPerEpoch, step, payload);
      this.#bar.update(step, payload);
    } else if (step < stepsPerEpoch && performance.now() - this.#lastPlainLine > PLAIN_LINE_EVERY_MS) {
      this.#lastPlainLine = performance.now();
      print(`Epoch ${epoch}/${epochs} at ${percent(step / stepsPerEpoch, 0)}  ${figures}`);
    }
  }

  /** Shows kernel compilation before the first step, on a terminal only; never in place of an epoch's bar. */
  compiling({ compiled, total }: CompileProgress): void {
    if (!process.stdout.isTTY || (this.#bar !== undefined && !this.#compiling)) return;
    this.#compiling = compiled < total;
    this.#bar ??= this.#open("Compiling kernels [{bar}] {value}/{total}", total, compiled, {});
    this.#bar.update(compiled);
    if (!this.#compiling) this.stop();
  }

  /** Removes the bar from the terminal. */
  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #figures({ loss, accuracy, samplesPerSecond, secondsLeft }: Progress): string {
    const parts = [`loss ${loss.toFixed(4)}`];
    if (accuracy !== undefined) parts.push(`accuracy ${percent(accuracy)}`);
    parts.push(`${count(samplesPerSecond)} ${this.sample}s/s`, `${duration(secondsLeft)} left`);
    return parts.join("  ");
  }

  #open(format: string, total: number, value: number, payload: object): Bar {
    const look = { stream: process.stdout, barsize: 20, clearOnComplete: true };
    return openBar({ ...look, format, total, value, payload });
  }
}

/** A callback for `fit` that shows the run: a live bar on a terminal, a plain line every 10 s elsewhere. */
export function progressBar(): Callback {
  const bar = new TrainingBar();
  let epochs = 0;
  return (event) => {
    if (event.event === "start") epochs = event.epochs;
    else if (event.event === "progress") bar.update(event, epochs);
    else bar.stop();
  };
}

/** Progress of downloads, on stderr: a bar on a terminal, a line per file elsewhere. */
export function downloadProgress(): { update(progress: DownloadProgress): void; stop(): void } {
  let bar: Bar | undefined;
  let current = "";
  const stop = () => {
    bar?.stop();
    bar = undefined;
  };
  return {
    update({ dataset, file, received, total }) {
      if (current !== file) {
        stop();
        current = file;
        const title = `${dataset}/${file}`;
        if (process.stderr.isTTY) {
          const format = `${printable(title)} [{bar}] {percentage} % of ${megabytes(total)}`;
          bar = openBar({ format, barsize: 24, total, value: 0 });
        } else printError(`Downloading ${title} (${megabytes(total)})`);
      }
      bar?.update(received);
    },
    stop,
  };
}
