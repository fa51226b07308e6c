/**
 * Runs a recording: makes its buffers, kernels and bind groups, and replays its lists of dispatches. What a page loads to
 * train when the model was compiled ahead of time; it knows no op, no model and no planner.
 */
import { packBytes } from "../data/dataset.ts";
import { DeviceError, ShapeError, ValueError } from "../errors.ts";
import { GpuDevice } from "../gpu/device.ts";
import { Readback } from "../gpu/readback.ts";
import { draw, keyFromSeed, Random } from "../random.ts";
import { type Data, type DType, formatShape, sizeOf } from "../tensor.ts";
import { runSteps } from "../train/evaluation.ts";
import type { Metrics, TrainMetrics } from "../train/events.ts";
import { type Ring, type Row, StepRunner } from "../train/runner.ts";
import { Totals } from "../train/totals.ts";
import { fromBase64 } from "./base64.ts";
import {
  asRecording,
  type Place,
  type RecordedDispatch,
  type RecordedInitial,
  type RecordedSteps,
  type RecordedTensor,
  type Recording,
} from "./recording.ts";

export interface ReplayOptions {
  /** Of start weights and shuffling; default the recording's. */
  readonly seed?: number;
  /** How long one submit should take; default 16, about a frame. */
  readonly submitMilliseconds?: number;
}

export interface RunOptions {
  /** Ends the run after the steps in flight; the promise rejects with its reason. */
  readonly signal?: AbortSignal;
  /** Told of steps once they are read back: the first one's number, from 0, and what each came to. */
  readonly onSteps?: (first: number, steps: readonly TrainMetrics[]) => void;
}

/** A dispatch with its objects. */
interface Ready {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly groups: readonly number[];
}

/**
 * Opens `recording` (an object, as its JSON has it) on a device of `adapter`. Throws FormatError on what is no recording,
 * DeviceError where the adapter offers less than the recording needs.
 */
export async function openReplay(
  recording: unknown,
  adapter: GPUAdapter,
  options: ReplayOptions = {},
): Promise<Replay> {
  return Replay.open(asRecording(recording), await GpuDevice.open(adapter), options);
}

export class Replay {
  readonly #buffers: readonly GPUBuffer[];
  readonly #reader: Readback;
  #pipelines: readonly GPUComputePipeline[] = [];
  #layouts: readonly GPUBindGroupLayout[] = [];
  readonly #programs = new Map<readonly RecordedDispatch[], readonly Ready[]>();
  #steps = 0;
  #stepsPerSubmit = 1;
  #holdsData = { train: false, test: false };

  private constructor(
    readonly recording: Recording,
    readonly device: GpuDevice,
    readonly options: ReplayOptions,
  ) {
    this.#buffers = recording.buffers.map((bytes, i) => device.createBuffer(`buffer ${i}`, bytes));
    this.#reader = new Readback(device);
  }

  static async open(recording: Recording, device: GpuDevice, options: ReplayOptions): Promise<Replay> {
    checkNeeds(recording, device);
    const replay = await device.guard("replay: buffers", () => {
      const made = new Replay(recording, device, options);
      made.#fill(options.seed ?? recording.seed);
      return made;
    });
    await replay.#compile();
    return replay;
  }

  /** Training steps taken so far. */
  get steps(): number {
    return this.#steps;
  }

  /** Steps that see every sample of the training data once. */
  get stepsPerEpoch(): number {
    return this.recording.train.stepsPerEpoch;
  }

  /**
   * Puts data on the device: as many samples, of such a type, as the recording was made with. Throws ShapeError on
   * others, ValueError where the recording has no test.
   */
  upload(part: "train" | "test", inputs: Uint8Array | Float32Array, labels: Int32Array | Float32Array): void {
    const program = this.#part(part);
    const { bytes, shape } = program.inputs;
    const kinds = { inputs: bytes ? "Uint8Array" : "Float32Array", labels: arrayOf(program.labels) };
    const expected = { inputs: sizeOf(shape), labels: sizeOf(program.labels.shape) };
    for (const [name, data] of Object.entries({ inputs, labels }) as ["inputs" | "labels", typeof labels][]) {
      const [kind, length] = [kinds[name], expected[name]];
      if (data.constructor.name !== kind || data.length !== length) {
        throw new ShapeError(
          `replay: the ${part} ${name} must be a ${kind} of ${length} (${program.count} samples; inputs ${formatShape(shape)}), got a ${data.constructor.name} of ${data.length}`,
        );
      }
    }
    this.#write(program.inputs, inputs instanceof Uint8Array ? packBytes(inputs) : inputs);
    this.#write(program.labels, labels);
    this.#holdsData = { ...this.#holdsData, [part]: true };
  }

