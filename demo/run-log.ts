/** What the page remembers of a run: every step, every epoch, and how it was set up. Pure. */
import { Growing } from "./curve.ts";
import type { Settings } from "./settings.ts";

export interface EpochPoint {
  readonly epoch: number;
  /** Steps of the run that were done then. */
  readonly step: number;
  readonly loss: number;
  readonly accuracy: number;
  readonly valLoss: number;
  readonly valAccuracy: number;
  readonly seconds: number;
}

export class RunLog {
  readonly losses = new Growing();
  readonly accuracies = new Growing();
  epochs: readonly EpochPoint[] = [];
  visible = true;

  constructor(
    /** From 1, in the order in which runs began. */
    readonly number: number,
    readonly settings: Settings,
    readonly stepsPerEpoch: number,
  ) {}

  /** Whether a step of it was taken before our eyes. */
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

  /** It goes on from here: weights from a file, or a lost device has set it back. */
  startAt(steps: number): void {
    this.losses.write(steps, []);
    this.accuracies.write(steps, []);
    this.epochs = this.epochs.filter(({ step }) => step <= steps);
  }
}
