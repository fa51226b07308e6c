/**
 * States of a run as one safetensors file and back: parameters and buffers under their PyTorch names, packed optimizer
 * states cut into `optimizer.<state>.<parameter>`, the step counter. Refuses files whose names or shapes don't fit.
 * Loaded when first saved or read.
 */
import { FormatError, GraphError, MismatchError } from "../../common/errors.ts";
import { laterFormat } from "../../common/json-fields.ts";
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
import { MOST_STEPS } from "./fit-record.ts";
import { differentStates } from "./identity.ts";
import type { RunStates } from "./run-states.ts";

const STEP = "trainer.step";
/** Of saved files and checkpoints. */
const FORMAT = 1;

/** What a file holds besides the states, and how. */
interface SaveOptions {
  readonly more?: Iterable<readonly [string, TensorToStore]>;
  /** Keep 64-bit floats, which the CPU reference may have, and not make 32-bit ones of them. Default false. */
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
  const valueFor = (tensor: Tensor): Data => {
    const data = values.get(tensor);
    if (data === undefined) throw new GraphError(`checkpoint: no value for ${tensor.label}`);
    return data;
  };
  const tensors: [string, TensorToStore][] = [];
  for (const [name, tensor] of [...states.parameters, ...states.buffers]) {
    tensors.push([name, stored(tensor.shape, valueFor(tensor))]);
  }
  const shapes = [...states.parameters.values()];
  const { offsets } = packLayout(shapes.map((t) => t.size));
  for (const [state, pack] of states.packed) {
    const data = valueFor(pack);
    [...states.parameters.keys()].forEach((name, i) => {
      const { size, shape } = shapes[i] as Tensor;
      const at = offsets[i] as number;
      tensors.push([`optimizer.${state}.${name}`, stored(shape, data.slice(at, at + size))]);
    });
  }
  tensors.push([STEP, stored([1], valueFor(states.step))]);
  const named = { ...metadata, format: "weft", weftFormat: String(FORMAT) };
  return writeSafetensors([...tensors, ...more], named);
}

/** The values of a stored tensor as `like` takes them. Throws FormatError on another shape, and on numbers it can't hold. */
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

/** What `load` takes out of a file, what it leaves there, and what the steps of its run went over, where it says so. */
export function loadFile(bytes: Uint8Array, states: RunStates, file: string) {
  const { tensors, metadata } = readSafetensors(bytes, { name: file });
  const values = loadStates(bytes, states, file);
  const found = differentStates(tensors.keys(), states.packed);
  // Files of weights alone, as PyTorch writes them, have no such states and are expected to have none.
  const notes = tensors.has(STEP)
    ? found.map(
        (what) =>
          `${file}: another ${what}; those of the file that are not here are left out, the others stay`,
      )
    : [];
  return { values, notes, trained: metadata.trained };
}

/**
 * Values for every state out of `bytes`. Parameters and buffers must all be there with their shapes; optimizer states
 * and the step may be missing (a file of PyTorch's), and then keep their values. Unknown tensors are refused.
 */
export function loadStates(bytes: Uint8Array, states: RunStates, file: string): Map<Tensor, Data> {
  const { tensors, metadata } = readSafetensors(bytes, { name: file });
  const { weftFormat = "1" } = metadata;
  if (!/^[1-9]\d{0,8}$/.test(weftFormat) || Number(weftFormat) > FORMAT)
    throw laterFormat(file, Number(weftFormat), FORMAT);
  const byName = new Map(tensors);
  const values = new Map<Tensor, Data>();
  const take = (name: string, like: Tensor): Data | undefined => {
    const found = byName.get(name);
    byName.delete(name);
    return found === undefined ? undefined : valuesFor(like, found, file, name);
  };
  const missing: string[] = [];
  for (const [name, tensor] of [...states.parameters, ...states.buffers]) {
    const data = take(name, tensor);
    if (data === undefined) missing.push(name);
    else values.set(tensor, data);
  }
  if (missing.length > 0) {
    const there = [...tensors.keys()].join(", ");
    throw new MismatchError(`${file}: lacks ${missing.join(", ")}; it holds ${there || "nothing"}`);
  }
  const shapes = [...states.parameters];
  const { offsets } = packLayout(shapes.map(([, t]) => t.size));
  for (const [state, pack] of states.packed) {
    const parts = shapes.map(([name, t]) => take(`optimizer.${state}.${name}`, t));
    const wide = parts.some((part) => part instanceof Float64Array);
    const data = wide ? new Float64Array(pack.size) : new Float32Array(pack.size);
    if (parts.every((p) => p === undefined)) continue;
    parts.forEach((part, i) => {
      if (part === undefined) throw new FormatError(`${file}: lacks optimizer.${state}.${shapes[i]?.[0]}`);
      data.set(part, offsets[i] as number);
    });
    values.set(pack, data);
  }
  const step = take(STEP, states.step);
  if (step !== undefined) {
    if ((step[0] as number) > MOST_STEPS)
      throw new FormatError(`${file}: ${STEP} is ${step[0]}, the limit is ${MOST_STEPS}`);
    values.set(states.step, step);
  }
  const unknown = [...byName.keys()].filter((name) => !/^(optimizer|trainer)\./.test(name));
  if (unknown.length > 0)
    throw new MismatchError(`${file}: holds ${unknown.join(", ")}, which the model does not have`);
  return values;
}
