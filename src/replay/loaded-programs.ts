/** The programs of an ahead-of-time file on the device in use, for the data sets that they are run with. */

import { shardsOfColumns } from "../data/columns.ts";
import { type Dataset, labelSize, titleOf, validateDataset } from "../data/dataset.ts";
import { columnsOf, pairOf } from "../data/inputs-and-labels.ts";
import { isSharded, type PairData, shardsOf, type TrainingData } from "../data/sharded.ts";
import { countConstants, stepsPerEpoch } from "../geometry/batches.ts";
import { formatShape, type Spec } from "../graph/spec.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { type BufferImage, type ProgramImage, sourceOf } from "../plan/image.ts";
import { paddedWords } from "../plan/storage.ts";
import type { GpuProgram } from "../runtime/gpu/program.ts";
import type { GpuRuntime } from "../runtime/gpu/runtime.ts";
import { DatasetTensors } from "../train/input/dataset-tensors.ts";
import type { DeviceStates } from "../train/state/device-states.ts";
import type {
  EvaluationProgram,
  ProgramSource,
  StepProgram,
  TrainProgram,
} from "../train/step/program-source.ts";
import { DataError, GraphError } from "../validation/errors.ts";
import type { AheadOfTimeProgram, StoredData, StoredImage, StoredSteps } from "./format.ts";

interface LoadedSteps extends StepProgram {
  readonly program: GpuProgram;
  readonly dataset: TrainingData;
}

export interface NamedProgram {
  readonly program: GpuProgram;
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly outputs: ReadonlyMap<string, Tensor>;
}

/** Inputs and outputs of a program by name. */
export type Signature = Readonly<Record<"inputs" | "outputs", ReadonlyMap<string, Spec>>>;

export class LoadedPrograms implements ProgramSource {
  readonly #steps = new Map<StoredSteps, LoadedSteps>();
  readonly #named = new Map<string, NamedProgram>();
  #separate: WeakRef<GpuProgram>[] = [];

  /** `leaves`: a tensor for every leaf of the file. */
  constructor(
    readonly file: AheadOfTimeProgram,
    readonly leaves: readonly Tensor[],
    readonly values: DeviceStates,
  ) {}