  /** Trains for so many steps; the means of their loss and accuracy. Rejects with DivergedError on a loss that is no number. */
  async train(steps: number, { signal, onSteps }: RunOptions = {}): Promise<TrainMetrics> {
    if (!Number.isInteger(steps) || steps < 1) {
      throw new ValueError(`replay: steps must be a whole number of at least 1, got ${steps}`);
    }
    const { train } = this.recording;
    const totals = new Totals(layoutOf(train));
    const runner = this.#runner("train", this.#steps, this.#stepsPerSubmit);
    const tell = onSteps && ((rows: readonly Row[], first: number) => onSteps(first, totals.metricsOf(rows)));
    try {
      return (await runSteps(runner, this.#steps + steps, totals, signal, tell)).metrics();
    } finally {
      this.#steps = runner.position;
      this.#stepsPerSubmit = runner.stepsPerSubmit;
    }
  }

  /** Means over the test data. Throws ValueError where the recording has no test. */
  async evaluate({ signal }: Pick<RunOptions, "signal"> = {}): Promise<Metrics> {
    const test = this.#part("test");
    this.#write(test.step, Uint32Array.of(0));
    const runner = this.#runner("test", 0);
    return (await runSteps(runner, test.stepsPerEpoch, new Totals(layoutOf(test)), signal)).metrics();
  }

  /**
   * The model's answers for as many samples as the recording predicts at a time, scaled as the network sees them. Throws
   * ShapeError on another number, ValueError where the recording has no prediction.
   */
  async predict(x: Float32Array): Promise<Float32Array> {
    const { predict } = this.recording;
    if (predict === undefined) throw new ValueError("replay: this recording predicts nothing");
    if (x.length !== sizeOf(predict.x.shape)) {
      throw new ShapeError(`replay: predict takes ${formatShape(predict.x.shape)}, got ${x.length} values`);
    }
    this.#write(predict.x, x);
    this.#run(predict.dispatches, 1);
    return (await this.#read([predict.prediction]))[0] as Float32Array;
  }

  /** Parameters and states of layers by name, as they are now. */
  async weights(): Promise<Map<string, Data>> {
    const { weights } = this.recording;
    const values = await this.#read(weights);
    return new Map(weights.map(({ name }, i) => [name, values[i] as Data]));
  }

  /** Puts weights in place, of any of the names that `weights` has. Throws ValueError on others, ShapeError on lengths. */
  setWeights(values: ReadonlyMap<string, Data>): void {
    const known = new Map(this.recording.weights.map((weight) => [weight.name, weight]));
    for (const [name, data] of values) {
      const weight = known.get(name);
      if (weight === undefined) {
        throw new ValueError(`replay: has no weight ${name}; there are ${[...known.keys()].join(", ")}`);
      }
      if (data.length !== sizeOf(weight.shape)) {
        throw new ShapeError(`replay: ${name} is ${formatShape(weight.shape)}, got ${data.length} values`);
      }
      this.#write(weight, data instanceof Float64Array ? Float32Array.from(data) : data);
    }
  }

  /** Changes the learning rate from the next submit on. */
  setLearningRate(value: number): void {
    if (!(Number.isFinite(value) && value >= 0)) {
      throw new ValueError(`replay: the learning rate must be a number of at least 0, got ${value}`);
    }
    this.#write(this.recording.learningRate, Float32Array.of(value));
  }

  /** Destroys the device. */
  close(): void {
    this.device.destroy();
  }

  #part(part: "train" | "test"): RecordedSteps {
    const program = this.recording[part];
    if (program === undefined) throw new ValueError(`replay: this recording has no ${part}`);
    return program;
  }

  #runner(part: "train" | "test", first: number, start = 1): StepRunner {
    if (!this.#holdsData[part]) throw new ValueError(`replay: there are no ${part} data; call upload first`);
    const { dispatches, ring } = this.#part(part);
    const program = {
      run: (times = 1) => this.#run(dispatches, times),
      finished: async () => {
        await this.device.raw.queue
          .onSubmittedWorkDone()
          .catch((cause: unknown) => this.device.explain(cause));
        this.device.check();
      },
    };
    const [rows = 0, width = 0] = ring.shape;
    const read = async () => (await this.#read([ring]))[0] as Float32Array;
    const milliseconds = this.options.submitMilliseconds ?? 16;
    return new StepRunner(program, { rows, width, read } satisfies Ring, first, { milliseconds, start });
  }

  #fill(seed: number): void {
    const { values, weights, key } = this.recording;
    for (const value of values) this.#write(value, unpacked(value));
    weights.forEach((weight, stream) => {
      const { initial } = weight;
      const data =
        "dtype" in initial
          ? unpacked(initial)
          : draw(new Random(seed, stream), initial, sizeOf(weight.shape));
      this.#write(weight, data);
    });
    this.#write(key, Uint32Array.of(...keyFromSeed(seed)));
  }

  async #compile(): Promise<void> {
    const { raw } = this.device;
    const { shaders, layouts, pipelines } = this.recording;
    const modules = shaders.map(({ file, code }) => raw.createShaderModule({ label: file, code }));
    this.#layouts = layouts.map((label) => {
      const entries = label.split(" ").map((entry): GPUBindGroupLayoutEntry => {
        const type = entry.endsWith("r") ? "read-only-storage" : "storage";
        return { binding: Number.parseInt(entry, 10), visibility: GPUShaderStage.COMPUTE, buffer: { type } };
      });
      return raw.createBindGroupLayout({ label, entries });
    });
    this.#pipelines = await Promise.all(
      pipelines.map(async ({ shader, entry, constants, layout }) => {
        const label = `${shaders[shader]?.file}:${entry}`;
        const descriptor: GPUComputePipelineDescriptor = {
          label,
          layout: raw.createPipelineLayout({
            bindGroupLayouts: [this.#layouts[layout] as GPUBindGroupLayout],
          }),
          compute: { module: modules[shader] as GPUShaderModule, entryPoint: entry, constants },
        };
        try {
          return await raw.createComputePipelineAsync(descriptor);
        } catch (cause) {
          throw new DeviceError(`replay: ${label} does not compile: ${String(cause)}`, { cause });
        }
      }),
    );
  }

  #ready(dispatches: readonly RecordedDispatch[]): readonly Ready[] {
    const known = this.#programs.get(dispatches);
    if (known !== undefined) return known;
    const ready = dispatches.map(([pipeline, groups, bindings]) => {
      const layout = this.#layouts[
        this.recording.pipelines[pipeline]?.layout as number
      ] as GPUBindGroupLayout;
      const entries = bindings.map(([binding, buffer, offset, size]) => ({
        binding,
        resource: { buffer: this.#buffers[buffer] as GPUBuffer, offset, size },
      }));
      const group = this.device.raw.createBindGroup({ layout, entries });
      return { pipeline: this.#pipelines[pipeline] as GPUComputePipeline, group, groups };
    });
    this.#programs.set(dispatches, ready);
    return ready;
  }

  #run(dispatches: readonly RecordedDispatch[], times: number): void {
    this.device.check();
    const { raw } = this.device;
    const encoder = raw.createCommandEncoder();
    const pass = encoder.beginComputePass();
    const ready = this.#ready(dispatches);
    for (let i = 0; i < times; i++) {
      for (const { pipeline, group, groups } of ready) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(...(groups as [number]));
      }
    }
    pass.end();
    raw.queue.submit([encoder.finish()]);
  }

  #read(tensors: readonly RecordedTensor[]): Promise<Data[]> {
    return this.#reader.readAll(
      tensors.map(({ buffer, offset, shape, dtype }) => ({
        place: { buffer: this.#buffers[buffer] as GPUBuffer, offset },
        dtype,
        length: sizeOf(shape),
      })),
    );
  }

  #write({ buffer, offset }: Place, data: Data | Uint32Array): void {
    this.device.check();
    this.device.raw.queue.writeBuffer(this.#buffers[buffer] as GPUBuffer, offset, data as BufferSource);
  }
}

