/** `weft compile`: compiles a recipe's training run ahead of time into a file that `weft/replay` runs in a page. */
import { gzipSync } from "node:zlib";
import { recipe as recipeOf } from "../../../recipes/index.ts";
import { recipeRun } from "../../../recipes/run.ts";
import type { OptimizerName } from "../../../recipes/update-names.ts";
import { compileAheadOfTime, targetOf } from "../../../replay/compile.ts";
import { GpuBackend } from "../../../runtime/gpu/backend.ts";
import { defined } from "../../../validation/defined.ts";
import { DeviceError } from "../../../validation/errors.ts";
import { writeFileAtomic } from "../../files/atomic-write.ts";
import { expectDataset, trainingData } from "../data/published-data.ts";
import { withDevice } from "../device-and-data.ts";
import { interruptSignal } from "../interrupt.ts";
import type { DataFlags } from "../options/shared-options.ts";
import { print, printError, printJson } from "../output/terminal.ts";
import { expectOutputs } from "../training/check-outputs.ts";

export interface CompileFlags extends DataFlags {
  readonly out?: string;
  readonly batchSize?: number;
  readonly epochs?: number;
  readonly lr?: number;
  readonly optimizer?: OptimizerName;
  readonly seed: number;
  readonly predict: number;
  readonly thisAdapter?: true;
  readonly json?: true;
}

export async function compile(name: string, flags: CompileFlags): Promise<number> {
  const recipe = recipeOf(name);
  if (flags.dataset !== undefined) expectDataset(flags.dataset);
  const { out = `${recipe.name}.program.json`, batchSize, epochs, lr, optimizer, seed, predict } = flags;
  const { dataset = recipe.dataset, dataDir } = flags;
  await expectOutputs([["--out", out]], { dataset, dataDir });
  const signal = interruptSignal();
  const { train, test } = await trainingData(recipe, flags, { signal, notice: printError });
  const settings = defined({ seed, batchSize, epochs, learningRate: lr, optimizer });
  const { trainer } = recipeRun(recipe, train, settings);
  const target = flags.thisAdapter ? { target: await thisAdapter() } : {};
  const program = await compileAheadOfTime(trainer, { train, test, predict, ...target });
  const text = JSON.stringify(program);
  await writeFileAtomic(out, Buffer.from(text));
  const figures = {
    recipe: recipe.name,
    file: out,
    dispatches: program.train.dispatches.length,
    pipelines: program.kernels.length,
    bytes: text.length,
    gzipped: gzipSync(text, { level: 9 }).length,
    trainSamples: train.count,
    testSamples: test.count,
  };
  if (flags.json) printJson(figures);
  else {
    const { dispatches, gzipped } = figures;
    print(
      `${recipe.name} for ${train.count} training and ${test.count} test samples: ${dispatches} dispatches per step.`,
      `Saved to ${out}, ${(gzipped / 1000).toFixed(1)} KB gzipped; run it with openProgram of weft/replay.`,
    );
  }
  return 0;
}

const thisAdapter = () =>
  withDevice({ backend: "webgpu" }, async (backend) => {
    if (!(backend instanceof GpuBackend)) throw new DeviceError("compile: --this-adapter needs WebGPU");
    return targetOf(backend.device);
  });