  get #backend(): GpuRuntime {
    return this.values.backend as GpuRuntime;
  }

  training(dataset: TrainingData): Promise<TrainProgram> {
    return this.#load("training", this.file.train, dataset);
  }

  async evaluation(dataset: TrainingData): Promise<EvaluationProgram> {
    const { test } = this.file;
    if (test === undefined) throw new GraphError("program: has no evaluation; compile it with a test set");
    const program = await this.#load("evaluation", test, dataset);
    return { ...program, steps: [this.leaves[test.step] as Tensor] };
  }

  /** Rejects: there is no planner to compile a graph with. */
  compile() {
    return this.#backend.compile({ outputs: [] });
  }

  clear(): void {
    this.#steps.clear();
    this.#named.clear();
  }

  destroy(): void {
    const loaded = [...this.#steps.values()];
    for (const { program } of [...loaded, ...this.#named.values()]) program.destroy();
    for (const program of this.#separate) program.deref()?.destroy();
    this.values.release([...this.leaves, ...loaded.flatMap(({ program }) => program.tensors.leaves)]);
    this.clear();
  }

  /** Shapes of the inputs and outputs of the program of this name; undefined where there is none. */
  signature(name: string): Signature | undefined {
    const { programs, leaves } = this.file;
    if (!Object.hasOwn(programs, name)) return undefined;
    const { inputs = [], outputs = [] } = programs[name] ?? {};
    return {
      inputs: new Map(inputs.map((input) => [input.name, leaves[input.leaf] as Spec])),
      outputs: new Map(outputs.map((output) => [output.label, output])),
    };
  }

  /** The program of this name. Throws GraphError where there is none. */
  async named(name: string): Promise<NamedProgram> {
    const known = this.#named.get(name);
    if (known !== undefined) return known;
    const loaded = await this.#loadNamed(name, this.leaves);
    this.#named.set(name, loaded);
    return loaded;
  }

  /** The program of this name once more, with inputs that no other program writes; to be destroyed by the caller. */
  async separate(name: string): Promise<NamedProgram> {
    const leaves = this.leaves.map((leaf) =>
      leaf.leaf?.kind === "input" ? input(leaf.shape, leaf.dtype, leaf.label) : leaf,
    );
    const loaded = await this.#loadNamed(name, leaves);
    this.#separate = this.#separate.filter((ref) => ref.deref() !== undefined);
    this.#separate.push(new WeakRef(loaded.program));
    return loaded;
  }

  async #loadNamed(name: string, leaves: readonly Tensor[]): Promise<NamedProgram> {
    const { programs } = this.file;
    const stored = Object.hasOwn(programs, name) ? programs[name] : undefined;
    if (stored === undefined) {
      const names = Object.keys(programs).join(", ") || "none";
      throw new GraphError(`program: has no program ${name}; there are ${names}`);
    }
    const outputs = stored.outputs.map(({ label, shape, dtype }) => input(shape, dtype, label));
    return {
      program: await this.#backend.load(imageOf(this.file, stored), { leaves, outputs }),
      inputs: new Map(stored.inputs.map(({ name, leaf }) => [name, leaves[leaf] as Tensor])),
      outputs: new Map(outputs.map((tensor) => [tensor.label, tensor])),
    };
  }

  async #load(part: string, steps: StoredSteps, given: TrainingData): Promise<StepProgram> {
    const dataset = pairOf("program", given);
    const known = this.#steps.get(steps);
    if (known?.dataset === dataset) return known;
    expectForm(part, this.file, steps.data, dataset);
    const { count } = validateDataset(dataset);
    const tensors = new DatasetTensors(shardsOfColumns(columnsOf(dataset)));
    const leaves = [...this.leaves];
    leaves[steps.data.inputs] = tensors.inputs;
    leaves[steps.data.labels] = tensors.targets;
    const image = imageFor(this.file, steps, count, leaves);
    const backend = this.#backend;
    const options = steps === this.file.train ? { afterFirstRuns: () => this.#compileOthers() } : {};
    const program = await backend.load(image, { leaves, outputs: [] }, options);
    await tensors.upload(columnsOf(dataset), backend);
    const loaded = {
      dataset,
      program,
      rings: [
        {
          name: "",
          every: 1,
          ring: this.leaves[steps.ring] as Tensor,
          layout: { columns: steps.columns, sums: steps.sums, metrics: [] },
        },
      ],
      stepsPerEpoch: stepsPerEpoch(count, steps.batchSize),
    };
    known?.program.destroy();
    this.#steps.set(steps, loaded);
    return loaded;
  }

  /** Compiles the kernels of evaluation and the other programs; failures show when these are used. */
  async #compileOthers(): Promise<void> {
    const { test, programs } = this.file;
    const others = [...(test === undefined ? [] : [test]), ...Object.values(programs)];
    await Promise.allSettled(others.map((stored) => compileKernels(this.#backend, this.file, stored)));
  }
}

/** An image with what all images of `file` share. */
function imageOf({ modules, kernels, leaves }: AheadOfTimeProgram, stored: StoredImage): ProgramImage {
  const { buffers, dispatches, outputs } = stored;
  return { modules, kernels, leaves, buffers, dispatches, outputs };
}

/** Compiles the kernels of `stored`, except the one that depends on the number of samples. */
export async function compileKernels(
  { pipelines }: GpuRuntime,
  file: AheadOfTimeProgram,
  stored: StoredSteps | StoredImage,
  onProgress?: Parameters<GpuRuntime["pipelines"]["compileAll"]>[1],
): Promise<void> {
  const image = imageOf(file, stored);
  const gather = "data" in stored ? stored.data.kernel : -1;
  const kernels = image.dispatches.map(({ kernel }) => kernel).filter((kernel) => kernel !== gather);
  await pipelines.compileAll(
    kernels.map((kernel) => sourceOf(image, kernel)),
    onProgress,
  );
}

/** The image of `steps` for a data set of `count` samples, which is in tensors of `leaves`. */
function imageFor(
  file: AheadOfTimeProgram,
  steps: StoredSteps,
  count: number,
  leaves: readonly Tensor[],
): ProgramImage {
  const image = imageOf(file, steps);
  const { data, batchSize } = steps;
  const dataBytes = (buffer: BufferImage | undefined) =>
    buffer?.role === "leaf" && (buffer.leaf === data.inputs || buffer.leaf === data.labels)
      ? 4 * paddedWords((leaves[buffer.leaf] as Tensor).size)
      : undefined;
  const kernels = image.kernels.map((kernel, i) => {
    if (i !== data.kernel) return kernel;
    return { ...kernel, constants: { ...kernel.constants, ...countConstants(count, batchSize) } };
  });
  const buffers = image.buffers.map((buffer) => ({ ...buffer, bytes: dataBytes(buffer) ?? buffer.bytes }));
  const dispatches = image.dispatches.map((dispatch) => ({
    ...dispatch,
    bindings: dispatch.bindings.map((binding) => {
      const bytes = dataBytes(image.buffers[binding[0]]);
      return bytes === undefined ? binding : ([binding[0], 0, bytes] as const);
    }),
  }));
  return { ...image, kernels, buffers, dispatches };
}

/** Throws DataError where a data set differs in form from the one that `data` was compiled for. */
function expectForm(
  part: string,
  { leaves }: AheadOfTimeProgram,
  data: StoredData,
  given: PairData,
): asserts given is Dataset {
  const describe = (
    { shape, scale, offset }: Pick<StoredData, "shape" | "scale" | "offset">,
    kind: "bytes" | "floats" | "whole numbers",
    classes: boolean,
    size: number,
  ) =>
    `samples ${formatShape(shape)} of ${kind} with scale ${scale} and offset ${offset}, and ` +
    `${classes ? (size === 1 ? "class numbers" : `${size} class numbers`) : `${size} values`} as labels`;
  const [inputs, labels] = [leaves[data.inputs], leaves[data.labels]];
  const expected = describe(
    data,
    inputs?.dtype === "u32" ? "bytes" : "floats",
    labels?.dtype === "i32",
    data.labelSize,
  );
  let found = "one that is in shards";
  if (!isSharded(given)) {
    const { bytes, whole, scale = 1, offset = 0, shape } = shardsOf(given).inputs;
    const kind = bytes ? "bytes" : whole ? "whole numbers" : "floats";
    const classes = given.labels instanceof Int32Array;
    found = describe({ shape, scale, offset }, kind, classes, labelSize(given));
  }
  if (found === expected) return;
  throw new DataError(
    `${titleOf(given)}: the program's ${part} set has ${expected}, got ${found}; compile the program for such data`,
  );
}
