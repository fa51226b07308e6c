/** Parameters and buffers by name, from a trainer and into one: PyTorch's `state_dict` and `load_state_dict`. */
import { readSafetensors, type TensorToStore, writeSafetensors } from "../../io/safetensors.ts";
import type { AnyTrainer } from "../loop/any-trainer.ts";
import { checkTrainer } from "../loop/options.ts";

/** Values by PyTorch's names: `0.weight`, `1.running_mean`. Iterable, so that `writeSafetensors` takes it as it is. */
export type StateDict = ReadonlyMap<string, TensorToStore>;

/** Copies of every parameter and buffer of the model after all steps so far. */
export async function stateDict(trainer: AnyTrainer): Promise<StateDict> {
  checkTrainer("stateDict", trainer);
  const { tensors } = readSafetensors(await trainer.toSafetensors());
  const names = [...trainer.parameters.keys(), ...trainer.buffers.keys()];
  return new Map(
    names.flatMap((name) => (tensors.has(name) ? [[name, tensors.get(name) as TensorToStore]] : [])),
  );
}

/**
 * Takes parameters and buffers from `dict`; optimizer states and step stay. Rejects with a FormatError that names what is
 * missing, unknown or of another shape, and then changes nothing.
 */
export async function loadStateDict(
  trainer: AnyTrainer,
  dict: Iterable<readonly [string, TensorToStore]>,
): Promise<void> {
  checkTrainer("loadStateDict", trainer);
  await trainer.fromSafetensors(writeSafetensors(dict), "state dict");
}
