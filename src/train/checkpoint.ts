/**
 * States of a run as one safetensors file and back: parameters and buffers under their PyTorch names, packed optimizer
 * states cut into `optimizer.<state>.<parameter>`, the step counter. Loaded when first saved or read. Refuses files whose names or shapes don't fit.
 */
import { FormatError, GraphError } from "../errors.ts";
import { readSafetensors, type TensorToStore, writeSafetensors } from "../io/safetensors.ts";
import { packLayout } from "../plan/storage.ts";
import { type Data, formatShape, sameShape, type Tensor } from "../tensor.ts";
import type { RunStates } from "./run-states.ts";

const STEP = "trainer.step";

/** The bytes of a file with `values` for every state. Equal values give equal bytes. */
export function saveStates(
  values: ReadonlyMap<Tensor, Data>,
  states: RunStates,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const valueFor = (tensor: Tensor): Exclude<Data, Float64Array> => {
    const data = values.get(tensor);
    if (data === undefined) throw new GraphError(`checkpoint: no value for ${tensor.label}`);
    return data instanceof Float64Array ? Float32Array.from(data) : data;
  };
  const tensors: [string, TensorToStore][] = [];
  for (const [name, tensor] of [...states.parameters, ...states.buffers]) {
    tensors.push([name, { shape: tensor.shape, data: valueFor(tensor) }]);
  }
  const shapes = [...states.parameters.values()];
  const { offsets } = packLayout(shapes.map((t) => t.size));
  for (const [state, pack] of states.packed) {
    const data = valueFor(pack);
    [...states.parameters.keys()].forEach((name, i) => {
      const { size, shape } = shapes[i] as Tensor;
      const at = offsets[i] as number;
      tensors.push([`optimizer.${state}.${name}`, { shape, data: data.slice(at, at + size) }]);
    });
  }
  tensors.push([STEP, { shape: [1], data: valueFor(states.step) }]);
  return writeSafetensors(tensors, { format: "weft", ...metadata });
}

/**
 * Values for every state out of `bytes`. Parameters and buffers must all be there with their shapes; optimizer states
 * and the step may be missing (a file of PyTorch's), and then keep their values. Unknown tensors are refused.
 */
export function loadStates(bytes: Uint8Array, states: RunStates, file: string): Map<Tensor, Data> {
  const { tensors } = readSafetensors(bytes, { name: file });
  const byName = new Map(tensors);
  const values = new Map<Tensor, Data>();
  const take = (name: string, like: Tensor): Data | undefined => {
    const found = byName.get(name);
    byName.delete(name);
    if (found === undefined) return undefined;
    if (!sameShape(found.shape, like.shape)) {
      throw new FormatError(
        `${file}: ${name} has shape ${formatShape(found.shape)}, the model expects ${formatShape(like.shape)}`,
      );
    }
    return found.data as Data;
  };
  const missing: string[] = [];
  for (const [name, tensor] of [...states.parameters, ...states.buffers]) {
    const data = take(name, tensor);
    if (data === undefined) missing.push(name);
    else values.set(tensor, data);
  }
  if (missing.length > 0) {
    const there = [...tensors.keys()].join(", ");
    throw new FormatError(`${file}: lacks ${missing.join(", ")}; it holds ${there || "nothing"}`);
  }
  const shapes = [...states.parameters];
  const { offsets } = packLayout(shapes.map(([, t]) => t.size));
  for (const [state, pack] of states.packed) {
    const data = new Float32Array(pack.size);
    const parts = shapes.map(([name, t]) => take(`optimizer.${state}.${name}`, t));
    if (parts.every((p) => p === undefined)) continue;
    parts.forEach((part, i) => {
      if (part === undefined) throw new FormatError(`${file}: lacks optimizer.${state}.${shapes[i]?.[0]}`);
      data.set(part, offsets[i] as number);
    });
    values.set(pack, data);
  }
  const step = take(STEP, states.step);
  if (step !== undefined) values.set(states.step, step);
  const unknown = [...byName.keys()].filter((name) => !name.startsWith("optimizer."));
  if (unknown.length > 0)
    throw new FormatError(`${file}: holds ${unknown.join(", ")}, which the model does not have`);
  return values;
}
