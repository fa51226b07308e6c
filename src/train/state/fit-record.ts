/** What a run of `fit` has come to besides the states on the device: enough to go on as if it had never stopped. */
import type { EarlyStoppingState, Weights } from "../loop/early-stopping.ts";
import type { EpochRecord, EvaluationRecord } from "../loop/events.ts";
import type { TotalsState } from "../metrics/accumulator.ts";

/** As JSON in files; older ones lack it, or parts of it. */
export interface RunIdentity {
  readonly batchSize: number;
  readonly samples?: number;
  readonly seed?: number;
  readonly shuffle?: boolean;
  readonly optimizer?: string;
  /** The rate that the optimizer began with. */
  readonly learningRate?: number;
  /** Tells schedules apart. */
  readonly schedule?: string;
  readonly data?: DataIdentity;
}

export interface DataIdentity {
  readonly name: string;
  readonly samples: number;
  readonly shape: readonly number[];
  readonly labels: string;
  /** Of some of the bytes; none for data that are read in parts. */
  readonly checksum?: string;
}

/** As JSON can hold it. */
export interface FitRecord {
  /** Step of the run at which `fit` began. */
  readonly begin: number;
  readonly epochs: readonly EpochRecord[];
  readonly evaluations: readonly EvaluationRecord[];
  /** Step of the latest evaluation; `begin` if there was none. */
  readonly evaluatedAt: number;
  /** Of the epoch under way. */
  readonly totals: TotalsState;
  readonly seconds: number;
  readonly early?: EarlyStoppingState;
  readonly stopped?: string;
  /** Checkpoints of early versions don't say. */
  readonly identity?: RunIdentity;
  /** Step at which the run was to end. */
  readonly end?: number;
}

/** What `fit` takes as `resume`. */
export interface FitState extends FitRecord {
  /** The run that the checkpoint is of; checkpoints of early versions don't say. */
  readonly run?: string;
  /** Steps of the run that were done. */
  readonly step: number;
  readonly bestWeights?: Weights;
}

/** Steps are counted in 32 bits, and schedules compute with them. */
export const MOST_STEPS = 2 ** 31 - 1;
