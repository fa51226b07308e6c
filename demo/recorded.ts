/** Runs of the usual set-up, compiled when the page was built: record-page.ts says what is in such a program. */
import type { CompileProgress } from "../src/index.ts";
import { type AheadOfTimeTrainer, adapterKind, openProgram } from "../src/replay/index.ts";
import { findAdapter } from "./adapter.ts";
import type { Engine } from "./engine.ts";
import type { Probe } from "./probe.ts";
import type { Settings } from "./settings.ts";

/** Undefined where there is no program that suits the adapter. */
export async function recordedEngine(
  { rate, seed }: Settings,
  adapter: GPUAdapter,
  onCompile: (progress: CompileProgress) => void,
): Promise<Engine | undefined> {
  const software = adapterKind(adapter.info) === "software";
  const { subgroupMinSize, subgroupMaxSize } = adapter.info;
  const chosen = software
    ? import("virtual:recordings/software").then(({ default: recording }) => recording)
    : import("virtual:recordings/gpu").then(({ default: recording }) => recording);
  const recording = await chosen;
  const { subgroupSize } = recording as AheadOfTimeTrainer["program"];
  const suits =
    subgroupSize === 0 || [subgroupMinSize, subgroupMaxSize].every((size) => size === subgroupSize);
  if (!suits) return undefined;
  const trainer = await openProgram(recording, adapter, {
    seed,
    onCompile,
    reopen: findAdapter,
    // Where a step takes long, every step is told by itself; a drawing then never waits behind many of them.
    ...(software ? { stepsPerSubmit: 1 } : {}),
  });
  trainer.setLearningRate(rate);
  return {
    trainer,
    probes: {
      one: new RecordedProbe(trainer, "one"),
      inside: new RecordedProbe(trainer, "inside"),
      many: new RecordedProbe(trainer, "many"),
    },
  };
}

/** A program with an input x; its outputs are the probabilities and the stages, called by their titles. */
class RecordedProbe implements Probe {
  readonly batch: number;
  readonly stages: Probe["stages"];

  constructor(
    readonly trainer: AheadOfTimeTrainer,
    readonly name: string,
  ) {
    const { inputs = new Map(), outputs = new Map() } = trainer.signature(name) ?? {};
    this.batch = inputs.get("x")?.shape[0] ?? 1;
    this.stages = [...outputs].slice(1).map(([title, { shape }]) => ({ title, shape }));
  }

  async run(x: Float32Array): Promise<readonly [Float32Array, ...Float32Array[]]> {
    const { probabilities, ...stages } = await this.trainer.run(this.name, { x });
    return [probabilities as Float32Array, ...this.stages.map(({ title }) => stages[title] as Float32Array)];
  }
}
