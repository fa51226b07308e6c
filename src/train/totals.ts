/** Means over many steps from the rows of the metrics ring, in float64. Refuses a loss that is not a number. */
import { WeftError } from "../errors.ts";
import type { Metrics } from "./events.ts";
import type { Row } from "./runner.ts";

/** Training met a loss that is NaN or infinite. */
export class DivergedError extends WeftError {
  override readonly name = "DivergedError";
}

/** Columns of a row: loss, count, then the sums of the loss in their order. */
export class Totals {
  #loss = 0;
  #count = 0;
  #correct = 0;
  steps = 0;

  /** `sums`: names of the columns after loss and count. */
  constructor(readonly sums: readonly string[]) {}

  /** Adds rows; the first of them is of step `first` (from 0), which errors name. */
  add(rows: readonly Row[], first: number): void {
    rows.forEach((row, i) => {
      const [loss = Number.NaN, count = 0] = row;
      if (!Number.isFinite(loss)) {
        throw new DivergedError(
          `training: the loss became ${loss} at step ${first + i + 1}; try a smaller learning rate, and check the data`,
        );
      }
      this.#loss += loss * count;
      this.#count += count;
      const correct = this.sums.indexOf("correct");
      if (correct >= 0) this.#correct += row[2 + correct] ?? 0;
      this.steps++;
    });
  }

  /** Each row's own means. */
  metricsOf(rows: readonly Row[]): Metrics[] {
    return rows.map((row) => {
      const one = new Totals(this.sums);
      one.add([row], 0);
      return one.metrics();
    });
  }

  /** The same totals, to go on from independently. */
  copy(): Totals {
    const copy = new Totals(this.sums);
    copy.#loss = this.#loss;
    copy.#count = this.#count;
    copy.#correct = this.#correct;
    copy.steps = this.steps;
    return copy;
  }

  get count(): number {
    return this.#count;
  }

  metrics(): Metrics {
    const loss = this.#loss / this.#count;
    return this.sums.includes("correct") ? { loss, accuracy: this.#correct / this.#count } : { loss };
  }
}
