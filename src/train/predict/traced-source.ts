/** Programs of predictors that are traced: from the model of a trainer, or from a model whose weights are on a device. */

import { Graph } from "../../graph/graph.ts";
import { formatSpec } from "../../graph/spec.ts";
import { input, state, Tensor } from "../../graph/tensor.ts";
import { type TensorToStore, writeSafetensors } from "../../io/safetensors.ts";
import { build } from "../../nn/build-mode.ts";
import {
  allParameters,
  checkLayer,
  forward,
  isModule,
  type Layer,
  namedBuffers,
  namedParameters,
} from "../../nn/module.ts";
import { type Backend, checkDevice, type Program } from "../../runtime/backend.ts";
import { GraphError, ValueError } from "../../validation/errors.ts";
import { checkOptions, expectGiven, shown } from "../../validation/options.ts";
import { warn } from "../../validation/printable.ts";
import type { Trainer } from "../loop/trainer.ts";
import { DeviceStates } from "../state/device-states.ts";
import type { RunStates } from "../state/run-states.ts";
import { loadStates } from "../state/state-file.ts";
import { refuseUnnamed } from "../step/check-states.ts";
import { predictionOf } from "../step/step-graph.ts";
import type { KnownInputs } from "./inputs.ts";
import type { PredictionProgram, PredictorSource } from "./predictor.ts";

/** One tensor, or several by name. */
export type Tensors = Tensor | Readonly<Record<string, Tensor>>;

/** A layer, or an object or function that takes and gives records of tensors. */
export type PredictorModel = Layer | ((x: never) => Tensors) | { forward(x: never): Tensors };

/** A model with weights on a device. */
export interface ModelOnDevice<M extends PredictorModel = PredictorModel> {
  readonly model: M;
  readonly device: Backend;
  /**
   * The bytes of a safetensors file, or tensors by name, such as a state dict; they are written into the model on this device.
   * Default: the weights that the device has.
   */
  readonly weights?: Uint8Array | Iterable<readonly [string, TensorToStore]>;
}

/** A graph from inputs [batchSize, …sample]. */
interface Traced extends Pick<PredictorSource, "batchSize" | "inputs" | "outputs" | "single"> {
  readonly tensors: { readonly inputs: readonly Tensor[]; readonly outputs: readonly Tensor[] };
}

/** The model of `trainer` with its transform, and the weights of each moment. */
export function ofTrainer(trainer: Trainer, inputs: KnownInputs, batchSize: number): PredictorSource {
  const { options } = trainer;
  const model = "model" in options ? options.model : undefined;
  const predicts = isModule(model) || typeof model === "function";
  const isPlain = predicts && options.transform === undefined;
  if (!isPlain && !inputs.single) {
    throw new ValueError(
      predicts
        ? "predictor: a transform takes one input; for several give createPredictor({ model, device }, …)"
        : "predictor: the trainer's model is no layer with forward(x); give createPredictor({ model, device }, …) the one that predicts",
    );
  }
  const traced = trace(inputs, batchSize, (x) => {
    if (!isPlain) return predictionOf(options, x as Tensor);
    const given = build({ training: false }, () => forward(model as Layer<Tensors, unknown>, x)).result;
    const outputs: unknown[] = given instanceof Tensor ? [given] : Object.values(given as object);
    const named = namedParameters(model as object);
    for (const each of outputs) if (each instanceof Tensor) refuseUnnamed(each, [], named.values());
    return given;
  });
  const open = async (): Promise<PredictionProgram> => {
    const { backend } = trainer;
    const program = await trainer.compile({ outputs: traced.tensors.outputs });
    // The device was lost and replaced while the program was compiled.
    return trainer.backend === backend ? { backend, program, ...traced.tensors } : open();
  };
  return {
    ...traced,
    get backend() {
      return trainer.backend;
    },
    exclusive: (work) => trainer.exclusive(work),
    survive: (work) => trainer.survive(work),
    open,
  };
}

