/** Adds up the metrics of many steps, in float64, from the rows that the steps logged on the device. */
import { ValueError } from "../../validation/errors.ts";
import type { TrainMetrics } from "../loop/events.ts";
import type { Metric, MetricValue } from "./definition.ts";
import { DivergedError, divergedLoss } from "./divergence.ts";

/** What one step logged: the values of `RingLayout.columns`, one after another. */
export type RingRow = Float32Array;

/**
 * Columns of the ring of metrics: `loss` and `count` come first. Rows of training steps have one more value, which is 1 where a
 * parameter or gradient of the step was NaN or infinite.
 */
export interface RingLayout {
  readonly columns: readonly { readonly name: string; readonly size: number }[];
  readonly metrics: readonly Metric[];
  /** Names of columns that the loss adds, each a sum over samples. */
  readonly sums: readonly string[];
}

/** Column with the number of samples that metrics count. */
export const SAMPLES = "samples";

/** Column with the divisor of the loss, where that is not the count: with class weights, the sum of weights. */
export const WEIGHT = "lossWeight";

/** Sums as JSON; NaN and infinities as text. */
export interface AccumulatorState {
  readonly steps: number;
  readonly sums: readonly (number | string)[];
}

export class MetricAccumulator {
  /** Sum of each column; of the loss, sum of loss times its divisor; of the learning rate, the latest value. */
  readonly #sums: Float64Array;
  readonly #columns: ReadonlyMap<string, readonly [start: number, end: number]>;
  steps = 0;

  constructor(
    readonly layout: RingLayout,
    readonly work: "training" | "evaluation" = "training",
  ) {
    let end = 0;
    this.#columns = new Map(
      layout.columns.map(({ name, size }) => {
        end += size;
        return [name, [end - size, end]];
      }),
    );
    this.#sums = new Float64Array(end);
  }

  /** Continues from `state`. Throws ValueError where that was of other columns. */
  static from(layout: RingLayout, { steps, sums }: AccumulatorState): MetricAccumulator {
    const accumulator = new MetricAccumulator(layout);
    if (sums.length !== accumulator.#sums.length) {
      throw new ValueError(
        `fit: resume: the checkpoint has ${sums.length} values of metrics, this trainer ${accumulator.#sums.length}: it was ` +
          "written with other metrics; take the same",
      );
    }
    accumulator.#sums.set(sums.map(Number));
    accumulator.steps = steps;
    return accumulator;
  }

  /** Adds rows, the first of which is of step `first`, counted from 0. Throws DivergedError that names the step. */
  add(rows: readonly RingRow[], first: number): void {
    const sums = this.#sums;
    const rate = this.#columns.get("learningRate")?.[0];
    const weight = this.#columns.get(WEIGHT)?.[0] ?? 1;
    rows.forEach((row, i) => {
      const [loss = Number.NaN] = row;
      if (!Number.isFinite(loss)) throw divergedLoss(this.work, loss, first + i + 1);
      if ((row[sums.length] ?? 0) > 0) {
        throw new DivergedError(
          `training: a parameter or its gradient became NaN or infinite by step ${first + i + 1}, though the loss is ${loss}; ` +
            "try a smaller learning rate, or `detectAnomaly: true`, which names the op",
        );
      }
      sums[0] = (sums[0] as number) + loss * (row[weight] ?? 0);
      for (let j = 1; j < sums.length; j++) sums[j] = (sums[j] as number) + (row[j] as number);
      if (rate !== undefined) sums[rate] = row[rate] as number;
      this.steps++;
    });
  }

  /** The metrics of each row by itself. */
  metricsOf(rows: readonly RingRow[]): TrainMetrics[] {
    return rows.map((row) => {
      const single = new MetricAccumulator(this.layout);
      single.add([row], 0);
      return single.metrics();
    });
  }

  copy(): MetricAccumulator {
    return MetricAccumulator.from(this.layout, this.state());
  }

  state(): AccumulatorState {
    return { steps: this.steps, sums: Array.from(this.#sums, (x) => (Number.isFinite(x) ? x : String(x))) };
  }

  /** Number of samples. */
  get count(): number {
    return this.#sums[1] as number;
  }

  /** Means over all samples so far. */
  metrics(): TrainMetrics {
    const { metrics, sums } = this.layout;
    const has = (name: string) => this.#columns.has(name);
    const values: Record<string, MetricValue> = {};
    for (const name of sums) values[name === "correct" ? "accuracy" : name] = this.#sum(name) / this.count;
    for (const metric of metrics) {
      const range = this.#columns.get(metric.key) as readonly [number, number];
      values[metric.name] = metric.value(this.#sums.slice(...range), this.#sum(SAMPLES));
    }
    const { accuracy, ...others } = values;
    return {
      loss: this.#sum("loss") / this.#sum(has(WEIGHT) ? WEIGHT : "count"),
      ...(typeof accuracy === "number" ? { accuracy } : {}),
      ...(has("learningRate") ? { learningRate: this.#sum("learningRate") } : {}),
      ...(has("gradientNorm") ? { gradientNorm: this.#sum("gradientNorm") / this.steps } : {}),
      ...(Object.keys(others).length > 0 ? { metrics: others } : {}),
    };
  }

  #sum(name: string): number {
    const [start] = this.#columns.get(name) ?? [];
    return start === undefined ? Number.NaN : (this.#sums[start] as number);
  }
}
