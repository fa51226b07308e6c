/** `weft compile`: compiles a recipe's training run ahead of time into a file that `weft/replay` runs in a page. */
import { gzipSync } from "node:zlib";
import { DeviceError } from "../../../common/errors.ts";
import { recipe as recipeOf } from "../../../recipes/index.ts";
import { recipeRun } from "../../../recipes/run.ts";
import type { OptimizerName } from "../../../recipes/update-names.ts";
import { compileAheadOfTime, targetOf } from "../../../replay/compile.ts";
import { GpuBackend } from "../../../runtime/gpu/backend.ts";
import { openDevice } from "../../device/open-device.ts";
import { writeFileAtomic } from "../../files/atomic-write.ts";
import { expectDataset } from "../data/published-data.ts";
import { type DataFlags, dataFor } from "../data/recipe-data.ts";
import { interruptSignal } from "../interrupt.ts";
import { aside, say, sayJson } from "../output/terminal.ts";
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
  const data = await dataFor(recipe, flags, interruptSignal(), aside);
  const { trainer } = recipeRun(recipe, data.train, {
    seed,
    ...(batchSize === undefined ? {} : { batchSize }),
    ...(epochs === undefined ? {} : { epochs }),
    ...(lr === undefined ? {} : { learningRate: lr }),
    ...(optimizer === undefined ? {} : { optimizer }),
  });
  const target = flags.thisAdapter ? { target: await thisAdapter() } : {};
  const program = await compileAheadOfTime(trainer, {
    train: data.train,
    test: data.test,
    predict,
    ...target,
  });
  const text = JSON.stringify(program);
  await writeFileAtomic(out, Buffer.from(text));
  const figures = {
    recipe: recipe.name,
    file: out,
    dispatches: program.train.dispatches.length,
    pipelines: program.kernels.length,
    bytes: text.length,
    gzipped: gzipSync(text, { level: 9 }).length,
    trainSamples: data.train.count,
    testSamples: data.test.count,
  };
  if (flags.json) sayJson(figures);
  else say(...words(figures));
  return 0;
}

async function thisAdapter() {
  const backend = await openDevice({ backend: "webgpu" });
  try {
    if (!(backend instanceof GpuBackend)) throw new DeviceError("compile: --this-adapter needs WebGPU");
    return targetOf(backend.device);
  } finally {
    await backend.close();
  }
}

interface Figures {
  readonly recipe: string;
  readonly file: string;
  readonly dispatches: number;
  readonly gzipped: number;
  readonly trainSamples: number;
  readonly testSamples: number;
}

const words = ({ recipe, file, dispatches, gzipped, trainSamples, testSamples }: Figures) => [
  `${recipe} for ${trainSamples} training and ${testSamples} test samples: ${dispatches} dispatches a step.`,
  `Saved to ${file}, ${(gzipped / 1000).toFixed(1)} KB gzipped; openProgram of weft/replay runs it.`,
];
