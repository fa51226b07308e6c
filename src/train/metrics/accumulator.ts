/** Adds up the metrics of many steps, in float64, from the rows that the phases of the steps logged on the device. */
import { ValueError } from "../../validation/errors.ts";
import type { TrainMetrics } from "../loop/events.ts";
import type { Metric, MetricValue } from "./definition.ts";
import { DivergedError, divergedLoss } from "./divergence.ts";

/** What one phase of a step logged: the values of `RingLayout.columns`, one after another. */
export type RingRow = Float32Array;

/** The rows of a step by phase; undefined for one that did not run in this step. */
export type StepRow = readonly (RingRow | undefined)[];

/**
 * Columns of a phase's ring of metrics: `loss` and `count` come first. Rows of training steps have one more value, which is 1
 * where a parameter or gradient of the step was NaN or infinite.
 */
export interface RingLayout {
  readonly columns: readonly { readonly name: string; readonly size: number }[];
  readonly metrics: readonly Metric[];
  /** Names of columns that are sums over samples. */
  readonly sums: readonly string[];
  /** Names of columns that are means over the samples of a step. */
  readonly means?: readonly string[];
  /** Names of columns whose totals are divided by those of the column `name + COUNTED`. */
  readonly ratios?: readonly string[];
}

/** A ring layout with the name of its phase, which is empty for the only one. */
export interface PhaseLayout {
  readonly name: string;
  readonly layout: RingLayout;
}

/** Column with the number of samples that metrics count. */
export const SAMPLES = "samples";

/** Column with the divisor of the loss, where that is not the count: with class weights, the sum of weights. */
export const WEIGHT = "lossWeight";

/** Ends the name of the column that a ratio is divided by. */
export const COUNTED = ":count";

/** Sums as JSON; NaN and infinities as text. */
export interface AccumulatorState {
  readonly steps: number;
  readonly sums: readonly (number | string)[];
}

export class MetricAccumulator {
  readonly #phases: readonly PhaseTotals[];
  steps = 0;

  constructor(
    readonly layouts: readonly PhaseLayout[],
    readonly work: "training" | "evaluation" = "training",
  ) {
    this.#phases = layouts.map(({ layout }) => new PhaseTotals(layout));
  }

  /** Continues from `state`. Throws ValueError where that was of other columns. */
  static from(layouts: readonly PhaseLayout[], { steps, sums }: AccumulatorState): MetricAccumulator {
    const accumulator = new MetricAccumulator(layouts);
    const phases = accumulator.#phases;
    // A step without named phases has run every time; each named one has its number of runs after its sums.
    const runs = accumulator.#single ? 0 : 1;
    const length = phases.reduce((total, one) => total + one.sums.length + runs, 0);
    if (sums.length !== length) {
      throw new ValueError(
        `fit: resume: the checkpoint has ${sums.length} values of metrics, this trainer ${length}: it was ` +
          "written with other metrics; take the same",
      );
    }
    let at = 0;
    for (const one of phases) {
      one.sums.set(sums.slice(at, at + one.sums.length).map(Number));
      at += one.sums.length + runs;
      one.runs = runs === 0 ? steps : Number(sums[at - 1]);
    }
    accumulator.steps = steps;
    return accumulator;
  }

  /** Adds rows, the first of which is of step `first`, counted from 0. Throws DivergedError that names the step. */
  add(rows: readonly StepRow[], first: number): void {
    rows.forEach((row, i) => {
      row.forEach((values, phase) => {
        if (values === undefined) return;
        const { name } = this.layouts[phase] as PhaseLayout;
        const of = name === "" ? "" : ` of ${name}`;
        const [loss = Number.NaN] = values;
        if (!Number.isFinite(loss)) throw divergedLoss(this.work, loss, first + i + 1, of);
        const totals = this.#phases[phase] as PhaseTotals;
        if ((values[totals.sums.length] ?? 0) > 0) {
          throw new DivergedError(
            `training: a parameter or its gradient became NaN or infinite by step ${first + i + 1}, though the loss${of} is ` +
              `${loss}; try a smaller learning rate, or \`detectAnomaly: true\`, which names the op`,
          );
        }
        totals.add(values);
      });
      this.steps++;
    });
  }

  /** The metrics of each row by itself. */
  metricsOf(rows: readonly StepRow[]): TrainMetrics[] {
    return rows.map((row) => {
      const single = new MetricAccumulator(this.layouts);
      single.add([row], 0);
      return single.metrics();
    });
  }

