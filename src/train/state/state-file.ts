/**
 * The states of a run as a safetensors file, and back: parameters and buffers under their PyTorch names, each optimizer state
 * cut into one tensor per parameter (`optimizer.<state>.<parameter>`, with several phases
 * `optimizer.<phase>.<state>.<parameter>`), and the step counter.
 */

import { packLayout } from "../../graph/pack-layout.ts";
import { type Data, formatShape, type Shape, sameShape } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { toData } from "../../graph/values.ts";
import {
  readSafetensors,
  type StoredTensor,
  type TensorToStore,
  writeSafetensors,
} from "../../io/safetensors.ts";
import { FormatError, GraphError, MismatchError } from "../../validation/errors.ts";
import { laterFormat } from "../../validation/json-fields.ts";
import { MOST_STEPS } from "./fit-record.ts";
import { differentStates } from "./identity.ts";
import { countersAt, prefixOf, type RunStates, skippedName } from "./run-states.ts";

const STEP = "trainer.step";
/** Version of saved files and checkpoints. */
const FORMAT = 1;

interface OptimizerState {
  readonly whole: Tensor;
  /** Its slices, one for each parameter, by their names in files. */
  readonly slices: readonly { readonly name: string; readonly like: Tensor; readonly offset: number }[];
}

function optimizerStates({ optimizers }: RunStates): OptimizerState[] {
  return optimizers.flatMap(({ name: phase, parameters, packed }) => {
    const { offsets } = packLayout([...parameters.values()].map((t) => t.size));
    return Array.from(packed, ([state, whole]) => ({
      whole,
      slices: Array.from(parameters, ([name, like], i) => ({
        name: `optimizer.${prefixOf(phase)}${state}.${name}`,
        like,
        offset: offsets[i] as number,
      })),
    }));
  });
}

interface SaveOptions {
  /** Tensors to store beside the states. */
  readonly more?: Iterable<readonly [string, TensorToStore]>;
  /** Keep the 64-bit floats of a CPU reference; default false: they become 32-bit floats. */
  readonly wide?: boolean;
}

/** The bytes of a file with `values` for every state. Equal values give equal bytes. */
export function saveStates(
  values: ReadonlyMap<Tensor, Data>,
  states: RunStates,
  metadata: Readonly<Record<string, string>>,
  { more = [], wide = false }: SaveOptions = {},
): Uint8Array {
  const stored = (shape: Shape, data: Data): TensorToStore => ({
    shape,
    data: data instanceof Float64Array && !wide ? Float32Array.from(data) : data,
  });
  const savedValue = (tensor: Tensor): Data => {
    const data = values.get(tensor);
    if (data === undefined) throw new GraphError(`checkpoint: there is no value for ${tensor.label}`);
    return data;
  };
  const tensors: [string, TensorToStore][] = [...states.parameters, ...states.buffers].map(
    ([name, tensor]) => [name, stored(tensor.shape, savedValue(tensor))],
  );
  for (const { whole, slices } of optimizerStates(states)) {
    const data = savedValue(whole);
    for (const { name, like, offset } of slices) {
      tensors.push([name, stored(like.shape, data.slice(offset, offset + like.size))]);
    }
  }
  tensors.push([STEP, stored([1], savedValue(states.step))]);
  for (const { name, skipped } of states.optimizers) {
    if (skipped !== undefined) tensors.push([skippedName(name), stored([1], savedValue(skipped))]);
  }
  return writeSafetensors([...tensors, ...more], { ...metadata, format: "weft", weftFormat: String(FORMAT) });
}

/** The values of `found` for state `like`. Throws MismatchError on another shape, FormatError on numbers that do not fit. */
export function valuesFor(like: Tensor, found: StoredTensor, file: string, name: string): Data {
  if (!sameShape(found.shape, like.shape)) {
    throw new MismatchError(
      `${file}: ${name} has shape ${formatShape(found.shape)}, the model expects ${formatShape(like.shape)}`,
    );
  }
  try {
    return toData(`${file}: ${name}`, like.dtype, found.data);
  } catch (cause) {
    throw new FormatError((cause as Error).message, { cause });
  }
}

/** What `load` takes from a file: values, notices for the user, and what the steps of the saved run went over, if known. */
export function loadFile(bytes: Uint8Array, states: RunStates, file: string) {
  const { tensors, metadata } = readSafetensors(bytes, { name: file });
  const values = loadStates(bytes, states, file);
  // Files of weights alone, as PyTorch writes them, have no step and need no optimizer states.
  const notes = !tensors.has(STEP)
    ? []
    : differentStates(tensors.keys(), states).map(
        (difference) =>
          `${file}: another ${difference}; states of the file that are not here are ignored, the others keep their values`,
      );
  return { values, notes, trained: metadata.trained };
}

/**
 * Values of states from `bytes`. Parameters and buffers must all be there with their shapes. Optimizer states and the step may
 * be missing, and then keep their values. Throws MismatchError on missing and unknown tensors, FormatError on a damaged file.
 */
export function loadStates(bytes: Uint8Array, states: RunStates, file: string): Map<Tensor, Data> {
  const { tensors, metadata } = readSafetensors(bytes, { name: file });
  const { weftFormat = "1" } = metadata;
  if (!/^[1-9]\d{0,8}$/.test(weftFormat) || Number(weftFormat) > FORMAT)
    throw laterFormat(file, Number(weftFormat), FORMAT);
  const unread = new Map(tensors);
  const values = new Map<Tensor, Data>();
  const take = (name: string, like: Tensor): Data | undefined => {
    const found = unread.get(name);
    unread.delete(name);
    return found === undefined ? undefined : valuesFor(like, found, file, name);
  };
  const missing: string[] = [];
  for (const [name, tensor] of [...states.parameters, ...states.buffers]) {
    const data = take(name, tensor);
    if (data === undefined) missing.push(name);
    else values.set(tensor, data);
  }
  if (missing.length > 0) {
    const held = [...tensors.keys()].join(", ");
    throw new MismatchError(`${file}: lacks ${missing.join(", ")}; it holds ${held || "nothing"}`);
  }
  for (const { whole, slices } of optimizerStates(states)) {
    const parts = slices.map(({ name, like }) => take(name, like));
    if (parts.every((part) => part === undefined)) continue;
    const wide = parts.some((part) => part instanceof Float64Array);
    const data = wide ? new Float64Array(whole.size) : new Float32Array(whole.size);
    parts.forEach((part, i) => {
      const { name, offset } = slices[i] as (typeof slices)[number];
      if (part === undefined) throw new FormatError(`${file}: lacks ${name}`);
      data.set(part, offset);
    });
    values.set(whole, data);
  }
  const step = take(STEP, states.step);
  if (step !== undefined) {
    if ((step[0] as number) > MOST_STEPS)
      throw new FormatError(`${file}: ${STEP} is ${step[0]}, the limit is ${MOST_STEPS}`);
    values.set(states.step, step);
    for (const [counter, runs] of countersAt(states, step[0] as number)) values.set(counter, runs);
    for (const { name, skipped } of states.optimizers) {
      if (skipped !== undefined) values.set(skipped, take(skippedName(name), skipped) ?? Uint32Array.of(0));
    }
  }
  const unknown = [...unread.keys()].filter((name) => !/^(optimizer|trainer)\./.test(name));
  if (unknown.length > 0)
    throw new MismatchError(`${file}: holds ${unknown.join(", ")}, which the model does not have`);
  return values;
}
