/** `weft predict FILE image…`: what a saved model takes images for. */

import { DataError, ValueError } from "../../../common/errors.ts";
import { imageToSample, toGrey } from "../../../data/images/resize.ts";
import type { SampleArray } from "../../../data/lazy-inputs.ts";
import { formatShape } from "../../../graph/spec.ts";
import { sgd } from "../../../optim/index.ts";
import { shares } from "../../../report/answers.ts";
import { predict as predictAll } from "../../../train/loop/predict.ts";
import { Trainer } from "../../../train/loop/trainer.ts";
import { openDevice } from "../../device/open-device.ts";
import { readPlainFile } from "../../files/plain-file.ts";
import { decodeImage } from "../../images/decode-image.ts";
import { MOST_FILE } from "../../images/image-folder.ts";
import { type ModelInputs, readSavedModel } from "../data/saved-model.ts";
import type { DeviceFlags } from "../options/device-options.ts";
import { percent } from "../output/format.ts";
import { say } from "../output/terminal.ts";

export interface PredictFlags extends DeviceFlags {
  readonly recipe?: string;
  readonly top: number;
  readonly invert?: true;
  readonly json?: true;
}

export async function predict(file: string, images: readonly string[], flags: PredictFlags): Promise<number> {
  const { bytes, recipe, options, inputs } = await readSavedModel(file, flags.recipe);
  const samples = await readSamples(images, inputs, recipe.name, flags.invert === true);
  const backend = await openDevice({ backend: flags.backend });
  try {
    const loss = recipe.loss(options);
    const trainer = await Trainer.create(backend, {
      model: recipe.model(options),
      loss,
      // Asking changes nothing: any optimizer will do, and this one has no states to look for in the file.
      optimizer: sgd({ learningRate: 0 }),
      batchSize: images.length,
    });
    await trainer.fromSafetensors(bytes, file);
    const { values, shape } = await predictAll(trainer, { count: images.length, inputs: samples });
    const each = shape.reduce((size, extent) => size * extent, 1);
    const certain = loss.classes && each > 1 ? shares(values, each) : Float64Array.from(values);
    images.forEach((image, i) => {
      const row = Array.from(certain.subarray(i * each, (i + 1) * each));
      tell(image, row, loss.classes && each > 1, inputs, flags);
    });
    return 0;
  } finally {
    await backend.close();
  }
}

function tell(
  image: string,
  row: readonly number[],
  classes: boolean,
  { classNames }: ModelInputs,
  flags: PredictFlags,
) {
  if (!classes) {
    const values = row.map((value) => Number(value.toPrecision(6)));
    return say(flags.json ? JSON.stringify({ image, values }) : `${image}: ${values.join(", ")}`);
  }
  const best = row
    .map((share, label) => ({ class: classNames?.[label] ?? String(label), share }))
    .sort((a, b) => b.share - a.share)
    .slice(0, flags.top);
  say(
    flags.json
      ? JSON.stringify({ image, classes: best })
      : `${image}: ${best.map((guess) => `${guess.class} (${percent(guess.share)})`).join(", ")}`,
  );
}

/** All images in the form that the model takes. Throws DataError, naming the file, on what can't be read. */
async function readSamples(
  images: readonly string[],
  { shape, scale = 1, offset = 0 }: ModelInputs,
  recipe: string,
  invert: boolean,
): Promise<SampleArray> {
  const [channels, height = 0, width = 0] = shape;
  if (shape.length !== 3 || (channels !== 1 && channels !== 3)) {
    throw new ValueError(
      `weft predict: recipe ${recipe} takes samples of ${formatShape(shape)}, which are no images`,
    );
  }
  const size = channels * height * width;
  const data = new Uint8Array(images.length * size);
  for (const [i, image] of images.entries()) {
    const bytes = await readPlainFile(image, MOST_FILE).catch((error: Error) => {
      if ((error.cause as NodeJS.ErrnoException | undefined)?.code !== "ENOENT") throw error;
      throw new DataError(`${image}: there is no such file`, { cause: error });
    });
    const sample = imageToSample(decodeImage(bytes, { name: image }), { height, width });
    data.set(channels === 1 ? toGrey(sample, height * width) : sample, i * size);
  }
  if (invert)
    data.forEach((value, i) => {
      data[i] = 255 - value;
    });
  return { data, shape, scale, offset };
}
