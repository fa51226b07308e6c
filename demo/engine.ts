/**
 * The engine of a run: a trainer, and probes that read values inside its model. The default settings use a program compiled
 * ahead of time, which is all that most visitors download; other settings are traced in the page.
 */
import type { AnyTrainer, CompileProgress } from "../src/index.ts";
import { adapterKind, adapterName } from "../src/replay/index.ts";
import { findAdapter } from "./adapter.ts";
import { compiledEngine } from "./compiled-engine.ts";
import type { Probes } from "./probe.ts";
import type { DeviceInfo } from "./protocol.ts";
import { DEFAULTS, type Settings } from "./settings.ts";

export interface Engine {
  readonly trainer: AnyTrainer;
  readonly probes: Probes;
}

/** Settings that are fixed in a program compiled ahead of time. */
const COMPILED = ["recipe", "optimizer", "batch", "conv", "device"] as const;

/** The device that a run would use. */
export async function findDevice(device: Settings["device"]): Promise<DeviceInfo> {
  const adapter = device === "cpu" ? null : await findAdapter();
  if (adapter !== null) {
    const { info } = adapter;
    return { adapter: adapterName(info), kind: "webgpu", software: adapterKind(info) === "software" };
  }
  const { openDevice } = await import("./traced-engine.ts");
  return describe(await openDevice({ backend: "cpu" }));
}

/** `shape` of one sample. */
export async function openEngine(
  settings: Settings,
  shape: readonly number[],
  onCompile: (progress: CompileProgress) => void,
): Promise<Engine> {
  const adapter = settings.device === "cpu" ? null : await findAdapter();
  const isCompiled = COMPILED.every((name) => settings[name] === DEFAULTS[name]);
  const engine =
    adapter !== null && isCompiled ? await compiledEngine(settings, adapter, onCompile) : undefined;
  return engine ?? (await import("./traced-engine.ts")).tracedEngine(settings, shape, onCompile);
}

export function describe({ adapter, kind, software }: AnyTrainer["backend"]): DeviceInfo {
  return { adapter, kind, software };
}
