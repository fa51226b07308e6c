/** What a run tells: lines of JSON for programs, the same lines into a log file, words and a bar for people. */
import type { CompileProgress } from "../../../runtime/backend.ts";
import type { Best, EpochRecord, EvaluationRecord, TrainEvent } from "../../../train/loop/events.ts";
import { numbersOf } from "../../../train/loop/history.ts";
import type { FitState } from "../../../train/state/fit-record.ts";
import { writeFileAtomic } from "../../files/atomic-write.ts";
import { count, duration, percent, rate, several, shellWord } from "./format.ts";
import { TrainingBar } from "./progress-bars.ts";
import { aside, say, sayJson } from "./terminal.ts";

/** What is known before the first step. */
export interface RunBegin {
  readonly title: string;
  readonly adapter: string;
  /** What was found of devices, and why it is not better. */
  readonly notices: readonly string[];
  readonly data: string;
  /** What a sample is called. */
  readonly sample: "image" | "row";
  readonly trainSamples: number;
  readonly testSamples: number;
}

/** The last line of `--json`. */
export interface RunEnd {
  readonly event: "done";
  readonly recipe: string;
  readonly optimizer: string;
  readonly learningRate: number;
  /** Of the whole training set with the weights that are saved, for recipes with a goal for it. */
  readonly trainAccuracy?: number;
  readonly trainLoss?: number;
  /** null when the run was interrupted: nobody measured what was saved. */
  readonly testAccuracy: number | null;
  readonly testLoss: number | null;
  readonly adapter: string;
  readonly backend: string;
  readonly software: boolean;
  readonly dataset: string;
  readonly sample: "image" | "row";
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
  /** The best measurement, where the run was judged by one. */
  readonly best?: Best;
  /** Why early stopping ended the run. */
  readonly stopped?: string;
  /** null when there was nothing to save. */
  readonly file: string | null;
  readonly picture?: string;
  readonly report?: string;
}

export interface Reporter {
  /** Something the user should know, before or during the run. */
  notice(line: string): void;
  begin(run: RunBegin): void;
  /** Kernels are being compiled. */
  compiling?(progress: CompileProgress): void;
  /** The run goes on from here. */
  resume?(state: FitState): void;
  event(event: TrainEvent): void | Promise<void>;
  end(run: RunEnd): void | Promise<void>;
  /** Leaves the terminal as it was; safe to call at any time. */
  close(): void;
}

/** Epochs and evaluations as lines of JSON; nothing for other events. */
function jsonOf(event: TrainEvent): object | undefined {
  if (event.event === "evaluation") return event;
  if (event.event !== "epoch") return undefined;
  const { epoch, loss, accuracy, valLoss, valAccuracy, ...rest } = event;
  const { metrics, val, learningRate, gradientNorm, seconds, stepsPerSecond } = rest;
  const named = { metrics, valMetrics: val?.metrics, learningRate, gradientNorm };
  return { event: "epoch", epoch, loss, accuracy, valLoss, valAccuracy, ...named, seconds, stepsPerSecond };
}

/** One JSON object per line on stdout; notices go to stderr. */
export function jsonReporter(): Reporter {
  return {
    notice: aside,
    begin: ({ notices }) => aside(...notices),
    event(event) {
      const record = jsonOf(event);
      if (record !== undefined) sayJson(record);
      if (event.event === "recovered")
        aside(`${event.message}; going on with ${event.adapter} from step ${event.step}`);
    },
    end: (run) => sayJson(run),
    close: () => undefined,
  };
}

/** Nothing at all. */
export function quietReporter(): Reporter {
  const nothing = () => undefined;
  return { notice: nothing, begin: nothing, event: nothing, end: nothing, close: nothing };
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
    event(event) {
      const record = jsonOf(event);
      return record === undefined ? undefined : add(record);
    },
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
      say(text);
    },
    begin(run) {
      bar.sample = run.sample;
      say(run.title);
      say(run.notices.length > 0 ? run.notices.join(" ") : `Adapter: ${run.adapter}.`);
      say(
        `Data: ${run.data}, ${several(run.trainSamples, `training ${run.sample}`)} and ` +
          `${several(run.testSamples, `test ${run.sample}`)}.`,
      );
    },
    compiling: (progress) => bar.compiling(progress),
    event(event) {
      if (event.event === "start") epochs = event.epochs;
      else if (event.event === "recovered") {
        bar.stop();
        say(
          `The device was lost; going on with ${event.adapter} from step ${count(event.step)}. (${event.message})`,
        );
      } else if (event.event === "progress") bar.update(event, epochs);
      else if (event.event === "epoch") {
        bar.stop();
        say(epochLine(event, epochs));
      } else if (event.event === "evaluation") {
        bar.stop();
        say(evaluationLine(event, epochs));
      }
    },
    end(run) {
      bar.stop();
      say(...summary(run));
    },
    close: () => bar.stop(),
  };
}

