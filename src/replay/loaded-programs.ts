/** The programs of a trainer that were compiled ahead of time: data sets that fit go to where their images have them. */

import { DataError, GraphError } from "../common/errors.ts";
import { type Dataset, titleOf } from "../data/dataset.ts";
import { holdsBytes } from "../data/lazy-inputs.ts";
import { isSharded, type TrainingData } from "../data/sharded.ts";
import { formatShape, sameShape } from "../graph/spec.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import type { BufferImage, KernelImage, ProgramImage } from "../plan/image.ts";
import { paddedWords } from "../plan/storage.ts";
import type { GpuProgram } from "../runtime/gpu/program.ts";
import type { GpuRuntime } from "../runtime/gpu/runtime.ts";
import { DataLeaves } from "../train/input/dataset-tensors.ts";
import { countConstants, stepsPerEpoch } from "../train/input/gather-counts.ts";
import type { StateValues } from "../train/state/state-values.ts";
import type {
  EvaluationProgram,
  RunPrograms,
  StepProgram,
  TrainProgram,
} from "../train/step/program-source.ts";
import type { AheadOfTimeProgram, StoredData, StoredSteps } from "./format.ts";

/** A program for one data set. */
interface Loaded extends StepProgram {
  readonly program: GpuProgram;
  readonly dataset: TrainingData;
}

/** A program with inputs and outputs by name. */
export interface NamedProgram {
  readonly program: GpuProgram;
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly outputs: ReadonlyMap<string, Tensor>;
}

export class AheadOfTimePrograms implements RunPrograms {
  /** On the device in use. */
  readonly #loaded = new Map<StoredSteps, Loaded>();
  readonly #named = new Map<string, NamedProgram>();

  /** `leaves`: a tensor for every leaf of the program. */
  constructor(
    readonly program: AheadOfTimeProgram,
    readonly leaves: readonly Tensor[],
    readonly values: StateValues,
  ) {}

