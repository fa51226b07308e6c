/** `weft/replay`: trains from a program that was compiled ahead of time, without the rest of the library. */
import { openProgram } from "./trainer.ts";

export { adapterKind, adapterName } from "../runtime/gpu/adapter-kind.ts";
export { ProgramError } from "../validation/errors.ts";
export type { AheadOfTimeProgram } from "./format.ts";
export { type ReadProgramOptions, readProgram } from "./read-program.ts";
export { type AheadOfTimeTrainer, type OpenProgramOptions, openProgram } from "./trainer.ts";
/** @deprecated `openProgram`. */
export const openRecording = openProgram;
