/** What a training run tells its listeners, and what is left of it afterwards. */
import type { MetricValue } from "../metrics/definition.ts";

/** The best record so far. */
export interface Best {
  readonly monitor: string;
  readonly value: number;
  readonly epoch: number;
  /** Steps of the run that had been taken. */
  readonly step: number;
}

/** Means over the samples of an epoch or an evaluation. */
export interface Metrics {
  readonly loss: number;
  /** Share of right answers, 0 to 1; only with class labels. */
  readonly accuracy?: number;
  /** The trainer's `metrics` by their names. */
  readonly metrics?: Readonly<Record<string, MetricValue>>;
}

/** What only training has, too. */
export interface TrainMetrics extends Metrics {
  /** Of the latest step. */
  readonly learningRate?: number;
  /** Mean over the steps, with `trackGradientNorm`. */
  readonly gradientNorm?: number;
}

export interface EpochRecord extends TrainMetrics {
  /** From 1. */
  readonly epoch: number;
  /** The validation set after this epoch, if there is one. */
  readonly val?: Metrics;
  readonly valLoss?: number;
  readonly valAccuracy?: number;
  /** Wall time of the epoch's training, without its evaluation. */
  readonly seconds: number;
  readonly stepsPerSecond: number;
}

/** An evaluation between epochs, with `evaluateEvery`. */
export interface EvaluationRecord {
  readonly epoch: number;
  /** Steps of the whole run that had been taken. */
  readonly step: number;
  readonly val: Metrics;
  readonly valLoss: number;
  readonly valAccuracy?: number;
}

export interface History {
  readonly epochs: readonly EpochRecord[];
  /** Only with `evaluateEvery`. */
  readonly evaluations?: readonly EvaluationRecord[];
  /** The best record, with `earlyStopping`. */
  readonly best?: Best;
  /** Why early stopping ended the run. */
  readonly stopped?: string;
  /** True when an AbortSignal ended the run early, or its loop was left. */
  readonly aborted: boolean;
}

export type TrainEvent =
  | {
      readonly event: "start";
      readonly epochs: number;
      readonly stepsPerEpoch: number;
      readonly samples: number;
      readonly parameters: number;
    }
  | (TrainMetrics & {
      readonly event: "progress";
      readonly epoch: number;
      /** Steps of this epoch that are done and read back. */
      readonly step: number;
      readonly stepsPerEpoch: number;
      readonly samplesPerSecond: number;
      readonly secondsLeft: number;
    })
  | ({ readonly event: "epoch" } & EpochRecord)
  | ({ readonly event: "evaluation" } & EvaluationRecord)
  | {
      /** The device was lost; another one took over from the last snapshot. */
      readonly event: "recovered";
      readonly epoch: number;
      /** Steps of the whole run that were done at the snapshot. */
      readonly step: number;
      readonly message: string;
      /** The device in use now, which may be the CPU reference. */
      readonly adapter: string;
    }
  | {
      /** A RunControl holds the run, which waits; told again whenever it looks up and is still held. */
      readonly event: "paused";
      readonly epoch: number;
      /** Steps of the whole run that are done. */
      readonly step: number;
    }
  | { readonly event: "end"; readonly history: History };

/** A listener on a run. May return a promise, which is waited for. */
export type Callback = (event: TrainEvent) => void | Promise<void>;

/** Hears the metrics of every step, in order, some steps at a time: `first` is the run's step number of `steps[0]`, from 0. */
export type StepListener = (first: number, steps: readonly TrainMetrics[]) => void;