  get #backend(): GpuRuntime {
    return this.values.backend as GpuRuntime;
  }

  training(dataset: TrainingData): Promise<TrainProgram> {
    return this.#steps("training", this.program.train, dataset);
  }

  async evaluation(dataset: TrainingData): Promise<EvaluationProgram> {
    const { test } = this.program;
    if (test === undefined) throw new GraphError("program: has no evaluation; compile it with a test set");
    const program = await this.#steps("evaluation", test, dataset);
    return { ...program, step: this.leaves[test.step] as Tensor };
  }

  compile() {
    return this.#backend.compile({ outputs: [] });
  }

  clear(): void {
    this.#loaded.clear();
    this.#named.clear();
  }

  destroy(): void {
    const loaded = [...this.#loaded.values()];
    for (const { program } of [...loaded, ...this.#named.values()]) program.destroy();
    this.values.release([...this.leaves, ...loaded.flatMap(({ program }) => program.tensors.leaves)]);
    this.clear();
  }

  /** The program of this name. Throws GraphError where there is none. */
  async named(name: string): Promise<NamedProgram> {
    const known = this.#named.get(name);
    if (known !== undefined) return known;
    const { programs } = this.program;
    const stored = Object.hasOwn(programs, name) ? programs[name] : undefined;
    if (stored === undefined) {
      const all = Object.keys(programs).join(", ") || "none";
      throw new GraphError(`program: has no program ${name}; there are ${all}`);
    }
    const outputs = stored.outputs.map(({ label, shape, dtype }) => input(shape, dtype, label));
    const tensors = { leaves: this.leaves, outputs };
    const made = {
      program: await this.#backend.load(imageOf(this.program, stored), tensors),
      inputs: new Map(stored.inputs.map(({ name, leaf }) => [name, this.leaves[leaf] as Tensor])),
      outputs: new Map(outputs.map((tensor) => [tensor.label, tensor])),
    };
    this.#named.set(name, made);
    return made;
  }

  /** Compiles what evaluation and the other programs need, as far as that can be had. */
  async #compileOthers(): Promise<void> {
    const { test, programs } = this.program;
    const others = [...(test === undefined ? [] : [test]), ...Object.values(programs)];
    await Promise.allSettled(others.map((stored) => warm(this.#backend, this.program, stored)));
  }

  async #steps(part: string, steps: StoredSteps, given: TrainingData): Promise<StepProgram> {
    const known = this.#loaded.get(steps);
    if (known?.dataset === given) return known;
    const dataset = fitting(part, this.program, steps.data, given);
    const data = new DataLeaves(dataset);
    const leaves = [...this.leaves];
    leaves[steps.data.inputs] = data.inputs;
    leaves[steps.data.labels] = data.targets;
    const image = imageFor(this.program, steps, dataset.count, leaves);
    const backend = this.#backend;
    const program = await backend.load(
      image,
      { leaves, outputs: [] },
      steps === this.program.train ? { afterFirstRuns: () => this.#compileOthers() } : {},
    );
    await data.upload(backend);
    const made = {
      dataset: given,
      program,
      ring: this.leaves[steps.ring] as Tensor,
      layout: { columns: steps.columns, sums: steps.sums, metrics: [] },
      stepsPerEpoch: stepsPerEpoch(dataset.count, steps.batchSize),
    };
    known?.program.destroy();
    this.#loaded.set(steps, made);
    return made;
  }
}

/** An image with what all images of `program` share. */
export function imageOf(
  { modules, kernels, leaves }: AheadOfTimeProgram,
  { buffers, dispatches, outputs }: Pick<ProgramImage, "buffers" | "dispatches" | "outputs">,
): ProgramImage {
  return { modules, kernels, leaves, buffers, dispatches, outputs };
}

/** Compiles the kernels with which `stored` begins, but those that depend on the number of samples. */
export async function warm(
  { pipelines }: GpuRuntime,
  program: AheadOfTimeProgram,
  stored: StoredSteps | Pick<ProgramImage, "buffers" | "dispatches" | "outputs">,
  tell?: Parameters<GpuRuntime["pipelines"]["compileAll"]>[1],
): Promise<void> {
  const image = imageOf(program, stored);
  const gather = "data" in stored ? stored.data.kernel : -1;
  const dispatches = image.dispatches.filter(({ kernel }) => kernel !== gather);
  await pipelines.compileAll(
    pipelines.first({ ...image, dispatches }).map(({ source }) => source),
    tell,
  );
}

/** The image of `steps` for a data set of `count` samples, which lies in its own leaves. */
function imageFor(
  program: AheadOfTimeProgram,
  steps: StoredSteps,
  count: number,
  leaves: readonly Tensor[],
): ProgramImage {
  const image = imageOf(program, steps);
  const { data, batchSize } = steps;
  const bytes = (index: number) => 4 * paddedWords((leaves[index] as Tensor).size);
  const isData = (b: BufferImage | undefined) =>
    b?.role === "leaf" && (b.leaf === data.inputs || b.leaf === data.labels);
  const buffers = image.buffers.map((b) =>
    b.role === "leaf" && isData(b) ? { ...b, bytes: bytes(b.leaf) } : b,
  );
  return {
    ...image,
    kernels: image.kernels.map((kernel, i): KernelImage => {
      if (i !== data.kernel) return kernel;
      return { ...kernel, constants: { ...kernel.constants, ...countConstants(count, batchSize) } };
    }),
    buffers,
    dispatches: image.dispatches.map((dispatch) => ({
      ...dispatch,
      bindings: dispatch.bindings.map(([index, offset, size]) =>
        isData(buffers[index]) ? [index, 0, (buffers[index] as BufferImage).bytes] : [index, offset, size],
      ),
    })),
  };
}

/** `given`, if it looks like what was compiled for. Throws DataError saying what does not. */
function fitting(
  part: string,
  { leaves }: AheadOfTimeProgram,
  data: StoredData,
  given: TrainingData,
): Dataset {
  const fail = (expected: string, got: string): never => {
    throw new DataError(`${titleOf(given)}: the program's ${part} set has ${expected}, this one ${got}`);
  };
  if (isSharded(given)) return fail("its samples in memory", "is in shards");
  const { count, inputs, labels } = given;
  const { scale = 1, offset = 0 } = inputs;
  if (!sameShape(inputs.shape, data.shape)) {
    fail(`samples of ${formatShape(data.shape)}`, formatShape(inputs.shape));
  }
  const kinds = [
    leaves[data.inputs]?.dtype === "u32" ? "bytes" : "floats",
    leaves[data.labels]?.dtype === "i32" ? "classes" : "values",
  ];
  const own = [holdsBytes(inputs) ? "bytes" : "floats", labels instanceof Int32Array ? "classes" : "values"];
  if (kinds.join() !== own.join()) fail(kinds.join(" and "), own.join(" and "));
  const each = labels.length / count;
  if (each !== data.labelSize) fail(`${data.labelSize} values to a label`, `${each}`);
  if (scale !== data.scale || offset !== data.offset) {
    fail(`scale ${data.scale} and offset ${data.offset}`, `${scale} and ${offset}`);
  }
  return given;
}
