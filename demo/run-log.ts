/** The history of a run in the page: every step, every epoch, and its settings. */
import { GrowingArray } from "./curve.ts";
import type { Settings } from "./settings.ts";

export interface EpochPoint {
  readonly epoch: number;
  /** Steps of the run at the end of the epoch. */
  readonly step: number;
  readonly loss: number;
  readonly accuracy: number;
  readonly valLoss: number;
  readonly valAccuracy: number;
  readonly seconds: number;
}

export class RunLog {
  readonly losses = new GrowingArray();
  readonly accuracies = new GrowingArray();
  epochs: readonly EpochPoint[] = [];
  visible = true;

  constructor(
    /** From 1, in the order of the runs. */
    readonly number: number,
    readonly settings: Settings,
    readonly stepsPerEpoch: number,
  ) {}

  /** Whether the page has received a step of it. */
  begun = false;

  get steps(): number {
    return this.losses.length;
  }

  addSteps(first: number, losses: Float32Array, accuracies: Float32Array): void {
    this.begun = true;
    this.losses.write(first, losses);
    this.accuracies.write(first, accuracies);
  }

  addEpoch(point: Omit<EpochPoint, "epoch">): void {
    const epoch = Math.round(point.step / this.stepsPerEpoch);
    this.epochs = [...this.epochs, { epoch, ...point }];
  }

  /** The run continues from this step: weights were loaded, or a device was lost. */
  startAt(steps: number): void {
    this.losses.write(steps, []);
    this.accuracies.write(steps, []);
    this.epochs = this.epochs.filter(({ step }) => step <= steps);
  }
}
