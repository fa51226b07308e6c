// The GPT in Weft, as a user trains it: a trainer on a data set, here of one batch. The interface is described in ../lenet5/weft.mjs.
import { ADAMW } from "../../settings.mjs";
import { importWeft } from "../weft-build.mjs";

export async function create({ sizes, weights, tokens, labels, batch, gpu }) {
  const { GpuBackend, io, nn, optim, Trainer } = await importWeft();
  const device = await GpuBackend.open(await gpu.requestAdapter());
  const { learningRate, weightDecay, clipNorm } = ADAMW;
  const trainer = await Trainer.create(device, {
    model: nn.gpt(sizes),
    loss: nn.crossEntropy({ classAxis: -1 }),
    optimizer: optim.adamw({ learningRate, weightDecay, clipNorm }),
    batchSize: batch,
  });
  await trainer.fromSafetensors(io.writeSafetensors(Object.entries(weights)));
  const shape = [sizes.contextLength];
  const set = {
    name: "tokens",
    split: "train",
    count: batch,
    inputs: { shape, data: tokens },
    labels,
    labelShape: shape,
    classes: sizes.vocabSize,
  };
  /** Losses of the next n steps; all of them are done when it resolves. */
  const fit = async (n) => {
    const losses = [];
    const onSteps = (_, steps) => losses.push(...steps.map(({ loss }) => loss));
    await trainer.fit(set, { steps: n, onSteps });
    return losses;
  };
  return {
    firstLosses: fit,
    steps: async (k) => (await fit(k)).at(-1),
    profile: () => trainer.profile(set),
  };
}
