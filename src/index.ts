/** The public names, nothing else. Hosts add `weft/node` and `weft/browser`. */
export { gradients } from "./autograd.ts";
export type {
  Backend,
  CompileOptions,
  CompileProgress,
  FileStore,
  FolderLock,
  KernelTime,
  Program,
  ProgramDescription,
  Stopwatch,
  TuneChoice,
  TuneEvent,
  TuneOptions,
  TuneStore,
} from "./backend.ts";
export {
  type CheckGradientsOptions,
  checkGradients,
  type GradientDifference,
  type GradientInput,
  type GradientReport,
} from "./check-gradients.ts";
export { type CompareOptions, type CompareReport, compare, type Divergence } from "./compare.ts";
export { CpuBackend, type CpuOptions } from "./cpu/backend.ts";
export * as data from "./data/index.ts";
export { type DoctorOptions, type DoctorResult, type Report, runDoctor } from "./doctor/index.ts";
export * from "./errors.ts";
export { GpuBackend, type GpuOptions } from "./gpu/backend.ts";
export * as io from "./io/index.ts";
export * as nn from "./nn/index.ts";
export { defineOp } from "./op.ts";
export * as ops from "./ops/index.ts";
export * as optim from "./optim/index.ts";
export type { GraphSpec } from "./plan/graph.ts";
export { Random } from "./random.ts";
export * as recipes from "./recipes/index.ts";
export {
  type CompileAheadOptions,
  type CompileTarget,
  compileAheadOfTime,
  PORTABLE,
  recordTraining,
  targetOf,
} from "./replay/compile.ts";
export type { AheadOfTimeProgram } from "./replay/program.ts";
export * as report from "./report/index.ts";
export {
  constant,
  type Data,
  type DType,
  input,
  type Node,
  parameter,
  type Shape,
  type Spec,
  scope,
  state,
  type Tensor,
} from "./tensor.ts";
export { AnomalyError } from "./train/anomaly.ts";
export type { AnyTrainer } from "./train/any-trainer.ts";
export { type BestCheckpointOptions, bestCheckpoint } from "./train/callbacks.ts";
export { resumeFrom } from "./train/checkpointer.ts";
export { RunControl } from "./train/control.ts";
export type { Best, EarlyStoppingOptions } from "./train/early-stopping.ts";
export type {
  Callback,
  EpochRecord,
  EvaluationRecord,
  History,
  Metrics,
  StepListener,
  TrainEvent,
  TrainMetrics,
} from "./train/events.ts";
export { historyCsv, historyJson } from "./train/history.ts";
export * as metrics from "./train/metrics.ts";
export type { Monitor } from "./train/monitor.ts";
export type { CheckpointOptions, FitOptions, TrainerOptions } from "./train/options.ts";
export { type Predictions, predict } from "./train/predict.ts";
export type { FitState } from "./train/run-state.ts";
export type { Samples } from "./train/samples.ts";
export { loadStateDict, type StateDict, stateDict } from "./train/state-dict.ts";
export { DivergedError } from "./train/totals.ts";
export { Trainer } from "./train/trainer.ts";
export * as transforms from "./transforms/index.ts";
export { version } from "./version.ts";
