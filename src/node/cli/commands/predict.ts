/** `weft predict FILE image…`: classifies images, or predicts their values, with a saved model. */

import { imageToSample, toGrey } from "../../../data/images/resize.ts";
import type { SampleArray } from "../../../data/lazy-inputs.ts";
import { formatShape } from "../../../graph/spec.ts";
import { shares } from "../../../report/answers.ts";
import { predict as predictAll } from "../../../train/predict/predict.ts";
import { DataError, ValueError } from "../../../validation/errors.ts";
import { readPlainFile } from "../../files/plain-file.ts";
import { decodeImage } from "../../images/decode-image.ts";
import { MOST_FILE_BYTES } from "../../images/image-folder.ts";
import { inputsOf, type ModelInputs, openSavedModel, readSavedModel } from "../data/saved-model.ts";
import { withDevice } from "../device-and-data.ts";
import type { DeviceFlags } from "../options/shared-options.ts";
import { percent } from "../output/format.ts";
import { print, printJson } from "../output/terminal.ts";

export interface PredictFlags extends DeviceFlags {
  readonly recipe?: string;
  readonly top: number;
  readonly invert?: true;
  readonly json?: true;
}

export async function predict(file: string, images: readonly string[], flags: PredictFlags): Promise<number> {
  const saved = await readSavedModel(file, flags.recipe);
  const inputs = inputsOf(saved);
  const samples = await readSamples(images, inputs, saved.recipe.name, flags.invert === true);
  await withDevice({ backend: flags.backend }, async (backend) => {
    const trainer = await openSavedModel(backend, saved, { batchSize: images.length });
    const { values, shape } = await predictAll(trainer, { count: images.length, inputs: samples });
    const each = shape.reduce((size, extent) => size * extent, 1);
    const isClassifier = saved.loss.classes && each > 1;
    const outputs = isClassifier ? shares(values, each) : Float64Array.from(values);
    images.forEach((image, i) => {
      const row = Array.from(outputs.subarray(i * each, (i + 1) * each));
      if (isClassifier) printClasses(image, row, inputs, flags);
      else printValues(image, row, flags);
    });
  });
  return 0;
}

function printValues(image: string, row: readonly number[], { json }: PredictFlags): void {
  const values = row.map((value) => Number(value.toPrecision(6)));
  if (json) printJson({ image, values });
  else print(`${image}: ${values.join(", ")}`);
}

function printClasses(
  image: string,
  row: readonly number[],
  { classNames }: ModelInputs,
  { json, top }: PredictFlags,
): void {
  const classes = row
    .map((share, label) => ({ class: classNames?.[label] ?? String(label), share }))
    .sort((a, b) => b.share - a.share)
    .slice(0, top);
  if (json) printJson({ image, classes });
  else print(`${image}: ${classes.map((guess) => `${guess.class} (${percent(guess.share)})`).join(", ")}`);
}

/** All images as the model's input. Throws DataError, naming the file, where one can't be read. */
async function readSamples(
  images: readonly string[],
  { shape, scale = 1, offset = 0 }: ModelInputs,
  recipe: string,
  invert: boolean,
): Promise<SampleArray> {
  const [channels, height = 0, width = 0] = shape;
  if (shape.length !== 3 || (channels !== 1 && channels !== 3)) {
    throw new ValueError(
      `weft predict: recipe ${recipe} takes samples of shape ${formatShape(shape)}, not images`,
    );
  }
  const size = channels * height * width;
  const data = new Uint8Array(images.length * size);
  for (const [i, image] of images.entries()) {
    const bytes = await readPlainFile(image, MOST_FILE_BYTES).catch((error: Error) => {
      if ((error.cause as NodeJS.ErrnoException | undefined)?.code !== "ENOENT") throw error;
      throw new DataError(`${image}: there is no such file`, { cause: error });
    });
    const sample = imageToSample(decodeImage(bytes, { name: image }), { height, width });
    data.set(channels === 1 ? toGrey(sample, height * width) : sample, i * size);
  }
  const given = invert ? data.map((value) => 255 - value) : data;
  return { data: given, shape, scale, offset };
}