  /** Whether the step is one phase without a name. */
  get #single(): boolean {
    return this.layouts.every(({ name }) => name === "");
  }

  copy(): MetricAccumulator {
    return MetricAccumulator.from(this.layouts, this.state());
  }

  state(): AccumulatorState {
    const sums = this.#phases.flatMap((one) => (this.#single ? [...one.sums] : [...one.sums, one.runs]));
    return { steps: this.steps, sums: sums.map((x) => (Number.isFinite(x) ? x : String(x))) };
  }

  /** Number of samples. */
  get count(): number {
    return Math.max(...this.#phases.map((one) => one.sums[1] as number));
  }

  /**
   * Means over all samples so far. Of named phases, `loss` is the sum of the losses of those that have run, NaN if none has,
   * `learningRate` that of the first, and all else is among `metrics`, as `generator.loss`.
   */
  metrics(): TrainMetrics {
    const all = this.#phases.map((one) => one.metrics());
    if (this.#single) return all[0] as TrainMetrics;
    const values: Record<string, MetricValue> = {};
    let loss = this.#phases.some(({ runs }) => runs > 0) ? 0 : Number.NaN;
    all.forEach(({ learningRate: _, metrics, ...figures }, i) => {
      // It has not run yet.
      if (this.#phases[i]?.runs === 0) return;
      loss += figures.loss;
      const { name } = this.layouts[i] as PhaseLayout;
      for (const [key, value] of Object.entries({ ...figures, ...metrics })) values[`${name}.${key}`] = value;
    });
    const rate = this.#phases[0]?.runs === 0 ? undefined : all[0]?.learningRate;
    return { loss, ...(rate !== undefined && { learningRate: rate }), metrics: values };
  }
}

/** The totals of one phase. */
class PhaseTotals {
  /** Sum of each column; of the loss, sum of loss times its divisor; of the learning rate, the latest value. */
  readonly sums: Float64Array;
  runs = 0;
  readonly #columns: ReadonlyMap<string, readonly [start: number, end: number]>;
  /** Columns of means, which count by the samples of their step. */
  readonly #means: ReadonlySet<number>;
  readonly #rate: number | undefined;
  readonly #weight: number;

  constructor(readonly layout: RingLayout) {
    let end = 0;
    this.#columns = new Map(
      layout.columns.map(({ name, size }) => {
        end += size;
        return [name, [end - size, end]];
      }),
    );
    this.sums = new Float64Array(end);
    this.#rate = this.#columns.get("learningRate")?.[0];
    this.#weight = this.#columns.get(WEIGHT)?.[0] ?? 1;
    this.#means = new Set((layout.means ?? []).map((name) => this.#columns.get(name)?.[0] as number));
  }

  add(row: RingRow): void {
    const { sums } = this;
    sums[0] = (sums[0] as number) + (row[0] as number) * (row[this.#weight] ?? 0);
    for (let j = 1; j < sums.length; j++) {
      const times = this.#means.has(j) ? (row[1] as number) : 1;
      sums[j] = (sums[j] as number) + (row[j] as number) * times;
    }
    if (this.#rate !== undefined) sums[this.#rate] = row[this.#rate] as number;
    this.runs++;
  }

  metrics(): TrainMetrics {
    const { metrics, sums, means = [], ratios = [] } = this.layout;
    const has = (name: string) => this.#columns.has(name);
    const count = this.sums[1] as number;
    const values: Record<string, MetricValue> = {};
    for (const name of sums) values[name === "correct" ? "accuracy" : name] = this.#sum(name) / count;
    for (const name of means) values[name] = this.#sum(name) / count;
    for (const name of ratios) values[name] = this.#sum(name) / this.#sum(name + COUNTED);
    for (const metric of metrics) {
      const range = this.#columns.get(metric.key) as readonly [number, number];
      values[metric.name] = metric.value(this.sums.slice(...range), this.#sum(SAMPLES));
    }
    const { accuracy, ...others } = values;
    return {
      loss: this.#sum("loss") / this.#sum(has(WEIGHT) ? WEIGHT : "count"),
      ...(typeof accuracy === "number" ? { accuracy } : {}),
      ...(has("learningRate") ? { learningRate: this.#sum("learningRate") } : {}),
      ...(has("gradientNorm") ? { gradientNorm: this.#sum("gradientNorm") / this.runs } : {}),
      ...(Object.keys(others).length > 0 ? { metrics: others } : {}),
    };
  }

  #sum(name: string): number {
    const [start] = this.#columns.get(name) ?? [];
    return start === undefined ? Number.NaN : (this.sums[start] as number);
  }
}
