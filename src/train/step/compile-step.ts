/** A training step of a loop that a user writes: compiled from a step function as a trainer's, with inputs that the host writes. */

import { checkShape, type DType, formatSpec, type Shape } from "../../graph/spec.ts";
import { constant, input, type Tensor, valuesFor } from "../../graph/tensor.ts";
import type { Values } from "../../graph/values.ts";
import { type Backend, checkDevice, type Program } from "../../runtime/backend.ts";
import { ValueError } from "../../validation/errors.ts";
import {
  checkOptions,
  expectGiven,
  nearest,
  notAwaited,
  type OptionKinds,
  shown,
} from "../../validation/options.ts";
import type { TrainMetrics } from "../loop/events.ts";
import { checkTrainerOptions, checkWhole, type PhasesOptions, type StepOptions } from "../loop/options.ts";
import { MetricAccumulator } from "../metrics/accumulator.ts";
import { DeviceStates } from "../state/device-states.ts";
import { compilePhases } from "./compile-phases.ts";
import { describeRun } from "./describe-step.ts";
import type { ColumnsFunction, StepFunction } from "./phase.ts";
import type { PhaseRing } from "./program-source.ts";
import { readRows } from "./runner.ts";
import { trainingStep } from "./step-graph.ts";

/** The whole shape of an input, f32 unless said otherwise. */
export type StepInputForm = Shape | { readonly shape: Shape; readonly dtype?: DType };

type Shared = "seed" | "variants" | "onCompile" | "onNotice" | "trackGradientNorm";

interface WithInputs {
  /** What the host writes, by name: the batch of the step function. */
  readonly inputs: Readonly<Record<string, StepInputForm>>;
}

/** Model, optimizer and step function, or phases, as of a trainer. */
export type CompileStepOptions<Step = StepFunction> = WithInputs &
  (
    | Pick<StepOptions<Step>, "model" | "optimizer" | "step" | Shared>
    | Pick<PhasesOptions<Step>, "phases" | "prepare" | Shared>
  );

const COMPILE_STEP = {
  inputs: "object",
  model: "any",
  optimizer: "any",
  step: "function",
  phases: "object",
  prepare: "function",
  seed: "number",
  variants: "object",
  onCompile: "function",
  onNotice: "function",
  trackGradientNorm: "boolean",
} as const satisfies OptionKinds<
  WithInputs &
    Partial<
      Pick<StepOptions, "model" | "optimizer" | "step" | Shared> & Pick<PhasesOptions, "phases" | "prepare">
    >
>;

const INPUT = { dtype: ["f32", "i32", "u32"] } as const satisfies OptionKinds<{ readonly dtype?: DType }>;

/**
 * Compiles a training step for a loop without a trainer. For example:
 *
 *     const step = await compileStep(device, {
 *       model, optimizer: optim.adam(), inputs: { x: [64, 784], y: { shape: [64], dtype: "i32" } },
 *       step: ({ x, y }) => ({ loss: ops.crossEntropy(nn.forward(model, x), y).loss }),
 *     });
 *     for (const batch of batches) console.log((await step.run(batch)).loss);
 *
 * The batch has the inputs, and `weights` of 1 unless there is such an input. The optimizer counts its steps, layers are built
 * for training, and random numbers are new in each step. Initial weights are those of a trainer with the same seed; a model that
 * was trained on this device goes on from its weights. Throws what `Trainer.create` and `fit` throw.
 */
export function compileStep(device: Backend, options: CompileStepOptions): Promise<CompiledStep>;
export function compileStep(
  device: Backend,
  options: CompileStepOptions<ColumnsFunction>,
): Promise<CompiledStep>;
export function compileStep(
  device: Backend,
  options: CompileStepOptions<ColumnsFunction>,
): Promise<CompiledStep> {
  return notAwaited(compiled(device, options as CompileStepOptions), "compileStep", [
    "run",
    "write",
    "submit",
    "read",
    "destroy",
  ]);
}

