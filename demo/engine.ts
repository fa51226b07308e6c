/**
 * What a run runs on: a trainer and ways to look into its model. The usual set-up was compiled ahead of time, which is all
 * that most visitors ever fetch; any other one is traced here.
 */
import type { AnyTrainer, CompileProgress } from "../src/index.ts";
import { adapterKind, adapterName } from "../src/replay/index.ts";
import { findAdapter } from "./adapter.ts";
import type { Probes } from "./probe.ts";
import type { DeviceInfo } from "./protocol.ts";
import { recordedEngine } from "./recorded.ts";
import { DEFAULTS, type Settings } from "./settings.ts";

export interface Engine {
  readonly trainer: AnyTrainer;
  readonly probes: Probes;
}

/** Settings that are part of a program compiled ahead of time; the others are free. */
const RECORDED = ["recipe", "optimizer", "batch", "conv", "device"] as const;

/** The device that a run would be on. */
export async function findDevice(device: Settings["device"]): Promise<DeviceInfo> {
  const adapter = device === "cpu" ? null : await findAdapter();
  if (adapter !== null) {
    const { info } = adapter;
    return { adapter: adapterName(info), kind: "webgpu", software: adapterKind(info) === "software" };
  }
  const { openDevice } = await import("./traced.ts");
  return describe(await openDevice({ backend: "cpu" }));
}

/** `shape` of one sample. */
export async function openEngine(
  settings: Settings,
  shape: readonly number[],
  onCompile: (progress: CompileProgress) => void,
): Promise<Engine> {
  const adapter = settings.device === "cpu" ? null : await findAdapter();
  const usual = RECORDED.every((name) => settings[name] === DEFAULTS[name]);
  const engine = adapter !== null && usual ? await recordedEngine(settings, adapter, onCompile) : undefined;
  return engine ?? (await import("./traced.ts")).tracedEngine(settings, shape, onCompile);
}

export function describe({ adapter, kind, software }: AnyTrainer["backend"]): DeviceInfo {
  return { adapter, kind, software };
}
