/** Runs with the default settings, from a program compiled when the page was built; compile-page.ts defines its content. */
import type { CompileProgress } from "../src/index.ts";
import { type AheadOfTimeTrainer, adapterKind, openProgram } from "../src/replay/index.ts";
import { findAdapter } from "./adapter.ts";
import type { Engine } from "./engine.ts";
import type { Probe } from "./probe.ts";
import type { Settings } from "./settings.ts";

/** Undefined where no compiled program suits the adapter. */
export async function compiledEngine(
  { rate, seed }: Settings,
  adapter: GPUAdapter,
  onCompile: (progress: CompileProgress) => void,
): Promise<Engine | undefined> {
  const software = adapterKind(adapter.info) === "software";
  const { subgroupMinSize, subgroupMaxSize } = adapter.info;
  const { default: program } = software
    ? await import("virtual:compiled-programs/software")
    : await import("virtual:compiled-programs/gpu");
  const { subgroupSize } = program as AheadOfTimeTrainer["program"];
  const suits =
    subgroupSize === 0 || [subgroupMinSize, subgroupMaxSize].every((size) => size === subgroupSize);
  if (!suits) return undefined;
  const trainer = await openProgram(program, adapter, {
    seed,
    onCompile,
    reopen: findAdapter,
    // Where steps take long, one per submit: a drawing then waits for one step only.
    ...(software ? { stepsPerSubmit: 1 } : {}),
  });
  trainer.setLearningRate(rate);
  return {
    trainer,
    probes: {
      one: new CompiledProbe(trainer, "one"),
      inside: new CompiledProbe(trainer, "inside"),
      many: new CompiledProbe(trainer, "many"),
    },
  };
}

/** A program with an input x, and the outputs `probabilities` and each stage by its title. */
class CompiledProbe implements Probe {
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