async function compiled(device: Backend, options: CompileStepOptions): Promise<CompiledStep> {
  const who = "compileStep";
  checkDevice(who, device);
  checkOptions(who, options, COMPILE_STEP);
  expectGiven(who, options, ["inputs"]);
  const { inputs: forms, ...rest } = options;
  const trainer = { ...rest, batchSize: 1 } as StepOptions | PhasesOptions;
  checkTrainerOptions(trainer, who);
  const inputs = new Map(
    Object.entries(forms).map(([name, form]) => [name, inputOf(`${who}: inputs.${name}`, name, form)]),
  );
  if (inputs.size === 0)
    throw new ValueError(`${who}: inputs is empty; give the shape of at least one input`);
  const { step, training, states, drawn } = describeRun(trainer);
  const { seed = 0, variants = {}, onCompile: onProgress } = trainer;
  const values = new DeviceStates(device, seed, states);
  drawn.forEach((t, i) => {
    values.initialise(t, i);
  });
  const { weights = weightsFor(inputs.values()), ...columns } = Object.fromEntries(inputs);
  const { graphs, last } = trainingStep(step, trainer, { columns, weights }, training);
  const compile = (spec: Parameters<Backend["compile"]>[0]) =>
    device.compile(spec, { seed, variants, onProgress });
  const { program, rings } = await compilePhases(device, compile, graphs, last);
  return new CompiledStep(device, program, rings, inputs, states.parameters, states.buffers);
}

function inputOf(who: string, name: string, form: StepInputForm): Tensor {
  if (Array.isArray(form)) return input(form, "f32", name);
  const { shape, ...options } = (form ?? {}) as Exclude<StepInputForm, Shape>;
  const { dtype = "f32" } = checkOptions(who, options, INPUT);
  if (shape === undefined) throw new ValueError(`${who}: needs a shape, as in [64, 784]`);
  checkShape(who, shape);
  return input(shape, dtype, name);
}

/** 1 for each sample: element of the first axis of the inputs. */
function weightsFor(inputs: Iterable<Tensor>): Tensor {
  const [n = 1] = [...inputs].find(({ rank }) => rank > 0)?.shape ?? [];
  return constant(new Float32Array(n).fill(1), [n], "weights");
}

/** A compiled training step. */
export class CompiledStep {
  #steps = 0;
  readonly #unwritten: Set<string>;

  /** Made by `compileStep`. */
  constructor(
    readonly device: Backend,
    readonly program: Program,
    readonly rings: readonly PhaseRing[],
    readonly inputs: ReadonlyMap<string, Tensor>,
    /** What is trained, by the names in files. */
    readonly parameters: ReadonlyMap<string, Tensor>,
    /** States of the model that are not trained. */
    readonly buffers: ReadonlyMap<string, Tensor>,
  ) {
    this.#unwritten = new Set(inputs.keys());
  }

  /** Steps taken so far. */
  get steps(): number {
    return this.#steps;
  }

  /** Writes the inputs, takes one step and resolves with its loss and metrics. */
  async run(inputs: Readonly<Record<string, Values>>): Promise<TrainMetrics> {
    this.write(inputs);
    this.submit();
    return this.read();
  }

  /**
   * Writes inputs; those that are left out keep what was written last. Throws ValueError on unknown names and on numbers that the
   * dtype can't hold, ShapeError on another number of values.
   */
  write(inputs: Readonly<Record<string, Values>>): void {
    if (typeof inputs !== "object" || inputs === null) {
      throw new ValueError(`step: takes inputs by name, as in { x, y }, got ${shown(inputs)}`);
    }
    for (const [name, values] of Object.entries(inputs)) {
      const tensor = this.inputs.get(name);
      if (tensor === undefined) {
        const close = nearest(name, [...this.inputs.keys()]);
        const hint = close === undefined ? "" : `; did you mean ${close}?`;
        const list = [...this.inputs.values()].map((t) => `${t.label} ${formatSpec(t)}`).join(", ");
        throw new ValueError(`step: there is no input ${shown(name)}${hint} (there are ${list})`);
      }
      const data = valuesFor(tensor, values);
      // An input that the step does not use is not on the device.
      if (this.device.holds(tensor)) this.device.write(tensor, data);
      this.#unwritten.delete(name);
    }
  }

  /** Takes `times` steps with the inputs that were written. Returns at once, before the work is done. */
  submit(times = 1): void {
    checkWhole("step: submit", { times }, { times: 1 });
    const [missing] = this.#unwritten;
    if (missing !== undefined)
      throw new ValueError(`step: the input ${missing} was never written; write it first`);
    this.program.run(times, this.#steps);
    this.#steps += times;
  }

  /** Loss and metrics of the latest step, once it is done. Throws DivergedError where the loss is NaN or infinite. */
  async read(): Promise<TrainMetrics> {
    const steps = this.#steps;
    if (steps === 0) throw new ValueError("step: none was taken yet; call submit or run first");
    const metrics = new MetricAccumulator(this.rings);
    metrics.add(await readRows(this.device, this.rings, steps - 1, steps), steps - 1);
    return metrics.metrics();
  }

  /** Frees what belongs to the step alone; weights stay on the device. */
  destroy(): void {
    this.program.destroy();
  }

  /** `destroy`, for `using`. */
  [Symbol.dispose](): void {
    this.destroy();
  }
}