function epochLine(record: EpochRecord, epochs: number): string {
  const { epoch, loss, accuracy, gradientNorm, seconds, stepsPerSecond } = record;
  const words = [`Epoch ${epoch}/${epochs}`, `loss ${loss.toFixed(4)}`];
  if (accuracy !== undefined) words.push(`accuracy ${percent(accuracy)}`);
  words.push(...valWords(record));
  if (gradientNorm !== undefined) words.push(`gradient norm ${gradientNorm.toPrecision(3)}`);
  words.push(duration(seconds), `${rate(stepsPerSecond)} steps/s`);
  return words.join("  ");
}

function evaluationLine(record: EvaluationRecord, epochs: number): string {
  const { epoch, step } = record;
  return [`Epoch ${epoch}/${epochs}`, `step ${count(step)}`, ...valWords(record)].join("  ");
}

function valWords({ valLoss, valAccuracy, val }: EpochRecord | EvaluationRecord): string[] {
  const words: string[] = [];
  if (valLoss !== undefined) words.push(`test loss ${valLoss.toFixed(4)}`);
  if (valAccuracy !== undefined) words.push(`test accuracy ${percent(valAccuracy)}`);
  for (const [name, value] of numbersOf(val)) {
    if (name !== "loss" && name !== "accuracy") words.push(`${name} ${value.toPrecision(4)}`);
  }
  return words;
}

function summary(run: RunEnd): string[] {
  const { seconds, steps, stepsPerSecond, dispatchesPerStep, submits, file, picture, report } = run;
  const lines: string[] = [];
  if (run.interrupted) lines.push(`Stopped after ${several(steps, "step")}, in ${duration(seconds)}.`);
  else {
    if (run.stopped !== undefined) lines.push(`Stopped early: ${run.stopped}.`);
    lines.push([`Done in ${duration(seconds)}`, ...results(run)].join(": ").concat("."));
  }
  if (steps > 0) {
    const each = run.backend === "cpu" ? "operations" : "dispatches";
    const batches =
      run.backend === "cpu" || submits === 0 ? "" : `, ${rate(steps / submits)} steps per submit`;
    lines.push(
      `${several(steps, "step")} at ${rate(stepsPerSecond)} per second, ${count(dispatchesPerStep)} ${each} per step${batches}.`,
    );
  }
  if (file === null) lines.push("Nothing was trained, so nothing was saved.");
  else lines.push(`Saved to ${file}. Next: npx weft eval ${shellWord(file)}`);
  if (picture !== undefined) lines.push(`Picture: ${picture}`);
  if (report !== undefined) lines.push(`Report: ${report}`);
  return lines;
}

/** What was reached, on the test set and where wanted on the training set; nothing if nobody measured it. */
function results({
  testAccuracy,
  testLoss,
  testSamples,
  sample,
  trainLoss,
  trainAccuracy,
}: RunEnd): string[] {
  const words: string[] = [];
  if (testAccuracy !== null)
    words.push(`${percent(testAccuracy)} of ${several(testSamples, `test ${sample}`)} right`);
  else if (testLoss !== null) words.push(`test loss ${testLoss.toPrecision(4)}`);
  if (trainAccuracy !== undefined) words.push(`${percent(trainAccuracy)} of the training set`);
  if (trainLoss !== undefined) words.push(`training loss ${trainLoss.toPrecision(4)}`);
  return words.length === 0 ? [] : [words.join(", ")];
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
    compiling: (progress) => {
      for (const r of reporters) r.compiling?.(progress);
    },
    resume: (state) => {
      for (const r of reporters) r.resume?.(state);
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