const layoutOf = ({ columns, sums }: RecordedSteps) => ({ columns, sums, metrics: [] });

const arrayOf = ({ dtype }: RecordedTensor) => (dtype === "i32" ? "Int32Array" : "Float32Array");

function unpacked(value: RecordedInitial): Data {
  if (!("base64" in value)) return typed(value.dtype, value.count).fill(value.fill);
  const { buffer } = fromBase64(value.base64);
  return typed(value.dtype, buffer);
}

function typed(dtype: DType, from: number | ArrayBuffer): Float32Array | Int32Array | Uint32Array {
  const Kind = dtype === "f32" ? Float32Array : dtype === "i32" ? Int32Array : Uint32Array;
  return new Kind(from as ArrayBuffer);
}

function checkNeeds({ needs }: Recording, device: GpuDevice): void {
  for (const limit of ["maxStorageBufferBindingSize", "maxStorageBuffersPerShaderStage"] as const) {
    if (device.limits[limit] < needs[limit]) {
      throw new DeviceError(
        `replay: the recording needs ${limit} ${needs[limit]}, but ${device.name} has ${device.limits[limit]}`,
      );
    }
  }
  if (needs.subgroupSize > 0 && device.subgroupSize !== needs.subgroupSize) {
    throw new DeviceError(
      `replay: the recording is for subgroups of ${needs.subgroupSize}, but ${device.name} has ${device.subgroupSize || "none of one size"}`,
    );
  }
}
