/**
 * Compiles a training run ahead of time: traces and plans it as `Trainer` does, for any adapter or a given one, and returns
 * the program images as a file. No device is needed. Of data sets only the form matters, not the contents.
 */

import { checkForm, type Dataset, labelSize } from "../data/dataset.ts";
import { holdsWhole } from "../data/lazy-inputs.ts";
import type { GraphSpec } from "../graph/graph.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { ImageBuilder, type ProgramImage } from "../plan/image.ts";
import { type AdapterTraits, adapterProfile } from "../runtime/gpu/adapter-profile.ts";
import { planForGpu } from "../runtime/gpu/backend.ts";
import type { GpuDevice } from "../runtime/gpu/device.ts";
import { firstValues, initialData } from "../runtime/initial-values.ts";
import { type DeviceDataset, ResidentDataset } from "../train/input/device-dataset.ts";
import { checkTrainerOptions, evaluationBatch, type TrainerOptions } from "../train/loop/options.ts";
import { KEY, LEARNING_RATE } from "../train/state/run-states.ts";
import { describeRun } from "../train/step/describe-step.ts";
import { evaluationStep, predictionOf, type StepGraph, trainingStep } from "../train/step/step-graph.ts";
import { DataError, DeviceError, ValueError } from "../validation/errors.ts";
import { checkOptions, type OptionKinds } from "../validation/options.ts";
import {
  type AheadOfTimeProgram,
  checksumOf,
  FORMAT,
  type NamedLeaf,
  PREDICT,
  type StoredImage,
  type StoredLeaf,
  type StoredProgram,
  type StoredSteps,
  storedValue,
} from "./format.ts";

/** The adapters that kernels are chosen for. */
export interface CompileTarget extends AdapterTraits {
  readonly limits: AdapterTraits["limits"] &
    Pick<GPUSupportedLimits, "maxStorageBufferBindingSize" | "maxStorageBuffersPerShaderStage">;
}

/** Any adapter with WebGPU: kernels stay within the limits that the standard guarantees. */
export const PORTABLE: CompileTarget = {
  software: false,
  subgroupSize: 0,
  limits: {
    maxComputeInvocationsPerWorkgroup: 256,
    maxComputeWorkgroupStorageSize: 16384,
    maxStorageBufferBindingSize: 2 ** 27,
    maxStorageBuffersPerShaderStage: 8,
  },
};

/** The adapter of an open device: kernels as in a traced run there. Other adapters may be unable to run them. */
export function targetOf({ software, subgroupSize, limits }: GpuDevice): CompileTarget {
  return { software, subgroupSize, limits };
}

/** A graph over the run's states, with named inputs and outputs. */
export interface NamedGraph {
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly outputs: Readonly<Record<string, Tensor>>;
}

export interface CompileAheadOptions {
  /** A data set of the form to train on: only shapes, types, scale and classes matter, not the samples. Not in shards. */
  readonly train: Dataset;
  /** Also compiles an evaluation for data sets of this form. */
  readonly test?: Dataset | undefined;
  /** Also compiles predictions, for so many samples at a time. */
  readonly predict?: number | undefined;
  /** Also compiles these graphs, for `run` of the opened trainer. */
  readonly programs?: Readonly<Record<string, NamedGraph>>;
  /** Adapter to choose kernels for. Default: any, within WebGPU's guaranteed limits. */
  readonly target?: CompileTarget;
}

const COMPILE = {
  train: "any",
  test: "any",
  predict: "number",
  programs: "object",
  target: "object",
} as const satisfies OptionKinds<CompileAheadOptions>;

/**
 * The run described by `options`, as plain data: `JSON.stringify` makes a file of it, `openProgram` a trainer. Throws
 * ValueError on options that need the whole library while training (`metrics`, `detectAnomaly`, `tune`, `maxResidentBytes`),
 * DeviceError where kernels need more than the target has, and whatever tracing and planning throw.
 */
