/** Options that several commands share. */
import { Option } from "commander";

export interface DeviceFlags {
  readonly backend: "auto" | "webgpu" | "cpu";
}

export const backendOption = () =>
  new Option("--backend <name>", "where to compute; auto takes WebGPU if there is any")
    .choices(["auto", "webgpu", "cpu"])
    .default("auto");

export const dataDirOption = () =>
  new Option("--data-dir <folder>", "where data sets lie (default: WEFT_DATA, else the cache folder)");

export const jsonOption = () => new Option("--json", "one JSON object per line on stdout, nothing else");
