/** The programs that a trainer runs, wherever they come from: traced from a model, or compiled ahead of time. */

import type { TrainingData } from "../../data/sharded.ts";
import type { GraphSpec } from "../../graph/graph.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { Program } from "../../runtime/backend.ts";
import type { DataLoader } from "../input/device-dataset.ts";
import type { PhaseLayout } from "../metrics/accumulator.ts";
import type { DeviceStates } from "../state/device-states.ts";
import type { RunStates } from "../state/run-states.ts";

/** The metrics of the latest runs of a phase. */
export interface PhaseRing extends PhaseLayout {
  /** It runs in every step whose number, from 1, is a multiple of this. */
  readonly every: number;
  /** State f32 [rows, width]: a row per run. */
  readonly ring: Tensor;
}

/** A program that takes steps. */
export interface SingleStep {
  readonly program: Program;
  /** One for each phase. */
  readonly rings: readonly PhaseRing[];
  /** Examines the step that comes next, with `detectAnomaly`. */
  readonly inspect?: (step: number) => Promise<void>;
}

/** A program that steps through one data set. */
export interface StepProgram extends SingleStep {
  readonly stepsPerEpoch: number;
  /** Loads the data set in shards, where it does not fit on the device. */
  readonly loader?: DataLoader;
}

export type TrainProgram = StepProgram;

export interface EvaluationProgram extends StepProgram {
  /** Its step counters, u32 [1]. */
  readonly steps: readonly Tensor[];
}

/** Programs for the device that has the run's states: one to train and one to evaluate per data set. */
export interface ProgramSource {
  /** Rejects, before anything is compiled, where `validation` does not fit the model. */
  training(dataset: TrainingData, validation?: TrainingData): Promise<TrainProgram>;
  evaluation(dataset: TrainingData): Promise<EvaluationProgram>;
  /** Compiles any graph over the run's states. */
  compile(spec: GraphSpec): Promise<Program>;
  /** Forgets what was compiled, after a change of device. */
  clear(): void;
  /** Destroys the compiled programs, and frees the leaves that no other program uses. */
  destroy(): void;
}

/** What a trainer is made of. */
export interface TrainerParts {
  readonly states: RunStates;
  readonly values: DeviceStates;
  readonly programs: ProgramSource;
}
