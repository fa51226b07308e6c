/** Compiles the page's default run ahead of time, for GPUs and for software adapters. Runs when the page is built. */
import {
  type AheadOfTimeProgram,
  type CompileTarget,
  compileAheadOfTime,
  nn,
  optim,
  PORTABLE,
} from "../src/index.ts";
import { networks } from "./networks.ts";
import { MANY } from "./probe.ts";
import { probeGraph } from "./probe-graph.ts";
import { DEFAULTS } from "./settings.ts";

async function compilePage(target: CompileTarget): Promise<AheadOfTimeProgram> {
  const shape = [1, 28, 28];
  const images = {
    name: "images",
    split: "train",
    count: DEFAULTS.batch,
    inputs: { data: new Uint8Array(DEFAULTS.batch * 784), shape, scale: 1 / 255 },
    labels: new Int32Array(DEFAULTS.batch),
    classes: 10,
  };
  const model = (networks[DEFAULTS.recipe] as () => nn.Layer)();
  const look = (batch: number, inside: boolean) => {
    const { x, probabilities, stages } = probeGraph(model, shape, batch, inside);
    return { inputs: { x }, outputs: { probabilities, ...Object.fromEntries(stages) } };
  };
  const options = {
    model,
    loss: nn.crossEntropy(),
    optimizer: optim.adam({ learningRate: DEFAULTS.rate }),
    batchSize: DEFAULTS.batch,
    evalBatchSize: MANY,
  };
  return compileAheadOfTime(options, {
    train: images,
    test: images,
    programs: { one: look(1, false), inside: look(1, true), many: look(MANY, false) },
    target,
  });
}

/** Compiled when this module is imported, because its importer can't use the library afterwards. */
export const programs: Readonly<Record<string, AheadOfTimeProgram>> = {
  gpu: await compilePage(PORTABLE),
  // For SwiftShader, which is part of browsers.
  software: await compilePage({ ...PORTABLE, software: true, subgroupSize: 4 }),
};
