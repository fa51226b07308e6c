/**
 * A training run compiled ahead of time, as plain data (JSON): kernels, buffers, first values and lists of dispatches,
 * without the model, the ops and the planner that they came from. `recordTraining` makes it, `openReplay` runs it.
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
  /** Bind group layouts: `"0r 1r 2w"`, binding numbers read and written. */
  readonly layouts: readonly string[];
  readonly pipelines: readonly RecordedPipeline[];
  /** Bytes of each. */
  readonly buffers: readonly number[];
  /** What is in them at first, where that is not zero; weights, data and the random key apart. */
  readonly values: readonly RecordedValues[];
  /** Seed that it was recorded with, used unless another is given. */
  readonly seed: number;
  /** Parameters, each with the stream of its position, then states of layers. */
  readonly weights: readonly RecordedWeight[];
  /** f32 [1]. */
  readonly learningRate: Place;
  /** u32 [2]: of shuffling and of layers that draw. */
  readonly key: Place;
  readonly train: RecordedSteps;
  readonly test?: RecordedSteps | undefined;
  readonly predict?: RecordedPrediction | undefined;
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

/** The same number `count` times, or bytes in base 64. */
export type RecordedInitial =
  | { readonly dtype: DType; readonly fill: number; readonly count: number }
  | { readonly dtype: DType; readonly base64: string };

export type RecordedValues = Place & RecordedInitial;

/** A parameter, or a state of a layer. Its first value is drawn by the seed where there is a distribution. */
export interface RecordedWeight extends RecordedTensor {
  readonly name: string;
  readonly initial: Distribution | RecordedInitial;
}

/** One dispatch: pipeline, workgroups, and for each binding its number, buffer, first byte and bytes. */
export type RecordedDispatch = readonly [
  pipeline: number,
  groups: readonly number[],
  bindings: readonly (readonly [binding: number, buffer: number, offset: number, bytes: number])[],
];

/** A program that steps through a data set. */
export interface RecordedSteps {
  readonly dispatches: readonly RecordedDispatch[];
  /** Samples of the data set; all of them in so many steps. */
  readonly count: number;
  readonly stepsPerEpoch: number;
  /** Bytes, four to a word, or floats. */
  readonly inputs: RecordedTensor & { readonly bytes: boolean };
  readonly labels: RecordedTensor;
  /** Its step counter, u32 [1]. */
  readonly step: Place;
  /** f32 [rows, width]: a row per step. */
  readonly ring: RecordedTensor;
  readonly columns: readonly { readonly name: string; readonly size: number }[];
  readonly sums: readonly string[];
}

/** A program that answers for a batch of samples. */
export interface RecordedPrediction {
  readonly dispatches: readonly RecordedDispatch[];
  readonly x: RecordedTensor;
  readonly prediction: RecordedTensor;
}

/** Throws FormatError on what is no recording, or one of another format. */
export function asRecording(value: unknown): Recording {
  const format = (value as Partial<Recording> | null | undefined)?.weftRecording;
  if (format !== FORMAT) {
    throw new FormatError(
      format === undefined
        ? "replay: this is no recording; make one with weft record or recordTraining"
        : `replay: the recording has format ${String(format)}, this library reads ${FORMAT}; record it anew`,
    );
  }
  return value as Recording;
}
