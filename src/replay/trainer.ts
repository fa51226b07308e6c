/**
 * A trainer for a program that was compiled ahead of time: `fit`, `evaluate`, files, checkpoints and lost devices work as in a
 * traced trainer, but a page loads no ops, no model and no planner for it.
 */

import type { Data, DType } from "../graph/spec.ts";
import type { Tensor } from "../graph/tensor.ts";
import { keyFromSeed } from "../numbers/random.ts";
import type { Backend, CompileProgress } from "../runtime/backend.ts";
import { GpuRuntime } from "../runtime/gpu/runtime.ts";
import { AnyTrainer } from "../train/loop/any-trainer.ts";
import type { AnswerOf } from "../train/predict/outputs.ts";
import { type GivenTo, PREDICTOR, Predictor, type PredictorOptions } from "../train/predict/predictor.ts";
import { checkSamples, type Predictions, type Samples } from "../train/predict/samples.ts";
import { DeviceStates } from "../train/state/device-states.ts";
import { KEY, LEARNING_RATE, type RunStates } from "../train/state/run-states.ts";
import type { RunSettings } from "../train/step/runner.ts";
import { DeviceError, GraphError, ValueError } from "../validation/errors.ts";
import { checkOptions, type OptionKinds } from "../validation/options.ts";
import { type AheadOfTimeProgram, type NamedLeaf, tensorOf } from "./format.ts";
import { compileKernels, LoadedPrograms, type Signature } from "./loaded-programs.ts";
import { predictionSource } from "./prediction-source.ts";
import { type ReadProgramOptions, readProgram } from "./read-program.ts";

export interface OpenProgramOptions extends Omit<RunSettings, "batchSize">, ReadProgramOptions {
  /** Seed of initial weights and shuffling; default the program's. */
  readonly seed?: number;
  /** Called whenever a pipeline has been compiled. */
  readonly onCompile?: (progress: CompileProgress) => void;
  /** Requests another adapter after the device was lost. Default: a lost device ends the run. */
  readonly reopen?: () => Promise<GPUAdapter | null>;
}

const OPEN = {
  seed: "number",
  submitMilliseconds: "number",
  stepsPerSubmit: "number",
  onCompile: "function",
  onNotice: "function",
  reopen: "function",
  name: "string",
  maxBytes: "number",
} as const satisfies OptionKinds<OpenProgramOptions>;

/**
 * Opens a program made by `compileAheadOfTime` or `weft compile` (the object, or its JSON as text or bytes) on a device of
 * `adapter`. All of it is checked before anything is created, but its kernels are code that runs on the GPU: open only programs
 * from people you trust. Throws ProgramError on what is no program or damaged, DeviceError where there is no adapter, or one
 * that offers less than the program needs.
 */
export async function openProgram(
  program: unknown,
  adapter: GPUAdapter | null,
  options: OpenProgramOptions = {},
): Promise<AheadOfTimeTrainer> {
  checkOptions("openProgram", options, OPEN);
  const { name = "program", maxBytes } = options;
  const read = readProgram(program, { name, ...(maxBytes === undefined ? {} : { maxBytes }) });
  const open = async (found: GPUAdapter | null): Promise<GpuRuntime> => {
    if (found === null) throw new DeviceError("program: WebGPU found no adapter on this machine");
    const { reopen, submitMilliseconds = 16, onCompile } = options;
    const backend = await GpuRuntime.open(found, {
      submitMilliseconds,
      ...(reopen && { reopen: async () => open(await reopen()) }),
    });
    try {
      const { subgroupSize, name } = backend.device;
      if (read.subgroupSize > 0 && subgroupSize !== read.subgroupSize) {
        throw new DeviceError(
          `program: it is for subgroups of ${read.subgroupSize}, but ${name} has ${subgroupSize || "none of a fixed size"}; ` +
            "compile it for another target",
        );
      }
      await compileKernels(backend, read, read.train, onCompile);
      return backend;
    } catch (error) {
      await backend.close();
      throw error;
    }
  };
  return new AheadOfTimeTrainer(read, await open(adapter), options);
}

export class AheadOfTimeTrainer extends AnyTrainer {
  readonly #programs: LoadedPrograms;
  #predictor: Predictor<Samples, Predictions> | undefined;

