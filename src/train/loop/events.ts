/** What a training run reports: events to its listeners while it goes on, records and a history at its end. */
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
  /** Share of samples whose class is predicted, 0 to 1; only with class labels. */
  readonly accuracy?: number;
  /** Values of the trainer's `metrics` by their names. */
  readonly metrics?: Readonly<Record<string, MetricValue>>;
}

/** Metrics of training. */
export interface TrainMetrics extends Metrics {
  /** That of the latest step. */
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
      /** Steps of this epoch whose metrics have been read. */
      readonly step: number;
      readonly stepsPerEpoch: number;
      readonly samplesPerSecond: number;
      readonly secondsLeft: number;
    })
  | ({ readonly event: "epoch" } & EpochRecord)
  | ({ readonly event: "evaluation" } & EvaluationRecord)
  | {
      /** The device was lost; the run continues on another one from the last snapshot. */
      readonly event: "recovered";
      readonly epoch: number;
      /** Steps of the whole run that were done at the snapshot. */
      readonly step: number;
      readonly message: string;
      /** The device in use now, which may be the CPU reference. */
      readonly adapter: string;
    }
  | {
      /** A RunControl paused the run. Comes again when the run is woken and still paused. */
      readonly event: "paused";
      readonly epoch: number;
      /** Steps of the whole run that are done. */
      readonly step: number;
    }
  | { readonly event: "end"; readonly history: History };

/** Called with every event of a run, which waits for the promise that it may return. */
export type Callback = (event: TrainEvent) => void | Promise<void>;

/** Called with the metrics of every step, in order, some steps at a time. `first`: number of the first of them in the run, from 0. */
export type StepListener = (first: number, steps: readonly TrainMetrics[]) => void;
