/** What a report shows of a run beside its history: answers to the test set, filters, time per kernel, environment. */
import { arch, cpus, platform, release } from "node:os";
import { version } from "../../../common/version.ts";
import { type Dataset, readSample } from "../../../data/dataset.ts";
import type { TrainTest } from "../../../data/published/dataset-source.ts";
import { judge, shares } from "../../../report/answers.ts";
import type { Pixels } from "../../../report/bitmap.ts";
import type { ReportPicture, RunReport } from "../../../report/run-report.ts";
import type { EpochRecord } from "../../../train/loop/events.ts";
import { predict } from "../../../train/loop/predict.ts";
import type { Trainer } from "../../../train/loop/trainer.ts";
import { several } from "./format.ts";

const MOST_FILTERS = 64;
/** More points than this only make the picture heavy. */
const MOST_POINTS = 2000;

export interface ReportedRun {
  readonly title: string;
  readonly result: string;
  readonly trainer: Trainer;
  readonly data: TrainTest;
  readonly epochs: readonly EpochRecord[];
  readonly settings: Readonly<Record<string, string>>;
}

/** Looks at a run that has ended. Must not overlap with training; leaves the run as it was. */
export async function collectReport(run: ReportedRun): Promise<RunReport> {
  const { title, result, trainer, data, epochs, settings } = run;
  const kernels = await trainer.profile(data.train);
  const filters = await firstFilters(trainer);
  return {
    title,
    result,
    created: new Date().toISOString(),
    settings,
    environment: environmentOf(trainer),
    epochs,
    ...(await answers(trainer, data.test)),
    ...(filters === undefined ? {} : { filters }),
    ...(kernels === undefined ? {} : { kernels }),
  };
}

function environmentOf({ backend }: Trainer): Record<string, string> {
  const [cpu] = cpus();
  return {
    Weft: version,
    Adapter: backend.adapter,
    Backend: backend.kind === "webgpu" ? `WebGPU${backend.software ? ", in software" : ""}` : "CPU reference",
    Node: process.version,
    System: `${platform()} ${release()}, ${arch()}`,
    Processor: `${cpu?.model.trim() || "unknown"}, ${several(cpus().length, "core")}`,
  };
}

/** Confusion matrix and mistakes of a classifier, or predictions of single numbers against the truth. */
async function answers(
  trainer: Trainer,
  test: Dataset,
): Promise<Pick<RunReport, "confusion" | "mistakes" | "predictions">> {
  const { values, shape } = await predict(trainer, test);
  const { classes, labels } = test;
  if (classes === undefined) {
    if (values.length !== test.count) return {};
    const all = Array.from(values, (value, i) => [labels[i] as number, value] as const);
    const step = Math.ceil(all.length / MOST_POINTS);
    return { predictions: all.filter(([, value], i) => i % step === 0 && Number.isFinite(value)) };
  }
  if (shape.length !== 1 || shape[0] !== classes) return {};
  const { confusion, mistakes } = judge(shares(values, classes), labels, classes);
  const names = Array.from({ length: classes }, (_, c) => test.classNames?.[c] ?? String(c));
  const counts = names.map((_, truth) =>
    Array.from(confusion.subarray(truth * classes, (truth + 1) * classes)),
  );
  const shown = mistakes.map(({ index, label, guess, certainty }): ReportPicture[] => {
    const pixels = imageOf(readSample(test, index), test.inputs.shape);
    if (pixels === undefined) return [];
    return [
      { ...pixels, caption: `${names[label]} taken for ${names[guess]}, ${(100 * certainty).toFixed(0)} %` },
    ];
  });
  const flat = shown.flat();
  return { confusion: { classes: names, counts }, ...(flat.length > 0 ? { mistakes: flat } : {}) };
}

/** The sample as a picture from its darkest to its brightest value; undefined for what is no image. */
function imageOf(values: ArrayLike<number>, shape: readonly number[]): Pixels | undefined {
  const [channels, height, width] = shape;
  if (shape.length !== 3 || (channels !== 1 && channels !== 3)) return undefined;
  return { width: width as number, height: height as number, values: stretched(values) };
}

/** The kernels of the first layer that has any, each stretched to its own range; of several channels the first three or one. */
async function firstFilters(trainer: Trainer): Promise<ReportPicture[] | undefined> {
  const first = [...trainer.parameters].find(([, { shape }]) => shape.length === 4);
  if (first === undefined) return undefined;
  const [name, { shape }] = first;
  const [count = 0, channels = 0, height = 0, width = 0] = shape;
  const each = channels * height * width;
  const all = await trainer.parameter(name);
  return Array.from({ length: Math.min(count, MOST_FILTERS) }, (_, f) => {
    const shown = channels === 3 ? 3 : 1;
    const values = Array.from(all.subarray(f * each, f * each + shown * height * width));
    return { width, height, values: stretched(values), caption: `${name} ${f}` };
  });
}

/** Scaled to 0 … 1, and to as many digits as a picture can show. */
function stretched(values: ArrayLike<number>): number[] {
  const list = Array.from(values);
  const [low, high] = [Math.min(...list), Math.max(...list)];
  return list
    .map((v) => Math.round((255 * (v - low)) / (high - low || 1)) / 255)
    .map((v) => Number(v.toFixed(3)));
}
