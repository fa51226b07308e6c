/** Optimizers and learning-rate schedules: `import { optim } from "weft"`. */
export { type AdadeltaOptions, adadelta } from "./adadelta.ts";
export { type AdagradOptions, adagrad } from "./adagrad.ts";
export { type AdamOptions, adam, adamw } from "./adam.ts";
export { type AdamaxOptions, adamax } from "./adamax.ts";
export { type ClipOptions, clipByGlobalNorm, clipByValue } from "./clip.ts";
export {
  defineOptimizer,
  type OptimizerDefinition,
  type RuleResult,
  type RuleValues,
} from "./define-optimizer.ts";
export { type LambOptions, lamb } from "./lamb.ts";
export { type LionOptions, lion } from "./lion.ts";
export { type MuonAdamwOptions, type MuonOptions, muon } from "./muon.ts";
export { type NadamOptions, nadam } from "./nadam.ts";
export {
  type CommonOptions,
  decaysWeights,
  type ElementOptions,
  type MinimizedStep,
  type Optimizer,
  type OptimizerStates,
  type OptimizerStep,
  type OwnStep,
  type ParameterFilter,
  type ParameterGroup,
  type ParameterList,
} from "./optimizer.ts";
export { type PlateauOptions, ReduceOnPlateau, reduceOnPlateau } from "./plateau.ts";
export { type RadamOptions, radam } from "./radam.ts";
export { type RmspropOptions, rmsprop } from "./rmsprop.ts";
export * from "./schedules.ts";
export { type SgdOptions, sgd } from "./sgd.ts";
