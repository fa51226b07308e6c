/** The public names, nothing else. Hosts add `weft/node` and `weft/browser`. */

export * as ops from "./all-ops.ts";
export { checkpoint, gradients } from "./autograd.ts";
export {
  type CheckGradientsOptions,
  checkGradients,
  type GradientDifference,
  type GradientInput,
  type GradientReport,
} from "./checks/check-gradients.ts";
export { type CompareOptions, type CompareReport, compare, type Divergence } from "./checks/compare.ts";
export * as data from "./data/index.ts";
export { type DoctorOptions, type DoctorResult, type Report, runDoctor } from "./doctor/index.ts";
export type { GraphSpec } from "./graph/graph.ts";
export type { AdapterProfile, Constants, Kernel, KernelEnv, KernelPlan, Pointwise } from "./graph/kernel.ts";
export { type DefinedOp, defineOp, type OpDefinition, type Tensors } from "./graph/op.ts";
export { Shader, type ShaderSource } from "./graph/shader.ts";
export type { Data, DType, Shape, Spec } from "./graph/spec.ts";
export {
  type BackwardContext,
  constant,
  input,
  type Node,
  type Op,
  type OpPlan,
  parameter,
  scope,
  state,
  type Tensor,
} from "./graph/tensor.ts";
export * as io from "./io/index.ts";
export * as nn from "./nn/index.ts";
export { Random } from "./numbers/random.ts";
export { definePointwise, type PointwiseDefinition } from "./ops/elementwise/pointwise.ts";
export * as optim from "./optim/index.ts";
export * as recipes from "./recipes/index.ts";
export {
  type CompileAheadOptions,
  type CompileTarget,
  compileAheadOfTime,
  PORTABLE,
  recordTraining,
  targetOf,
} from "./replay/compile.ts";
export type { AheadOfTimeProgram } from "./replay/format.ts";
export * as report from "./report/index.ts";
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
} from "./runtime/backend.ts";
export { CpuBackend, type CpuOptions } from "./runtime/cpu/backend.ts";
export { GpuBackend, type GpuOptions } from "./runtime/gpu/backend.ts";
export * as tokenizers from "./tokenizers/index.ts";
export type { UserBatch } from "./train/input/user-batch.ts";
export type { AnyTrainer } from "./train/loop/any-trainer.ts";
export { type BestCheckpointOptions, bestCheckpoint } from "./train/loop/callbacks.ts";
export { RunControl } from "./train/loop/control.ts";
export type { EarlyStoppingOptions, Monitor } from "./train/loop/early-stopping.ts";
export type {
  Best,
  Callback,
  EpochRecord,
  EvaluationRecord,
  History,
  Metrics,
  StepListener,
  TrainEvent,
  TrainMetrics,
} from "./train/loop/events.ts";
export { historyCsv, historyJson } from "./train/loop/history.ts";
export type {
  AnyTrainerOptions,
  CheckpointOptions,
  CommonTrainerOptions,
  FitOptions,
  PhaseOptions,
  PhasesOptions,
  StepOptions,
  TrainerOptions,
} from "./train/loop/options.ts";
export { type StepCallOptions, Trainer } from "./train/loop/trainer.ts";
export { AnomalyError } from "./train/metrics/anomaly.ts";
export { DivergedError } from "./train/metrics/divergence.ts";
export * as metrics from "./train/metrics/metrics.ts";
export { createPredictor, type PredictorFrom } from "./train/predict/create-predictor.ts";
export type { InputForm, InputForms } from "./train/predict/inputs.ts";
export type { ClassScore, NamedPredictions } from "./train/predict/outputs.ts";
export { predict } from "./train/predict/predict.ts";
export type { PredictCallOptions, Predictor, PredictorOptions } from "./train/predict/predictor.ts";
export type { Predictions, Samples } from "./train/predict/samples.ts";
export type { ModelOnDevice, PredictorModel } from "./train/predict/traced-source.ts";
export { resumeFrom } from "./train/state/checkpoint-folder.ts";
export type { FitState } from "./train/state/fit-record.ts";
export { loraFromSafetensors, loraToSafetensors, mergeLora } from "./train/state/lora.ts";
export { loadStateDict, type StateDict, stateDict } from "./train/state/state-dict.ts";
export {
  type CompiledStep,
  type CompileStepOptions,
  compileStep,
  type StepInputForm,
} from "./train/step/compile-step.ts";
export type { StepBatch, StepContext, StepFunction, StepResult } from "./train/step/phase.ts";
export type { CompiledProgram } from "./train/step/traced-programs.ts";
export * as transforms from "./transforms/index.ts";
export * from "./validation/errors.ts";
export { version } from "./version.ts";
