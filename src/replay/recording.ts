/**
 * A training run compiled ahead of time, as plain data (JSON): kernels, buffers, first values and lists of dispatches,
 * without the model, the ops and the planner that they came from. `recordTraining` makes it, `openRecording` runs it.
 */
import { FormatError } from "../errors.ts";
import type { Distribution } from "../random.ts";
import type { DType, Shape } from "../tensor.ts";

/** Changes when recordings of before can't be read any more. */
export const FORMAT = 1;

export interface Recording {
  readonly weftRecording: typeof FORMAT;
  /** What a device must offer: WebGPU's guaranteed limits, unless it was recorded for a better adapter. */
  readonly needs: Needs;
  readonly shaders: readonly { readonly file: string; readonly code: string }[];
  /** Bind group layouts: `"0r 1r 2w"`, binding numbers read and written; `"7u"` is a uniform. */
  readonly layouts: readonly string[];
  readonly pipelines: readonly RecordedPipeline[];
  /** Bytes of each. */
  readonly buffers: readonly number[];
  /** What is in them at first, where that is not zero; weights, data and the random key apart. */
  readonly values: readonly RecordedValues[];
  /** Seed that it was recorded with, used unless another is given. */
  readonly seed: number;
  readonly batchSize: number;
  readonly states: RecordedStates;
  readonly train: RecordedSteps;
  readonly test?: RecordedSteps | undefined;
  /** Others, by name. */
  readonly programs: Readonly<Record<string, RecordedProgram>>;
}

export interface Needs {
  readonly maxStorageBufferBindingSize: number;
  readonly maxStorageBuffersPerShaderStage: number;
  /** Invocations of every subgroup; 0 where kernels use none. */
  readonly subgroupSize: number;
}

export interface RecordedPipeline {
  readonly shader: number;
  readonly entry: string;
  readonly constants: Readonly<Record<string, number>>;
  readonly layout: number;
}

/** A piece of a buffer: its number, bytes from its start. */
export interface Place {
  readonly buffer: number;
  readonly offset: number;
}

export interface RecordedTensor extends Place {
  readonly shape: Shape;
  readonly dtype: DType;
}

export interface NamedTensor extends RecordedTensor {
  readonly name: string;
}

/** The same number `count` times, numbers, or bytes in base 64: whatever is shortest. */
export type RecordedInitial =
  | { readonly dtype: DType; readonly fill: number; readonly count: number }
  | { readonly dtype: DType; readonly numbers: readonly number[] }
  | { readonly dtype: DType; readonly base64: string };

export type RecordedValues = Place & RecordedInitial;

/** Its first value is drawn by the seed where there is a distribution. */
export interface RecordedWeight extends NamedTensor {
  readonly initial: Distribution | RecordedInitial;
}

/** As a trainer's `states`. */
export interface RecordedStates {
  /** Each draws from the stream of its position. */
  readonly parameters: readonly RecordedWeight[];
  readonly buffers: readonly NamedTensor[];
  readonly packed: readonly NamedTensor[];
  readonly step: RecordedTensor;
  readonly key: RecordedTensor;
  readonly learningRate: RecordedTensor;
}

/** One dispatch: pipeline, workgroups, for each binding its number, buffer, first byte and bytes; what it is called. */
export type RecordedDispatch = readonly [
  pipeline: number,
  groups: readonly number[],
  bindings: readonly (readonly [binding: number, buffer: number, offset: number, bytes: number])[],
  label: string,
];

/** A program that steps through a data set. */
export interface RecordedSteps {
  readonly dispatches: readonly RecordedDispatch[];
  /** Of one sample. */
  readonly shape: Shape;
  /** Numbers in one label. */
  readonly labelSize: number;
  /** What inputs are multiplied with and shifted by. */
  readonly scale: number;
  readonly offset: number;
  /** u32: bytes, four to a word; or f32. As long as the data set that was recorded with. */
  readonly inputs: RecordedTensor;
  /** i32: class numbers; or f32. Likewise. */
  readonly labels: RecordedTensor;
  /** Its step counter, u32 [1]. */
  readonly step: RecordedTensor;
  /** f32 [rows, width]: a row per step. */
  readonly ring: RecordedTensor;
  readonly columns: readonly { readonly name: string; readonly size: number }[];
  readonly sums: readonly string[];
}

export interface RecordedProgram {
  readonly dispatches: readonly RecordedDispatch[];
  readonly inputs: readonly NamedTensor[];
  readonly outputs: readonly NamedTensor[];
}

/** Throws FormatError on what is no recording, or one of another format. */
export function asRecording(value: unknown): Recording {
  const format = (value as Partial<Recording> | null | undefined)?.weftRecording;
  if (format !== FORMAT) {
    throw new FormatError(
      format === undefined
        ? "recording: this is none; make one with weft record or recordTraining"
        : `recording: this one has format ${String(format)}, this library reads ${FORMAT}; record it anew`,
    );
  }
  return value as Recording;
}
