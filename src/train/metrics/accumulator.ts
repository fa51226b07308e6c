/** What many steps amount to, from the rows of the metrics ring, in float64. Refuses a loss that is not a number. */
import { ValueError, WeftError } from "../../common/errors.ts";
import type { TrainMetrics } from "../loop/events.ts";
import type { Row } from "../step/runner.ts";
import type { Metric, MetricValue } from "./definition.ts";

/** Training met a loss that is NaN or infinite. */
export class DivergedError extends WeftError {
  override readonly name = "DivergedError";
}

/**
 * Columns of the ring, in order: `loss` and `count` first. In training one more follows, which is 1 where a parameter or gradient
 * of the step was NaN or infinite.
 */
export interface RowLayout {
  readonly columns: readonly { readonly name: string; readonly size: number }[];
  readonly metrics: readonly Metric[];
  /** Names of the columns that the loss sums up. */
  readonly sums: readonly string[];
}

/** Column with the number of samples that metrics count. */
export const SAMPLES = "samples";

/** Column with what the loss is a mean over, where that is not the count: the sum of weights with class weights. */
export const WEIGHT = "lossWeight";

/** Totals as JSON can hold them; numbers that it can't as text. */
export interface TotalsState {
  readonly steps: number;
  readonly sums: readonly (number | string)[];
}

/** What went wrong and what to try: in the first step no learning rate has played a part yet. */
function diverged(work: "training" | "evaluation", loss: number, step: number): string {
  if (work === "evaluation")
    return `evaluation: the loss of batch ${step} is ${loss}; check the weights and the data`;
  return step === 1
    ? `training: the loss became ${loss} at step 1, before any update; check the data, the labels and the first weights`
    : `training: the loss became ${loss} at step ${step}; try a smaller learning rate, and check the data`;
}

export class Totals {
  /** Of loss times count or weight, of the counts, of everything else; but the learning rate as it was last. */
  readonly #sums: Float64Array;
  readonly #places: ReadonlyMap<string, readonly [start: number, end: number]>;
  steps = 0;

  constructor(
    readonly layout: RowLayout,
    readonly work: "training" | "evaluation" = "training",
  ) {
    let end = 0;
    this.#places = new Map(
      layout.columns.map(({ name, size }) => {
        end += size;
        return [name, [end - size, end]];
      }),
    );
    this.#sums = new Float64Array(end);
  }

  /** Adds rows; the first of them is of step `first` (from 0), which errors name. */
  add(rows: readonly Row[], first: number): void {
    const rate = this.#places.get("learningRate")?.[0];
    const weight = this.#places.get(WEIGHT)?.[0] ?? 1;
    rows.forEach((row, i) => {
      const [loss = Number.NaN] = row;
      if (!Number.isFinite(loss)) {
        throw new DivergedError(diverged(this.work, loss, first + i + 1));
      }
      const sums = this.#sums;
      if ((row[sums.length] ?? 0) > 0) {
        throw new DivergedError(
          `training: a parameter or its gradient became NaN or infinite by step ${first + i + 1}, though the loss is ${loss}; ` +
            "try a smaller learning rate, and `detectAnomaly: true`, which names the op",
        );
      }
      sums[0] = (sums[0] as number) + loss * (row[weight] ?? 0);
      for (let j = 1; j < sums.length; j++) sums[j] = (sums[j] as number) + (row[j] as number);
      if (rate !== undefined) sums[rate] = row[rate] as number;
      this.steps++;
    });
  }

  /** Each row's own means. */
  metricsOf(rows: readonly Row[]): TrainMetrics[] {
    return rows.map((row) => {
      const one = new Totals(this.layout);
      one.add([row], 0);
      return one.metrics();
    });
  }

  /** The same totals, to go on from independently. */
  copy(): Totals {
    return Totals.from(this.layout, this.state());
  }

  state(): TotalsState {
    return { steps: this.steps, sums: Array.from(this.#sums, (x) => (Number.isFinite(x) ? x : String(x))) };
  }

  /** Totals with what `state` told; throws ValueError if that was of other columns. */
  static from(layout: RowLayout, { steps, sums }: TotalsState): Totals {
    const totals = new Totals(layout);
    if (sums.length !== totals.#sums.length) {
      throw new ValueError("fit: the checkpoint to resume from was written with other metrics");
    }
    totals.#sums.set(sums.map(Number));
    totals.steps = steps;
    return totals;
  }

  get count(): number {
    return this.#sums[1] as number;
  }

  metrics(): TrainMetrics {
    const { metrics, sums } = this.layout;
    const count = this.count;
    const values: Record<string, MetricValue> = {};
    for (const name of sums) values[name === "correct" ? "accuracy" : name] = this.#sum(name) / count;
    for (const metric of metrics) {
      const [start, end] = this.#places.get(metric.key) as readonly [number, number];
      values[metric.name] = metric.value(this.#sums.slice(start, end), this.#sum(SAMPLES));
    }
    const { accuracy, ...others } = values;
    return {
      loss: this.#sum("loss") / (this.#places.has(WEIGHT) ? this.#sum(WEIGHT) : count),
      ...(typeof accuracy === "number" ? { accuracy } : {}),
      ...(this.#places.has("learningRate") ? { learningRate: this.#sum("learningRate") } : {}),
      ...(this.#places.has("gradientNorm") ? { gradientNorm: this.#sum("gradientNorm") / this.steps } : {}),
      ...(Object.keys(others).length > 0 ? { metrics: others } : {}),
    };
  }

  #sum(name: string): number {
    const [start] = this.#places.get(name) ?? [];
    return start === undefined ? Number.NaN : (this.#sums[start] as number);
  }
}
