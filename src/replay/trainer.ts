/**
 * A trainer that runs a recording: `fit`, `evaluate`, files, checkpoints and lost devices as ever; what a page loads for it
 * knows no op, no model and no planner.
 */
import type { Backend, CompileProgress } from "../backend.ts";
import { readSample, sampleSize } from "../data/dataset.ts";
import { DeviceError, GraphError } from "../errors.ts";
import { GpuDevice } from "../gpu/device.ts";
import { checkOptions } from "../options.ts";
import { draw, keyFromSeed, Random } from "../random.ts";
import { type Data, sizeOf, type Tensor } from "../tensor.ts";
import { AnyTrainer } from "../train/any-trainer.ts";
import type { RunSettings } from "../train/options.ts";
import type { Predictions, Samples } from "../train/predict.ts";
import { KEY, LEARNING_RATE, type RunStates } from "../train/run-states.ts";
import { StateValues } from "../train/state-values.ts";

import { Handles, RecordedBackend, RecordedRun } from "./backend.ts";
import { unpacked } from "./machine.ts";
import { RecordedPrograms } from "./programs.ts";
import { asRecording, type NamedTensor, type Recording } from "./recording.ts";

export interface RecordingOptions extends Omit<RunSettings, "batchSize"> {
  /** Of start weights and shuffling; default the recording's. */
  readonly seed?: number;
  /** Hears how compiling goes; called when a pipeline is there. */
  readonly onCompile?: (progress: CompileProgress) => void;
  /** Finds an adapter when the device was lost. Default: a lost device ends the run. */
  readonly reopen?: () => Promise<GPUAdapter | null>;
}

/**
 * Opens `recording` (an object, as its JSON has it) on a device of `adapter`. Throws FormatError on what is no recording,
 * DeviceError where there is no adapter, or one that offers less than the recording needs.
 */
export async function openRecording(
  recording: unknown,
  adapter: GPUAdapter | null,
  options: RecordingOptions = {},
): Promise<RecordedTrainer> {
  checkOptions("openRecording", options, {
    seed: "number",
    submitMilliseconds: "number",
    stepsPerSubmit: "number",
    onCompile: "function",
    onNotice: "function",
    reopen: "function",
  });
  const read = asRecording(recording);
  const handles = new Handles();
  const open = async (found: GPUAdapter | null): Promise<Backend> => {
    if (found === null) throw new DeviceError("recording: WebGPU found no adapter on this machine");
    const { reopen, submitMilliseconds = 16, onCompile } = options;
    const device = await GpuDevice.open(found);
    try {
      return await RecordedBackend.open(read, device, handles, {
        submitMilliseconds,
        onCompile,
        reopen: reopen && (async () => open(await reopen())),
      });
    } catch (error) {
      device.destroy();
      throw error;
    }
  };
  return new RecordedTrainer(read, await open(adapter), handles, options);
}

export class RecordedTrainer extends AnyTrainer {
  constructor(
    readonly recording: Recording,
    backend: Backend,
    readonly handles: Handles,
    { seed = recording.seed, ...options }: RecordingOptions,
  ) {
    const states = statesOf(recording, handles);
    const values = new StateValues(backend, seed);
    const programs = new RecordedPrograms(recording, handles, values);
    super({ ...options, batchSize: recording.batchSize }, { states, values, programs });
    for (const [tensor, data] of firstValues(recording, states, seed)) values.write(tensor, data);
  }

  /**
   * Runs the program that was recorded as `name`, with the weights as they are now, also between the steps of `fit`. Throws
   * GraphError where there is none, or no such input.
   */
  run(name: string, inputs: Readonly<Record<string, Data>>): Promise<Record<string, Data>> {
    return this.survive(() => this.#run(name, inputs));
  }

  async #run(name: string, inputs: Readonly<Record<string, Data>>): Promise<Record<string, Data>> {
    const program = this.recording.programs[name];
    if (program === undefined) {
      const all = Object.keys(this.recording.programs).join(", ") || "none";
      throw new GraphError(`recording: has no program ${name}; there are ${all}`);
    }
    const backend = this.backend as RecordedBackend;
    await backend.machine.prepare(program.dispatches);
    for (const [key, data] of Object.entries(inputs)) {
      const input = program.inputs.find((tensor) => tensor.name === key);
      if (input === undefined) throw new GraphError(`recording: the program ${name} has no input ${key}`);
      backend.write(this.handles.of(input, key), data);
    }
    new RecordedRun(backend, program.dispatches).run();
    const values = await backend.machine.read(program.outputs);
    return Object.fromEntries(program.outputs.map((output, i) => [output.name, values[i] as Data]));
  }

  /** The model's answers for every sample, as `predict` of a traced trainer. Throws GraphError on a recording without. */
  async predict({ count, inputs }: Samples): Promise<Predictions> {
    const { inputs: [x] = [], outputs: [prediction] = [] } = this.recording.programs[PREDICT] ?? {};
    if (x === undefined || prediction === undefined) {
      throw new GraphError("recording: predicts nothing; record it with `predict`");
    }
    const batch = x.shape[0] as number;
    const size = sampleSize(inputs.shape);
    const each = sizeOf(prediction.shape) / batch;
    const values = new Float32Array(count * each);
    const given = new Float32Array(sizeOf(x.shape));
    for (let first = 0; first < count; first += batch) {
      const some = Math.min(batch, count - first);
      for (let i = 0; i < some; i++) given.set(readSample({ inputs }, first + i), i * size);
      const { [prediction.name]: answers } = await this.run(PREDICT, { [x.name]: given });
      values.set((answers as Float32Array).subarray(0, some * each), first * each);
    }
    return { values, shape: prediction.shape.slice(1) };
  }
}

/** Name of the program that `predict` runs. */
export const PREDICT = "predict";

function statesOf({ states }: Recording, handles: Handles): RunStates {
  const named = (tensors: readonly NamedTensor[]) =>
    new Map(tensors.map((tensor) => [tensor.name, handles.of(tensor, tensor.name)]));
  return {
    parameters: named(states.parameters),
    buffers: named(states.buffers),
    packed: named(states.packed),
    step: handles.of(states.step, "step"),
    live: new Map([
      [KEY, handles.of(states.key, "random key")],
      [LEARNING_RATE, handles.of(states.learningRate, "learning rate")],
    ]),
  };
}

function firstValues({ states }: Recording, { parameters, live }: RunStates, seed: number): [Tensor, Data][] {
  const drawn = states.parameters.map(({ name, shape, initial }, stream): [Tensor, Data] => {
    const data =
      "dtype" in initial ? unpacked(initial) : draw(new Random(seed, stream), initial, sizeOf(shape));
    return [parameters.get(name) as Tensor, data];
  });
  return [...drawn, [live.get(KEY) as Tensor, Uint32Array.from(keyFromSeed(seed))]];
}
