/** The programs that a trainer runs, wherever they come from: traced from a model, or compiled ahead of time. */

import type { TrainingData } from "../../data/sharded.ts";
import type { GraphSpec } from "../../graph/graph.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { KernelTime, Program } from "../../runtime/backend.ts";
import type { ShardFeed } from "../input/shard-loader.ts";
import type { RowLayout } from "../metrics/accumulator.ts";
import type { RunStates } from "../state/run-states.ts";
import type { StateValues } from "../state/state-values.ts";

/** A program that steps through one data set. */
export interface StepProgram {
  readonly program: Program;
  readonly ring: Tensor;
  readonly layout: RowLayout;
  readonly stepsPerEpoch: number;
  /** What brings the data in shards, where they don't all fit. */
  readonly feed?: ShardFeed;
}

export interface TrainProgram extends StepProgram {
  /** Examines the step that comes next. */
  readonly inspect?: (step: number) => Promise<void>;
}

export interface EvaluationProgram extends StepProgram {
  /** Its step counter, u32 [1]. */
  readonly step: Tensor;
}

/** One program to train and one to evaluate per data set, on the device that the run's states are on. */
export interface RunPrograms {
  /** Rejects, before anything is compiled, where `validation` does not suit the model. */
  training(dataset: TrainingData, validation?: TrainingData): Promise<TrainProgram>;
  evaluation(dataset: TrainingData): Promise<EvaluationProgram>;
  /** Any graph over the run's states. */
  compile(spec: GraphSpec): Promise<Program>;
  /** Forgets what was compiled, for another device. */
  clear(): void;
  /** Destroys the compiled programs, and frees the leaves that no other program uses. */
  destroy(): void;
}

/** What a trainer is made of. */
export interface TrainerParts {
  readonly states: RunStates;
  readonly values: StateValues;
  readonly programs: RunPrograms;
}

/** Times of each dispatch of a step, the median of three after one to warm up. */
export async function medianTimes(program: Program): Promise<readonly KernelTime[]> {
  await program.profile?.();
  const rounds: (readonly KernelTime[])[] = [];
  for (let i = 0; i < 3; i++) rounds.push((await program.profile?.()) ?? []);
  return (rounds[0] ?? []).map(({ label }, i) => ({
    label,
    milliseconds: rounds.map((r) => r[i]?.milliseconds ?? 0).sort((a, b) => a - b)[1] as number,
  }));
}