/** `source` as it is on the device, or with its `weights`. Throws FormatError on weights that do not fit the model. */
export function ofModel(
  who: string,
  source: ModelOnDevice,
  inputs: KnownInputs,
  batchSize: number,
): PredictorSource {
  const { model, device, weights } = checkOptions(who, source, {
    model: "any",
    device: "any",
    weights: "any",
  });
  expectGiven(who, source, ["model", "device"]);
  checkDevice(who, device);
  checkLayer(`${who}: model`, model);
  const layer = model as Layer;
  const traced = trace(
    inputs,
    batchSize,
    (x) => build({ training: false }, () => forward(model as Layer<Tensors, unknown>, x)).result,
  );
  const states: RunStates = {
    parameters: namedParameters(layer),
    buffers: namedBuffers(layer),
    optimizers: [],
    step: state([1], 0, "u32", "step"),
    live: new Map(),
  };
  const values = new DeviceStates(device, 0, states);
  if (weights !== undefined) {
    const isFile = weights instanceof Uint8Array;
    const bytes = isFile ? weights : writeSafetensors(weights);
    for (const [tensor, data] of loadStates(bytes, states, isFile ? "safetensors" : "state dict"))
      values.write(tensor, data);
  }
  expectWeights(who, traced, states, device);
  [...allParameters(layer), ...states.buffers.values()].forEach((tensor, i) => {
    values.initialise(tensor, i);
  });
  values.hear = ({ message, adapter }) => warn(`${message}; predicting on ${adapter} from now on`);
  return {
    ...traced,
    get backend() {
      return values.backend;
    },
    exclusive: (work) => work(),
    survive: (work) => values.survive(work),
    async open() {
      const { backend } = values;
      const program: Program = await backend.compile({ outputs: traced.tensors.outputs });
      return { backend, program, ...traced.tensors };
    },
    release: () => values.release(values.all),
  };
}

/** Throws GraphError that names states of the graph which would have random values, or which `weights` could not be found for. */
function expectWeights(
  who: string,
  { tensors }: Traced,
  { parameters, buffers }: RunStates,
  device: Backend,
): void {
  const named = new Set([...parameters.values(), ...buffers.values()]);
  const leaves = new Graph({ outputs: tensors.outputs }).leaves();
  const lacking = leaves.filter((tensor) => {
    const { leaf } = tensor;
    if (leaf?.kind !== "state" || device.holds(tensor) || device.starts.get(tensor) !== undefined)
      return false;
    return typeof leaf.initial === "function" || !named.has(tensor);
  });
  if (lacking.length === 0) return;
  const [first] = lacking as [Tensor];
  throw new GraphError(
    `${who}: the device has no weights for ${first.label} ${formatSpec(first)}${lacking.length > 1 ? ` and ${lacking.length - 1} more` : ""}` +
      "; give weights, a safetensors file or a state dict, or the device that the model was trained on",
  );
}

/** The graph of `build` from inputs for `batchSize` samples. Throws ValueError where it gives anything but tensors. */
function trace(inputs: KnownInputs, batchSize: number, model: (x: Tensors) => unknown): Traced {
  const each = inputs.all.map(({ name, shape, dtype }) =>
    input([batchSize, ...shape], dtype === "u8" ? "f32" : dtype, name),
  );
  const [only] = each as [Tensor];
  const x = inputs.single
    ? only
    : Object.fromEntries(inputs.all.map(({ name }, i) => [name, each[i] as Tensor]));
  const given = model(x);
  const single = given instanceof Tensor;
  const record = single ? { output: given } : given;
  const entries = typeof record === "object" && record !== null ? Object.entries(record) : [];
  if (entries.length === 0 || !entries.every(([, tensor]) => tensor instanceof Tensor)) {
    throw new ValueError(
      `predictor: the model must give a tensor or { name: tensor, … }, got ${shown(given)}`,
    );
  }
  const outputs = entries.map(([name, { shape, dtype }]) => ({ name, shape, dtype }));
  const used = new Graph({ outputs: entries.map(([, tensor]) => tensor as Tensor) }).leaves();
  const unused = each.find((tensor) => !used.includes(tensor));
  if (unused !== undefined) {
    throw new ValueError(`predictor: the model does not use input ${unused.label}; leave it out of inputs`);
  }
  const tensors = { inputs: each, outputs: entries.map(([, tensor]) => tensor as Tensor) };
  return { batchSize, inputs, outputs, single, tensors };
}