export async function compileAheadOfTime(
  options: TrainerOptions,
  what: CompileAheadOptions,
): Promise<AheadOfTimeProgram> {
  const given = checkOptions("compileAheadOfTime", what, COMPILE);
  const { train, test, predict, programs = {}, target = PORTABLE } = given;
  for (const name of ["metrics", "detectAnomaly", "tune", "maxResidentBytes"] as const) {
    if (options[name]) throw new ValueError(`compileAheadOfTime: a program can't have ${name}; leave it out`);
  }
  checkTrainerOptions(options);
  if (!("loss" in options)) {
    throw new ValueError(
      "compileAheadOfTime: a program needs a model and a loss; a step function needs a Trainer",
    );
  }
  checkForm("compileAheadOfTime: train", train);
  if (test !== undefined) checkForm("compileAheadOfTime: test", test);
  if (holdsWhole(train.inputs)) {
    throw new DataError("compileAheadOfTime: a program can't take inputs of whole numbers (Int32Array)");
  }
  const { batchSize, seed = 0, shuffle = true } = options;
  const run = describeRun(options);
  const { states, training, drawn } = run;
  const { step, key } = training;
  const set = new ImageSet(options, target);

  const trained = await set.steps(train, batchSize, (data) => {
    const columns = data.columns(step, shuffle ? key : undefined);
    const { graphs } = trainingStep(run.step, options, { ...columns, dataset: train }, training);
    return { graph: graphs[0] as StepGraph, step };
  });
  const tested =
    test &&
    (await set.steps(test, evaluationBatch(options, test.count), (data) => {
      const inputOf = (at: Tensor) => ({ ...data.columns(at, undefined), dataset: test });
      const { graphs, steps } = evaluationStep(run.step, inputOf, training);
      return { graph: graphs[0] as StepGraph, step: steps[0] as Tensor };
    }));
  const graphs = new Map<string, NamedGraph>();
  if (predict !== undefined) {
    const samples = input([predict, ...train.inputs.shape], "f32", "samples");
    const prediction = predictionOf(options, samples);
    graphs.set(PREDICT, { inputs: { samples }, outputs: { prediction } });
  }
  for (const [name, graph] of Object.entries(programs)) graphs.set(name, graph);
  const others: Record<string, StoredProgram> = {};
  for (const [name, graph] of graphs) others[name] = await set.program(graph);

  const { leaf, builder } = set;
  const stored = {
    parameters: set.named(states.parameters),
    buffers: set.named(states.buffers),
    packed: set.named(states.optimizers[0]?.packed ?? []),
    step: leaf(step),
    key: leaf(key),
    learningRate: leaf(states.live.get(LEARNING_RATE) as Tensor),
  };
  const { modules, kernels } = builder;
  const subgroups = modules.some(({ code }) => /\bsubgroups\b/.test(code));
  return {
    weftProgram: FORMAT,
    checksum: checksumOf(modules),
    subgroupSize: subgroups ? target.subgroupSize : 0,
    seed,
    batchSize,
    modules,
    kernels,
    leaves: set.leaves(drawn, seed, states.live.get(KEY) as Tensor),
    states: stored,
    train: trained,
    ...(tested && { test: tested }),
    programs: others,
  };
}

/** @deprecated `compileAheadOfTime`. */
export const recordTraining = compileAheadOfTime;

/** Builds the images of one run. */
class ImageSet {
  readonly builder = new ImageBuilder();
  /** First values of leaves, as in the first image that has them. */
  readonly #first = new Map<Tensor, ReturnType<typeof firstValues>>();

  constructor(
    readonly options: TrainerOptions,
    readonly target: CompileTarget,
  ) {}

  readonly leaf = (tensor: Tensor): number => this.builder.leaf(tensor);

  named(tensors: Iterable<readonly [string, Tensor]>): NamedLeaf[] {
    return Array.from(tensors, ([name, tensor]) => ({ name, leaf: this.leaf(tensor) }));
  }

