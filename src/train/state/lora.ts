/** Adapters of `nn.lora` of a trainer: merged into the weights, and as a safetensors file with the names of Hugging Face's PEFT. */
import type { Data } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { readSafetensors, writeSafetensors } from "../../io/safetensors.ts";
import type { LoraAdapters } from "../../nn/lora.ts";
import { FormatError, GraphError, MismatchError } from "../../validation/errors.ts";
import type { AnyTrainer } from "../loop/any-trainer.ts";
import { checkTrainer } from "../loop/options.ts";
import { valuesFor } from "./state-file.ts";

/** The values of B of merged adapters. */
const merged = new WeakMap<LoraAdapters, readonly Data[]>();

/**
 * Adds the updates of the adapters to the weights of `trainer`'s model and sets B to 0, so that the outputs stay the same, also of
 * programs compiled before. Train no further until they are unmerged or taken off (`adapters.unload`). Throws GraphError if they are
 * merged already.
 */
export async function mergeLora(trainer: AnyTrainer, adapters: LoraAdapters): Promise<void> {
  checkTrainer("mergeLora", trainer);
  if (merged.has(adapters)) throw new GraphError("mergeLora: the adapters are merged already");
  await trainer.exclusive(async () => {
    const values = await valuesOf(trainer, adapters);
    adapters.layers.forEach(({ weight, b, scale }, i) => {
      const [w, A, B] = values[i] as [Data, Data, Data];
      trainer.values.write(weight, changed(w, A, B, scale, weight.shape[1]!));
      trainer.values.write(b, new Float32Array(B.length));
    });
    merged.set(
      adapters,
      values.map(([, , B]) => B as Data),
    );
  });
}

/** Undoes `mergeLora`, up to the rounding of float32. Throws GraphError if the adapters are not merged. */
export async function unmergeLora(trainer: AnyTrainer, adapters: LoraAdapters): Promise<void> {
  checkTrainer("unmergeLora", trainer);
  const before = merged.get(adapters);
  if (before === undefined) throw new GraphError("unmergeLora: the adapters are not merged");
  await trainer.exclusive(async () => {
    const values = await valuesOf(trainer, adapters);
    adapters.layers.forEach(({ weight, b, scale }, i) => {
      const [w, A] = values[i] as [Data, Data, Data];
      const B = before[i] as Data;
      trainer.values.write(weight, changed(w, A, B, -scale, weight.shape[1]!));
      trainer.values.write(b, B);
    });
    merged.delete(adapters);
  });
}

/** Weight, A and B of every layer. */
async function valuesOf(trainer: AnyTrainer, { layers }: LoraAdapters): Promise<Data[][]> {
  const data = await trainer.backend.readAll(layers.flatMap(({ weight, a, b }) => [weight, a, b]));
  return layers.map((_, i) => data.slice(3 * i, 3 * i + 3));
}

/** w + scale B A: w [out, in], A [rank, in], B [out, rank]. */
function changed(w: Data, A: Data, B: Data, scale: number, inputs: number): Data {
  const result = w.slice();
  const outputs = w.length / inputs;
  const rank = A.length / inputs;
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      let sum = 0;
      for (let r = 0; r < rank; r++) sum += B[o * rank + r]! * A[r * inputs + i]!;
      result[o * inputs + i] = w[o * inputs + i]! + scale * sum;
    }
  }
  return result;
}

const PREFIX = "base_model.model.";

/**
 * The bytes of `adapter_model.safetensors` after all steps of `trainer` so far: `base_model.model.h.0.attn.c_attn.lora_A.weight` and
 * so on. The metadata holds the fields of PEFT's `adapter_config.json`: `r`, `lora_alpha`, `target_modules`.
 */
export async function loraToSafetensors(trainer: AnyTrainer, adapters: LoraAdapters): Promise<Uint8Array> {
  checkTrainer("loraToSafetensors", trainer);
  const tensors = [...adapters.parameters];
  const values = await trainer.exclusive(() => trainer.backend.readAll(tensors.map(([, t]) => t)));
  const stored = tensors.map(([name, { shape }], i) => {
    const data = values[i] as Data;
    return [
      PREFIX + name,
      { shape, data: data instanceof Float64Array ? Float32Array.from(data) : data },
    ] as const;
  });
  const { rank, alpha, targets } = adapters;
  return writeSafetensors(stored, {
    format: "pt",
    peft_type: "LORA",
    r: String(rank),
    lora_alpha: String(alpha),
    target_modules: JSON.stringify(targets),
  });
}

/**
 * Takes the values of the adapters from such a file, of this library or of PEFT. Throws FormatError on a damaged file, MismatchError
 * where names, shapes, rank or alpha are not those of `adapters`, and then changes nothing.
 */
export async function loraFromSafetensors(
  trainer: AnyTrainer,
  adapters: LoraAdapters,
  bytes: Uint8Array,
  file = "adapters",
): Promise<void> {
  checkTrainer("loraFromSafetensors", trainer);
  const { tensors, metadata } = readSafetensors(bytes, { name: file });
  for (const [field, own] of [
    ["r", adapters.rank],
    ["lora_alpha", adapters.alpha],
  ] as const) {
    const given = metadata[field];
    if (given === undefined || Number(given) === own) continue;
    throw new MismatchError(`${file}: ${field} is ${given}, that of the model's adapters ${own}`);
  }
  const unread = new Set(tensors.keys());
  const values: [Tensor, Data][] = [];
  const missing: string[] = [];
  for (const [name, tensor] of adapters.parameters) {
    const found = tensors.get(PREFIX + name);
    unread.delete(PREFIX + name);
    if (found === undefined) missing.push(PREFIX + name);
    else values.push([tensor, valuesFor(tensor, found, file, PREFIX + name)]);
  }
  if (missing.length > 0) throw new MismatchError(`${file}: lacks ${missing.join(", ")}`);
  if (unread.size > 0) {
    throw new MismatchError(`${file}: holds ${[...unread].join(", ")}, which the adapters do not have`);
  }
  const wrong = values.find(([, data]) => !data.every(Number.isFinite));
  if (wrong !== undefined) throw new FormatError(`${file}: ${wrong[0].label} holds NaN or infinity`);
  await trainer.exclusive(async () => {
    for (const [tensor, data] of values) trainer.values.write(tensor, data);
  });
}