  constructor(
    readonly program: AheadOfTimeProgram,
    backend: Backend,
    { seed = program.seed, ...options }: OpenProgramOptions,
  ) {
    const leaves = program.leaves.map(tensorOf);
    const states = statesOf(program, leaves);
    const values = new DeviceStates(backend, seed, states);
    const programs = new LoadedPrograms(program, leaves, values);
    super({ ...options, batchSize: program.batchSize }, { states, values, programs });
    this.#programs = programs;
    program.leaves.forEach(({ stream }, i) => {
      if (stream !== undefined) values.initialise(leaves[i] as Tensor, stream);
    });
    values.write(states.live.get(KEY) as Tensor, Uint32Array.from(keyFromSeed(seed)));
  }

  /** Shapes of the inputs and outputs of the program that was compiled as `name`; undefined where there is none. */
  signature(name: string): Signature | undefined {
    return this.#programs.signature(name);
  }

  /**
   * Runs the program that was compiled as `name`, with the weights as they are now, also between the steps of `fit`. Throws
   * GraphError where there is none, or no such input.
   */
  run(name: string, inputs: Readonly<Record<string, Data>>): Promise<Record<string, Data>> {
    return this.exclusive(() => this.survive(() => this.#run(name, inputs)));
  }

  async #run(name: string, inputs: Readonly<Record<string, Data>>): Promise<Record<string, Data>> {
    const { program, inputs: known, outputs } = await this.#programs.named(name);
    for (const [key, data] of Object.entries(inputs)) {
      const input = known.get(key);
      if (input === undefined) throw new GraphError(`program: ${name} has no input ${key}`);
      this.backend.write(input, data);
    }
    program.run();
    const read = [...outputs].map(async ([key, tensor]) => [key, await program.read(tensor)] as const);
    return Object.fromEntries(await Promise.all(read));
  }

  /**
   * A predictor of the program that was compiled with `predict`, or of the one named `program`, which then gives all its outputs
   * by name; see `createPredictor` in `weft`. Its batch size is that of the program. Throws GraphError where there is no such
   * program, ValueError or ShapeError on options that do not suit it.
   */
  async createPredictor<const O extends PredictorOptions = object>(
    options?: O,
  ): Promise<Predictor<GivenTo<O>, AnswerOf<GivenBy<O>, O>>> {
    const given = checkOptions<PredictorOptions>("createPredictor", options, PREDICTOR);
    const { batchSize, inputs, program, ...answer } = given;
    const source = predictionSource(this, this.#programs, program, inputs);
    if (batchSize !== undefined && batchSize !== source.batchSize) {
      throw new ValueError(
        `createPredictor: the program takes ${source.batchSize} samples at a time, got batchSize ${batchSize}; leave it out`,
      );
    }
    return new Predictor<GivenTo<O>, AnswerOf<GivenBy<O>, O>>(source, answer).compile();
  }

  /** Predictions for every sample, as `predict` of a traced trainer. Throws GraphError on a program without. */
  async predict(samples: Samples): Promise<Predictions> {
    const checked = checkSamples("predict", samples);
    this.#predictor ??= new Predictor<Samples, Predictions>(predictionSource(this, this.#programs));
    return this.#predictor.predict(checked);
  }
}

/** What the program that was compiled with `predict` gives, or the one named by options `O`. */
type GivenBy<O> = O extends { readonly program: string }
  ? Readonly<Record<string, { readonly dtype: DType }>>
  : { readonly dtype: DType };

function statesOf({ states }: AheadOfTimeProgram, leaves: readonly Tensor[]): RunStates {
  const at = (index: number) => leaves[index] as Tensor;
  const named = (all: readonly NamedLeaf[]) => new Map(all.map(({ name, leaf }) => [name, at(leaf)]));
  const parameters = named(states.parameters);
  const learningRate = at(states.learningRate);
  return {
    parameters,
    buffers: named(states.buffers),
    optimizers: [{ name: "", parameters, packed: named(states.packed), learningRate, every: 1 }],
    step: at(states.step),
    live: new Map([
      [KEY, at(states.key)],
      [LEARNING_RATE, learningRate],
    ]),
  };
}
