/**
 * A learning rate that is lowered when a metric stops improving, torch.optim's ReduceLROnPlateau. The metric is known on the
 * host only, so the host calls it, usually once per epoch.
 */
import { ValueError } from "../validation/errors.ts";
import { checkOptions } from "../validation/options.ts";

export interface PlateauOptions {
  /** The first rate. */
  readonly learningRate: number;
  /** Whether the metric should fall or rise. Default min. */
  readonly mode?: "min" | "max";
  /** Factor, below 1, by which the rate is lowered. Default 0.1. */
  readonly factor?: number;
  /** Observations without an improvement before the rate is lowered. Default 10. */
  readonly patience?: number;
  /** Smallest improvement that counts, as a share of the best value (`rel`, default) or a difference (`abs`). Default 1e-4. */
  readonly threshold?: number;
  readonly thresholdMode?: "rel" | "abs";
  /** Observations after a reduction that are not counted. Default 0. */
  readonly cooldown?: number;
  /** Default 0. */
  readonly minLearningRate?: number;
  /** Smallest reduction that is carried out. Default 1e-8. */
  readonly eps?: number;
}

/** What `follow` needs of a trainer. */
interface Settable {
  readonly learningRate?: number;
  setLearningRate(value: number): void;
}

export class ReduceOnPlateau {
  readonly #options: Required<PlateauOptions>;
  #rate: number;
  #best: number;
  #bad = 0;
  #resting = 0;

  constructor(options: PlateauOptions) {
    checkOptions("reduceOnPlateau", options, {
      learningRate: "number",
      mode: ["min", "max"],
      factor: "number",
      patience: "number",
      threshold: "number",
      thresholdMode: ["rel", "abs"],
      cooldown: "number",
      minLearningRate: "number",
      eps: "number",
    });
    const defaults = {
      mode: "min",
      factor: 0.1,
      patience: 10,
      threshold: 1e-4,
      thresholdMode: "rel",
    } as const;
    this.#options = { ...defaults, cooldown: 0, minLearningRate: 0, eps: 1e-8, ...options };
    const { factor, learningRate } = this.#options;
    if (!(factor > 0 && factor < 1))
      throw new ValueError(`reduceOnPlateau: factor must be in (0, 1), got ${factor}`);
    if (!(learningRate > 0)) {
      throw new ValueError(`reduceOnPlateau: learningRate must be above 0, got ${learningRate}`);
    }
    this.#rate = learningRate;
    this.#best = this.#options.mode === "min" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  }

  get learningRate(): number {
    return this.#rate;
  }

  /** Takes the next value of the metric and returns the rate to use from now on. */
  observe(metric: number): number {
    const { patience, cooldown, factor, minLearningRate, eps } = this.#options;
    if (this.#better(metric)) {
      this.#best = metric;
      this.#bad = 0;
    } else this.#bad++;
    if (this.#resting > 0) {
      this.#resting--;
      this.#bad = 0;
    }
    if (this.#bad > patience) {
      const next = Math.max(this.#rate * factor, minLearningRate);
      if (this.#rate - next > eps) this.#rate = next;
      this.#resting = cooldown;
      this.#bad = 0;
    }
    return this.#rate;
  }

  /**
   * A callback for `trainer.fit`: at the end of each epoch it observes the validation loss, or the training loss if there is
   * none. It lowers the trainer's present rate (the optimizer's, one that was set later, or that of a resumed run), not the
   * rate that it was created with. A resumed run counts observations from 0. Throws ValueError in mode "max".
   */
  follow(trainer: Settable): (event: { readonly event: string }) => void {
    if (this.#options.mode === "max") {
      throw new ValueError(
        'reduceOnPlateau: follow observes losses, which should fall; with mode "max" call observe and setLearningRate',
      );
    }
    return (event) => {
      if (event.event !== "epoch") return;
      const { valLoss, loss } = event as { readonly valLoss?: number; readonly loss?: number };
      const { learningRate = this.#rate } = trainer;
      // The trainer holds the rate in float32.
      if (Math.fround(learningRate) !== Math.fround(this.#rate)) this.#rate = learningRate;
      const before = this.#rate;
      const after = this.observe(valLoss ?? loss ?? Number.NaN);
      if (after !== before) trainer.setLearningRate(after);
    };
  }

  #better(metric: number): boolean {
    const { mode, threshold, thresholdMode } = this.#options;
    const best = this.#best;
    // As in PyTorch. Every number is better than a best value of ±infinity.
    if (!Number.isFinite(best)) return mode === "min" ? metric < best : metric > best;
    const sign = mode === "min" ? -1 : 1;
    const limit = thresholdMode === "rel" ? best * (1 + sign * threshold) : best + sign * threshold;
    return mode === "min" ? metric < limit : metric > limit;
  }
}

/** Throws ValueError on a factor outside (0, 1) or a rate that is not above 0. */
export function reduceOnPlateau(options: PlateauOptions): ReduceOnPlateau {
  return new ReduceOnPlateau(options);
}
