/**
 * Runs a recording: makes its buffers, kernels and bind groups, and replays its lists of dispatches. What a page loads to
 * train when the model was compiled ahead of time; it knows no op, no model and no planner.
 */
import { packBytes } from "../data/dataset.ts";
import { DeviceError, ShapeError, ValueError } from "../errors.ts";
import { GpuDevice } from "../gpu/device.ts";
import { draw, keyFromSeed, Random } from "../random.ts";
import { type Data, type DType, formatShape, sizeOf } from "../tensor.ts";
import { runSteps } from "../train/evaluation.ts";
import type { Metrics, TrainMetrics } from "../train/events.ts";
import { type Ring, type Row, StepRunner } from "../train/runner.ts";
import { Totals } from "../train/totals.ts";
import { fromBase64 } from "./base64.ts";
import { Machine } from "./machine.ts";
import {
  asRecording,
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

/**
 * Opens `recording` (an object, as its JSON has it) on a device of `adapter`. Throws FormatError on what is no recording,
 * DeviceError where there is no adapter, or one that offers less than the recording needs.
 */
export async function openReplay(
  recording: unknown,
  adapter: GPUAdapter | null,
  options: ReplayOptions = {},
): Promise<Replay> {
  if (adapter === null) throw new DeviceError("replay: WebGPU found no adapter on this machine");
  return Replay.open(asRecording(recording), await GpuDevice.open(adapter), options);
}

export class Replay {
  readonly #machine: Machine;
  #steps = 0;
  #stepsPerSubmit = 1;
  #holdsData = { train: false, test: false };

  private constructor(
    machine: Machine,
    readonly recording: Recording,
    readonly options: ReplayOptions,
  ) {
    this.#machine = machine;
    this.#fill(options.seed ?? recording.seed);
  }

  static async open(recording: Recording, device: GpuDevice, options: ReplayOptions): Promise<Replay> {
    const machine = await Machine.make(recording, device);
    return device.guard("replay: first values", () => new Replay(machine, recording, options));
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
    this.#machine.write(program.inputs, inputs instanceof Uint8Array ? packBytes(inputs) : inputs);
    this.#machine.write(program.labels, labels);
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
    this.#machine.write(test.step, Uint32Array.of(0));
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
    this.#machine.write(predict.x, x);
    this.#machine.run(predict.dispatches, 1);
    return (await this.#machine.read([predict.prediction]))[0] as Float32Array;
  }

  /** Parameters and states of layers by name, as they are now. */
  async weights(): Promise<Map<string, Data>> {
    const { weights } = this.recording;
    const values = await this.#machine.read(weights);
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
      this.#machine.write(weight, data instanceof Float64Array ? Float32Array.from(data) : data);
    }
  }

  /** Changes the learning rate from the next submit on. */
  setLearningRate(value: number): void {
    if (!(Number.isFinite(value) && value >= 0)) {
      throw new ValueError(`replay: the learning rate must be a number of at least 0, got ${value}`);
    }
    this.#machine.write(this.recording.learningRate, Float32Array.of(value));
  }

  /** Destroys the device. */
  close(): void {
    this.#machine.device.destroy();
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
      run: (times = 1) => this.#machine.run(dispatches, times),
      finished: () => this.#machine.finished(),
    };
    const [rows = 0, width = 0] = ring.shape;
    const read = async () => (await this.#machine.read([ring]))[0] as Float32Array;
    const milliseconds = this.options.submitMilliseconds ?? 16;
    return new StepRunner(program, { rows, width, read } satisfies Ring, first, { milliseconds, start });
  }

  #fill(seed: number): void {
    const { values, weights, key } = this.recording;
    for (const value of values) this.#machine.write(value, unpacked(value));
    weights.forEach((weight, stream) => {
      const { initial } = weight;
      const data =
        "dtype" in initial
          ? unpacked(initial)
          : draw(new Random(seed, stream), initial, sizeOf(weight.shape));
      this.#machine.write(weight, data);
    });
    this.#machine.write(key, Uint32Array.of(...keyFromSeed(seed)));
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
