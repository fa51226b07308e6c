/** File formats for tensors. */
export { readSafetensors, writeSafetensors } from "./safetensors.ts";
