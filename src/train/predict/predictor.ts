/**
 * Predictions with low overhead: a compiled program for a fixed number of samples, run with one submit and one map per batch.
 * Several calls may be in flight. Nothing here traces a model: ahead-of-time programs use it too.
 */

import { type Data, formatShape, type Shape, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { Backend, Program } from "../../runtime/backend.ts";
import { ClosedError, DeviceLostError, ShapeError } from "../../validation/errors.ts";
import { checkOptions, type OptionKinds } from "../../validation/options.ts";
import {
  type AnyValues,
  type Batches,
  type InputForms,
  type InputsOf,
  type KnownInputs,
  readInputs,
} from "./inputs.ts";
import { type Answer, type AnswerOptions, answerFor, type KnownOutput } from "./outputs.ts";
import type { Samples } from "./samples.ts";

/** Batches of a predictor that are under way at most. Each has a staging buffer of its own, which the device keeps. */
const IN_FLIGHT = 4;

/** A program over the weights of a run. */
export interface PredictionProgram {
  readonly backend: Backend;
  readonly program: Program;
  /** Used by this program only; [capacity, …sample] each. */
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/** Where a predictor has its program from. */
export interface PredictorSource {
  /** The device in use. */
  readonly backend: Backend;
  readonly batchSize: number;
  /** In the order of the program's inputs. */
  readonly inputs: KnownInputs;
  /** In the order of the program's outputs. */
  readonly outputs: readonly KnownOutput[];
  /** Whether there is one output, which is answered without its name. */
  readonly single: boolean;
  /** Does `work` while nothing else changes the weights. */
  exclusive<T>(work: () => Promise<T>): Promise<T>;
  /** Does `work`, and all of it again on another device if this one is lost meanwhile. */
  survive<T>(work: () => Promise<T>): Promise<T>;
  /** Compiles the program for the device in use. */
  open(): Promise<PredictionProgram>;
  /** Frees what belongs to the source alone. */
  release?(): void;
}

export interface PredictorOptions extends AnswerOptions {
  /** Most samples per submit; more are cut into batches that overlap, fewer are padded. Default 1. */
  readonly batchSize?: number;
  /** The form of one sample of each input, needed for all but ahead-of-time programs, which are made for one. */
  readonly inputs?: InputForms;
  /** Name of the program in an ahead-of-time file; default the one compiled with `predict`. */
  readonly program?: string;
}

export const PREDICTOR = {
  batchSize: "number",
  inputs: "any",
  program: "string",
  output: ["raw", "softmax", "sigmoid"],
  topK: "number",
  classNames: "array",
} as const satisfies OptionKinds<PredictorOptions>;

/** What a predictor made with options `O` takes. */
export type GivenTo<O> = O extends { readonly inputs: infer F }
  ? InputsOf<F>
  : AnyValues | Samples | Readonly<Record<string, AnyValues>>;

export interface PredictCallOptions {
  readonly signal?: AbortSignal;
}

const ARRAYS = { f32: Float32Array, i32: Int32Array, u32: Uint32Array };

interface Opened {
  readonly backend: Backend;
  readonly program: Promise<PredictionProgram>;
  /** Once compiled. */
  loaded?: PredictionProgram;
}

/** `In`: what `predict` takes; `Out`: what it gives. Made by `createPredictor`. */
export class Predictor<In, Out> {
  #opened: Opened | undefined;
  /** Rows of the inputs on the device that are not zero. */
  readonly #rows = new WeakMap<Program, number>();
  readonly #answer: Answer;
  #free = IN_FLIGHT;
  readonly #waiting: (() => void)[] = [];
  #destroyed = false;

  /** Throws ValueError or ShapeError where `options` do not suit the outputs. */
  constructor(
    readonly source: PredictorSource,
    options: AnswerOptions = {},
  ) {
    const { outputs, single, batchSize } = source;
    for (const { name, shape } of outputs) {
      if (shape[0] === batchSize) continue;
      throw new ShapeError(
        `predictor: ${name} must have one row per sample, [${batchSize}, …], got ${formatShape(shape)}`,
      );
    }
    this.#answer = answerFor("predictor", outputs, single, options);
  }

  /** Compiles now what the first call would compile. Returns the predictor, or destroys it where that fails. */
  async compile(): Promise<this> {
    try {
      await this.source.survive(() => this.#open());
      return this;
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  /** Most samples per submit; more are cut into batches that overlap. */
  get batchSize(): number {
    return this.source.batchSize;
  }

  /**
   * The answers for all samples, in their order, with the weights as they are now: during a fit, between two steps. The values
   * are copied at the call where they fit one batch; more must not change before the answer is there. Rejects with the reason
   * of `signal` when that is aborted, with a ClosedError after `destroy`; throws ValueError or ShapeError on values that the
   * model does not take.
   */
  async predict(inputs: In, options: PredictCallOptions = {}): Promise<Out> {
    const { signal } = checkOptions("predict", options, { signal: "object" });
    this.#checkUsable();
    signal?.throwIfAborted();
    const batches = readInputs("predict", this.source.inputs, inputs);
    const { count } = batches;
    const copied = count <= this.batchSize ? batches.read(0, count) : undefined;
    const given = copied === undefined ? batches : { count, read: () => copied };
    const { source } = this;
    const submit = () => this.#submitAll(given, signal);
    // The answers are awaited outside, so that other calls submit meanwhile.
    const { answer } = await source.exclusive(() => source.survive(submit));
    try {
      return (await answer) as Out;
    } catch (error) {
      if (!(error instanceof DeviceLostError)) throw error;
      return source.exclusive(() => source.survive(async () => (await submit()).answer)) as Promise<Out>;
    }
  }

  /** Frees the program and its inputs; calls that are not submitted yet and later ones reject with a ClosedError. */
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    const opened = this.#opened;
    if (opened?.loaded !== undefined) freeProgram(opened.loaded);
    else opened?.program.then(freeProgram, () => undefined);
    this.source.release?.();
  }

  /** `destroy`, for `using`. */
  [Symbol.dispose](): void {
    this.destroy();
  }

  #checkUsable(): void {
    if (this.#destroyed) throw new ClosedError("predictor: was destroyed; create another one");
  }

  /** The program for the device in use. */
  #open(): Promise<PredictionProgram> {
    this.#checkUsable();
    const { backend } = this.source;
    if (this.#opened?.backend === backend) return this.#opened.program;
    const opened: Opened = { backend, program: this.source.open() };
    this.#opened = opened;
    opened.program.then(
      (loaded) => {
        opened.loaded = loaded;
      },
      // A failed compilation may be tried again.
      () => {
        if (this.#opened === opened) this.#opened = undefined;
      },
    );
    return opened.program;
  }

  /** Submits all batches. The answer, which comes when the last one is read, is in an object so that it is not awaited. */
  async #submitAll(given: Batches, signal?: AbortSignal): Promise<{ readonly answer: Promise<unknown> }> {
    const { count } = given;
    const opened = await this.#open();
    const values = this.source.outputs.map(({ shape, dtype }) => new ARRAYS[dtype](count * rowSize(shape)));
    const pending: Promise<void>[] = [];
    let failed = false;
    for (let first = 0; first < count && !failed; first += this.batchSize) {
      await this.#takeSlot();
      const used = Math.min(this.batchSize, count - first);
      const batch = this.#submit(opened, () => given.read(first, used), used, signal)
        .then((read) => {
          read.forEach((data, i) => {
            const size = rowSize(this.source.outputs[i]?.shape as Shape);
            values[i]?.set(data.subarray(0, used * size), first * size);
          });
        })
        .finally(() => this.#giveSlot());
      batch.catch(() => {
        failed = true;
      });
      pending.push(batch);
    }
    const all = Promise.all(pending);
    if (failed) await all;
    return { answer: all.then(() => this.#answer(values)) };
  }

  /** Writes and runs a batch of `used` samples. No `await` here: another call would overwrite the inputs. */
  async #submit(
    { backend, program, inputs, outputs }: PredictionProgram,
    read: () => readonly Data[],
    used: number,
    signal?: AbortSignal,
  ): Promise<readonly Data[]> {
    signal?.throwIfAborted();
    this.#checkUsable();
    const before = this.#rows.get(program) ?? 0;
    read().forEach((data, i) => {
      const input = inputs[i] as Tensor;
      backend.write(input, data, 0);
      // Zeros, so that an answer does not depend on earlier calls even where samples of a batch do on each other.
      const rest = (before - used) * rowSize(input.shape);
      if (rest > 0) backend.write(input, new ARRAYS[input.dtype](rest), data.length);
    });
    this.#rows.set(program, used);
    return program.runAndRead(outputs);
  }

  /** Waits until fewer than `IN_FLIGHT` batches are under way. */
  async #takeSlot(): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #giveSlot(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}

const rowSize = (shape: Shape): number => sizeOf(shape.slice(1));

function freeProgram({ backend, program, inputs }: PredictionProgram): void {
  program.destroy();
  for (const input of inputs) if (input.leaf?.kind === "input") backend.free(input);
}
