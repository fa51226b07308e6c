/** What the page's recordings hold, one for GPUs and one for software adapters. Runs when the page is built. */
import {
  type AheadOfTimeProgram,
  type CompileTarget,
  compileAheadOfTime,
  nn,
  optim,
  PORTABLE,
} from "../src/index.ts";
import { lookGraph } from "./look-graph.ts";
import { networks } from "./networks.ts";
import { MANY } from "./probe.ts";
import { DEFAULTS } from "./settings.ts";

async function recordPage(target: CompileTarget): Promise<AheadOfTimeProgram> {
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
    const { x, probabilities, stages } = lookGraph(model, shape, batch, inside);
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

/** Made while this module is imported: its importer has no more of the library afterwards. */
export const recordings: Readonly<Record<string, AheadOfTimeProgram>> = {
  gpu: await recordPage(PORTABLE),
  // For SwiftShader, which browsers bring along.
  software: await recordPage({ ...PORTABLE, software: true, subgroupSize: 4 }),
};
