/** What a training run prints: lines of JSON for programs, or text and a progress bar for people. */
import type { ReportSample } from "../../../report/run-report.ts";
import type { CompileProgress } from "../../../runtime/backend.ts";
import type { EpochRecord, EvaluationRecord, TrainEvent } from "../../../train/loop/events.ts";
import { numbersOf } from "../../../train/loop/history.ts";
import type { FitState } from "../../../train/state/fit-record.ts";
import type { RunResult } from "../training/run-result.ts";
import { count, duration, lossText, percent, plural, rate, shellWord } from "./format.ts";
import { TrainingBar } from "./progress-bars.ts";
import { print, printError, printJson } from "./terminal.ts";

/** What is known before the first step. */
export interface RunBegin {
  readonly title: string;
  readonly adapter: string;
  /** Which device was found, and why not a better one. */
  readonly notices: readonly string[];
  readonly data: string;
  /** What a sample is called. */
  readonly sample: "image" | "row" | "sequence";
  readonly trainSamples: number;
  readonly testSamples: number;
}

/** Hears of a run. Each implements the methods that concern it. */
export interface Reporter {
  /** Something the user should know, before or during the run. */
  notice?(line: string): void;
  begin?(run: RunBegin): void;
  /** Kernels are being compiled. */
  compiling?(progress: CompileProgress): void;
  /** The run continues from a checkpoint. */
  resume?(state: FitState): void;
  /** Text that the model has generated. */
  sample?(sample: ReportSample): void;
  event?(event: TrainEvent): void | Promise<void>;
  end?(run: RunResult): void | Promise<void>;
  /** Restores the terminal; safe to call at any time. */
  close?(): void;
}

/** Several reporters as one; the first to be told is the one that prints. */
export function together(all: readonly Reporter[]): Required<Reporter> {
  type Told = ((given: unknown) => unknown) | undefined;
  const tell = (name: keyof Reporter) => (given?: unknown) => {
    for (const each of all) (each[name] as Told)?.(given);
  };
  const wait = (name: keyof Reporter) => async (given: unknown) => {
    for (const each of all) await (each[name] as Told)?.(given);
  };
  const [notice, begin, compiling] = [tell("notice"), tell("begin"), tell("compiling")];
  const [resume, sample, close] = [tell("resume"), tell("sample"), tell("close")];
  return { notice, begin, compiling, resume, sample, close, event: wait("event"), end: wait("end") };
}

/** The line of `--json` for an epoch or evaluation; undefined for other events. */
export function jsonRecord(event: TrainEvent): object | undefined {
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
    notice: printError,
    begin: ({ notices }) => printError(...notices),
    event(event) {
      const record = jsonRecord(event);
      if (record !== undefined) printJson(record);
      if (event.event === "recovered")
        printError(`${event.message}; continuing on ${event.adapter} from step ${event.step}`);
    },
    sample: (sample) => printJson({ event: "sample", ...sample }),
    end: printJson,
  };
}

/** Text for people, and a live bar on a terminal. */
export function humanReporter(): Reporter {
  const bar = new TrainingBar();
  let epochs = 0;
  const printBelow = (...lines: readonly string[]) => {
    bar.stop();
    print(...lines);
  };
  return {
    notice: printBelow,
    begin({ title, notices, adapter, data, sample, trainSamples, testSamples }) {
      bar.sample = sample;
      const [training, test] = [
        plural(trainSamples, `training ${sample}`),
        plural(testSamples, `test ${sample}`),
      ];
      print(
        title,
        notices.length > 0 ? notices.join(" ") : `Adapter: ${adapter}.`,
        `Data: ${data}, ${training} and ${test}.`,
      );
    },
    compiling: (progress) => bar.compiling(progress),
    sample({ step, text }) {
      printBelow(`Sample after step ${count(step)}:`, ...text.split("\n").map((line) => `  ${line}`));
    },
    event(event) {
      if (event.event === "start") epochs = event.epochs;
      else if (event.event === "progress") bar.update(event, epochs);
      else if (event.event === "epoch") printBelow(epochLine(event, epochs));
      else if (event.event === "evaluation") printBelow(evaluationLine(event, epochs));
      else if (event.event === "recovered") {
        const where = `${event.adapter} from step ${count(event.step)}`;
        printBelow(`The device was lost; continuing on ${where}. (${event.message})`);
      }
    },
    end: (run) => printBelow(...summary(run)),
    close: () => bar.stop(),
  };
}

