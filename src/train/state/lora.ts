/** Adapters of `nn.lora` of a trainer: merged into the weights, and as a safetensors file with the names of Hugging Face's PEFT. */
import type { Data } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { readSafetensors, writeSafetensors } from "../../io/safetensors.ts";
import type { LoraAdapters } from "../../nn/lora.ts";
import { FormatError, GraphError, MismatchError } from "../../validation/errors.ts";
import type { AnyTrainer } from "../loop/any-trainer.ts";
import { checkTrainer } from "../loop/options.ts";
import { valuesFor } from "./state-file.ts";

const merged = new WeakSet<LoraAdapters>();

/**
 * Adds the updates of the adapters to the weights of `trainer`'s model and takes the adapters off the model, as PEFT's
 * merge_and_unload does: graphs built and trainers made from now on are those of the plain model, which stays frozen until
 * `nn.unfreeze`. B becomes 0, so that programs compiled before give the same outputs. Throws GraphError if they are merged already, or
 * are not those of the trainer's model.
 */
export async function mergeLora(trainer: AnyTrainer, adapters: LoraAdapters): Promise<void> {
  checkAdapters("mergeLora", trainer, adapters);
  await trainer.exclusive(async () => {
    const { layers } = adapters;
    const data = await trainer.backend.readAll(layers.flatMap(({ weight, a, b }) => [weight, a, b]));
    layers.forEach(({ weight, b, scale }, i) => {
      const [w, A, B] = data.slice(3 * i, 3 * i + 3) as [Data, Data, Data];
      trainer.values.write(weight, changed(w, A, B, scale, weight.shape[1]!));
      trainer.values.write(b, new Float32Array(B.length));
    });
    merged.add(adapters);
    adapters.unload();
  });
}

function checkAdapters(who: string, trainer: AnyTrainer, adapters: LoraAdapters): void {
  checkTrainer(who, trainer);
  if (merged.has(adapters)) throw new GraphError(`${who}: the adapters were merged into the weights`);
  const own = new Set([...trainer.parameters.values(), ...trainer.buffers.values()]);
  const stranger = [...adapters.parameters].find(([, t]) => !own.has(t));
  if (stranger === undefined) return;
  throw new GraphError(
    `${who}: ${stranger[0]} is no parameter of this trainer; make the trainer after nn.lora, with the same model`,
  );
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
  checkAdapters("loraToSafetensors", trainer, adapters);
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
 * where names, shapes, rank or alpha are not those of `adapters`, and then changes nothing. Files of PEFT have rank and alpha in
 * `adapter_config.json`: a notice says what they are taken for.
 */
export async function loraFromSafetensors(
  trainer: AnyTrainer,
  adapters: LoraAdapters,
  bytes: Uint8Array,
  file = "adapters",
): Promise<void> {
  checkAdapters("loraFromSafetensors", trainer, adapters);
  const { tensors, metadata } = readSafetensors(bytes, { name: file });
  for (const [field, own] of [
    ["r", adapters.rank],
    ["lora_alpha", adapters.alpha],
  ] as const) {
    const given = metadata[field];
    if (given === undefined) trainer.notice(`${file}: does not say its ${field}; taken for ${own}`);
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