  async steps(
    dataset: Dataset,
    batchSize: number,
    build: (data: DeviceDataset) => { readonly graph: StepGraph; readonly step: Tensor },
  ): Promise<StoredSteps> {
    const data = new ResidentDataset({ ...dataset, name: "data" });
    const { graph, step } = build(data.batches(batchSize));
    const { spec, ring, layout } = graph;
    const inputs = this.leaf(data.tensors.inputs);
    const labels = this.leaf(data.tensors.targets);
    const image = await this.#image(spec, [inputs, labels]);
    const inputBuffer = image.buffers.findIndex((b) => b.role === "leaf" && b.leaf === inputs);
    const gather = image.dispatches.find(({ bindings }) => bindings.some(([b]) => b === inputBuffer));
    const { shape, scale = 1, offset = 0 } = dataset.inputs;
    const form = { shape, labelSize: labelSize(dataset), scale, offset };
    return {
      ...image,
      batchSize,
      data: { inputs, labels, kernel: gather?.kernel ?? -1, ...form },
      step: this.leaf(step),
      ring: this.leaf(ring),
      columns: layout.columns,
      sums: layout.sums,
    };
  }

  async program({ inputs, outputs }: NamedGraph): Promise<StoredProgram> {
    const image = await this.#image({ outputs: Object.values(outputs) }, []);
    const names = Object.keys(outputs);
    return {
      ...image,
      inputs: this.named(Object.entries(inputs)),
      outputs: image.outputs.map((output, i) => ({ ...output, label: names[i] as string })),
    };
  }

  /** All leaves with their first values. Parameters drawn from a known distribution are stored as that, without values. */
  leaves(parameters: readonly Tensor[], seed: number, key: Tensor): StoredLeaf[] {
    return this.builder.leaves.map((image, i) => {
      const tensor = this.builder.tensors[i] as Tensor;
      // The key is computed from the seed when the program is opened.
      if (image.kind === "input" || tensor === key) return image;
      const initial = tensor.leaf?.kind === "state" ? tensor.leaf.initial : undefined;
      const stream = parameters.indexOf(tensor);
      if (stream >= 0 && typeof initial === "function" && initial.distribution !== undefined) {
        return { ...image, initial: initial.distribution, stream };
      }
      if (typeof initial === "number") return initial === 0 ? image : { ...image, initial };
      const value = stream >= 0 ? undefined : this.#first.get(tensor)?.(tensor);
      return { ...image, initial: storedValue(value ?? initialData(tensor, seed, Math.max(stream, 0))) };
    });
  }

  async #image(spec: GraphSpec, ofData: readonly number[]): Promise<StoredImage> {
    const { variants = {}, seed = 0 } = this.options;
    const plan = planForGpu(spec, adapterProfile(this.target), { variants });
    const image = await this.builder.add(plan);
    this.#check(image, ofData);
    const values = firstValues(plan.graph.leaves(), seed);
    for (const leaf of plan.graph.leaves()) if (!this.#first.has(leaf)) this.#first.set(leaf, values);
    const { buffers, dispatches, outputs } = image;
    return { buffers, dispatches, outputs };
  }

  /** Throws DeviceError where a dispatch needs more than the target has; sizes of data sets (`ofData`) are not yet known. */
  #check({ kernels, buffers, dispatches }: ProgramImage, ofData: readonly number[]): void {
    const { maxStorageBufferBindingSize: bytes, maxStorageBuffersPerShaderStage: most } = this.target.limits;
    for (const { label, kernel, bindings } of dispatches) {
      const storage = kernels[kernel]?.layout.replace(/\d+u/g, "").trim().split(/\s+/).length ?? 0;
      if (storage > most) {
        throw new DeviceError(
          `${label}: needs ${storage} storage buffers, but the target's maxStorageBuffersPerShaderStage is ${most}; take another target`,
        );
      }
      for (const [index, , size] of bindings) {
        const buffer = buffers[index];
        if (size <= bytes || (buffer?.role === "leaf" && ofData.includes(buffer.leaf))) continue;
        throw new DeviceError(
          `${label}: binds ${size} bytes of ${buffer?.label}, but the target's maxStorageBufferBindingSize is ${bytes}; take another target`,
        );
      }
    }
  }
}