function epochLine(record: EpochRecord, epochs: number): string {
  const { epoch, loss, accuracy, gradientNorm, seconds, stepsPerSecond } = record;
  const parts = [`Epoch ${epoch}/${epochs}`, `loss ${loss.toFixed(4)}`];
  if (accuracy !== undefined) parts.push(`accuracy ${percent(accuracy)}`);
  parts.push(...validation(record));
  if (gradientNorm !== undefined) parts.push(`gradient norm ${gradientNorm.toPrecision(3)}`);
  parts.push(duration(seconds), `${rate(stepsPerSecond)} steps/s`);
  return parts.join("  ");
}

const evaluationLine = (record: EvaluationRecord, epochs: number) =>
  [`Epoch ${record.epoch}/${epochs}`, `step ${count(record.step)}`, ...validation(record)].join("  ");

function validation({ valLoss, valAccuracy, val }: EpochRecord | EvaluationRecord): string[] {
  const parts: string[] = [];
  if (valLoss !== undefined) parts.push(`test loss ${valLoss.toFixed(4)}`);
  if (valAccuracy !== undefined) parts.push(`test accuracy ${percent(valAccuracy)}`);
  for (const [name, value] of numbersOf(val)) {
    if (name !== "loss" && name !== "accuracy") parts.push(`${name} ${value.toPrecision(4)}`);
  }
  return parts;
}

function summary(run: RunResult): string[] {
  const { seconds, steps, stepsPerSecond, dispatchesPerStep, submits, file, picture, report, stopped } = run;
  const lines: string[] = [];
  if (run.interrupted) lines.push(`Stopped after ${plural(steps, "step")}, in ${duration(seconds)}.`);
  else {
    if (stopped !== undefined) lines.push(`Stopped early: ${stopped}.`);
    const reached = results(run);
    lines.push(`Done in ${duration(seconds)}${reached.length > 0 ? `: ${reached.join(", ")}` : ""}.`);
  }
  if (steps > 0) {
    const speed = `${plural(steps, "step")} at ${rate(stepsPerSecond)} per second`;
    const each = run.backend === "cpu" ? "operations" : "dispatches";
    const perSubmit =
      run.backend === "cpu" || submits === 0 ? "" : `, ${rate(steps / submits)} steps per submit`;
    lines.push(`${speed}, ${count(dispatchesPerStep)} ${each} per step${perSubmit}.`);
  }
  if (file === null) lines.push("Nothing was trained, so nothing was saved.");
  else lines.push(`Saved to ${file}. Next: npx weft eval ${shellWord(file)}`);
  if (picture !== undefined) lines.push(`Picture: ${picture}`);
  if (report !== undefined) lines.push(`Report: ${report}`);
  return lines;
}

/** What the run reached on the test set and, where the recipe has a goal for it, on the training set. */
function results(run: RunResult): string[] {
  const { testAccuracy, testLoss, testSamples, sample, trainLoss, trainAccuracy } = run;
  const parts: string[] = [];
  if (run.testBitsPerCharacter !== undefined && testLoss !== null)
    parts.push(`test loss ${lossText(testLoss, { sample: true })}`);
  else if (testAccuracy !== null)
    parts.push(`${percent(testAccuracy)} of ${plural(testSamples, `test ${sample}`)} right`);
  else if (testLoss !== null) parts.push(`test loss ${testLoss.toPrecision(4)}`);
  if (trainAccuracy !== undefined) parts.push(`${percent(trainAccuracy)} of the training set`);
  if (trainLoss !== undefined) parts.push(`training loss ${trainLoss.toPrecision(4)}`);
  return parts;
}
