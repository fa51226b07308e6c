/** Parameters and buffers by name, out of a run and into one: PyTorch's `state_dict` and `load_state_dict`. */
import { readSafetensors, type TensorToStore, writeSafetensors } from "../../io/safetensors.ts";
import { checkTrainer } from "../loop/options.ts";
import type { TrainerCore } from "../loop/trainer-core.ts";

/** Values by PyTorch's names: `0.weight`, `1.running_mean`. Iterable, so it can go to `writeSafetensors` as it is. */
export type StateDict = ReadonlyMap<string, TensorToStore>;

/** Every parameter and buffer of the model as it is after all steps so far. Copies; later steps don't change them. */
export async function stateDict(trainer: TrainerCore): Promise<StateDict> {
  checkTrainer("stateDict", trainer);
  const { tensors } = readSafetensors(await trainer.toSafetensors());
  const names = [...trainer.parameters.keys(), ...trainer.buffers.keys()];
  return new Map(
    names.flatMap((name) => (tensors.has(name) ? [[name, tensors.get(name) as TensorToStore]] : [])),
  );
}

/**
 * Takes parameters and buffers from `dict`; moments and step stay. Rejects with a FormatError naming what is missing,
 * unknown or of another shape, and then changes nothing.
 */
export async function loadStateDict(
  trainer: TrainerCore,
  dict: Iterable<readonly [string, TensorToStore]>,
): Promise<void> {
  checkTrainer("loadStateDict", trainer);
  await trainer.fromSafetensors(writeSafetensors(dict), "state dict");
}
