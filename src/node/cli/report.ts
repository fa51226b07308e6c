/** What a run tells: lines of JSON for programs, the same lines into a log file, words and a bar for people. */
import type { EpochRecord, TrainEvent } from "../../train/events.ts";
import { writeFileAtomic } from "../files.ts";
import { TrainingBar } from "./training-bar.ts";
import { count, duration, percent, rate, several, shellWord } from "./words.ts";

/** What is known before the first step. */
export interface RunBegin {
  readonly title: string;
  readonly adapter: string;
  /** What was found of devices, and why it is not better. */
  readonly notices: readonly string[];
  readonly data: string;
  readonly trainSamples: number;
  readonly testSamples: number;
}

/** The last line of `--json`. */
export interface RunEnd {
  readonly event: "done";
  /** null when the run was interrupted: nobody measured what was saved. */
  readonly testAccuracy: number | null;
  readonly testLoss: number | null;
  readonly adapter: string;
  readonly backend: string;
  readonly software: boolean;
  readonly dataset: string;
  readonly trainSamples: number;
  readonly testSamples: number;
  readonly seed: number;
  readonly steps: number;
  readonly stepsPerSecond: number;
  readonly dispatchesPerStep: number;
  readonly submits: number;
  /** From the start of the process until the first step was done and its loss read. */
  readonly firstStepSeconds: number | null;
  readonly seconds: number;
  readonly interrupted: boolean;
  /** null when there was nothing to save. */
  readonly file: string | null;
}

export interface Reporter {
  /** Something the user should know, before or during the run. */
  notice(line: string): void;
  begin(run: RunBegin): void;
  event(event: TrainEvent): void | Promise<void>;
  end(run: RunEnd): void | Promise<void>;
  /** Leaves the terminal as it was; safe to call at any time. */
  close(): void;
}

const line = (text: string) => process.stdout.write(`${text}\n`);

const jsonOf = (record: EpochRecord) => {
  const { epoch, loss, accuracy, valLoss, valAccuracy, seconds, stepsPerSecond } = record;
  return { event: "epoch", epoch, loss, accuracy, valLoss, valAccuracy, seconds, stepsPerSecond };
};

/** One JSON object per line on stdout; notices go to stderr. */
export function jsonReporter(): Reporter {
  return {
    notice: (text) => process.stderr.write(`${text}\n`),
    begin: ({ notices }) => {
      for (const text of notices) process.stderr.write(`${text}\n`);
    },
    event(event) {
      if (event.event === "epoch") line(JSON.stringify(jsonOf(event)));
      if (event.event === "recovered") process.stderr.write(`${event.message}; another one was opened\n`);
    },
    end: (run) => void line(JSON.stringify(run)),
    close: () => undefined,
  };
}

/** The lines of `jsonReporter` in a file, written anew and whole at each of them. */
export function logReporter(path: string): Reporter {
  let lines = "";
  const add = (record: object) => {
    lines += `${JSON.stringify(record)}\n`;
    return writeFileAtomic(path, lines);
  };
  return {
    notice: () => undefined,
    begin: () => undefined,
    event: (event) => (event.event === "epoch" ? add(jsonOf(event)) : undefined),
    end: add,
    close: () => undefined,
  };
}

/** Words for people, and a live bar on a terminal. */
export function humanReporter(): Reporter {
  const bar = new TrainingBar();
  let epochs = 0;
  return {
    notice(text) {
      bar.stop();
      line(text);
    },
    begin(run) {
      line(run.title);
      line(run.notices.length > 0 ? run.notices.join(" ") : `Adapter: ${run.adapter}.`);
      line(
        `Data: ${run.data}, ${several(run.trainSamples, "training image")} and ` +
          `${several(run.testSamples, "test image")}.`,
      );
    },
    event(event) {
      if (event.event === "start") epochs = event.epochs;
      else if (event.event === "recovered") {
        bar.stop();
        line(
          `The device was lost and another one opened; going on from step ${count(event.step)}. (${event.message})`,
        );
      } else if (event.event === "progress") bar.update(event, epochs);
      else if (event.event === "epoch") {
        bar.stop();
        line(epochLine(event, epochs));
      }
    },
    end(run) {
      bar.stop();
      for (const text of summary(run)) line(text);
    },
    close: () => bar.stop(),
  };
}

function epochLine(record: EpochRecord, epochs: number): string {
  const { epoch, loss, accuracy, valLoss, valAccuracy, seconds, stepsPerSecond } = record;
  const words = [`Epoch ${epoch}/${epochs}`, `loss ${loss.toFixed(4)}`];
  if (accuracy !== undefined) words.push(`accuracy ${percent(accuracy)}`);
  if (valLoss !== undefined) words.push(`test loss ${valLoss.toFixed(4)}`);
  if (valAccuracy !== undefined) words.push(`test accuracy ${percent(valAccuracy)}`);
  words.push(duration(seconds), `${rate(stepsPerSecond)} steps/s`);
  return words.join("  ");
}

function summary(run: RunEnd): string[] {
  const { testAccuracy, testSamples, seconds, steps, stepsPerSecond, dispatchesPerStep, submits, file } = run;
  const lines: string[] = [];
  if (run.interrupted) lines.push(`Stopped after ${several(steps, "step")}, in ${duration(seconds)}.`);
  else {
    const right =
      testAccuracy === null
        ? ""
        : `: ${percent(testAccuracy)} of ${several(testSamples, "test image")} right`;
    lines.push(`Done in ${duration(seconds)}${right}.`);
  }
  if (steps > 0) {
    const each = run.backend === "cpu" ? "operations" : "dispatches";
    const batches = run.backend === "cpu" ? "" : `, ${rate(steps / submits)} steps per submit`;
    lines.push(
      `${several(steps, "step")} at ${rate(stepsPerSecond)} per second, ${count(dispatchesPerStep)} ${each} per step${batches}.`,
    );
  }
  if (file === null) lines.push("Nothing was trained, so nothing was saved.");
  else lines.push(`Saved to ${file}. Next: npx weft eval ${shellWord(file)}`);
  return lines;
}

/** Tells several reporters. */
export function together(reporters: readonly Reporter[]): Reporter {
  return {
    notice: (text) => {
      for (const r of reporters) r.notice(text);
    },
    begin: (run) => {
      for (const r of reporters) r.begin(run);
    },
    async event(event) {
      for (const r of reporters) await r.event(event);
    },
    async end(run) {
      for (const r of reporters) await r.end(run);
    },
    close: () => {
      for (const r of reporters) r.close();
    },
  };
}
