// The training problem of all libraries: LeNet-5's initial weights, a batch of images with labels, the
// optimizer's settings, and the losses that a correct run must show. All of it comes from the golden fixtures.
import { readFileSync } from "node:fs";

const FOLDER = new URL("../../test/fixtures/golden/lenet5/", import.meta.url);

/**
 * Weights as `{ "conv1.weight": { shape, data } }`, images as Float32Array [batch, 1, 28, 28], labels as Int32Array
 * [batch]. Batches other than 64 repeat the 64 images in order.
 */
export function loadProblem(batch) {
  const weights = readSafetensors("initial_weights.safetensors");
  const { images, labels } = readSafetensors("images.safetensors");
  return {
    batch,
    weights,
    images: tile(images.data, images.data.length / labels.data.length, batch),
    labels: tile(labels.data, 1, batch),
  };
}

/**
 * The loss before each of the first five steps and after the fifth. Repeating all 64 images leaves the mean loss and
 * its gradient as they were, so the golden trajectory holds for every multiple of 64; for others returns undefined.
 */
export function goldenLosses(batch) {
  if (batch % 64 !== 0) return undefined;
  const trajectory = JSON.parse(readFileSync(new URL("trajectory.json", FOLDER), "utf8"));
  return [...trajectory.loss_before_each_step, trajectory.loss_after_step_5];
}

function tile(data, perImage, batch) {
  const result = new data.constructor(batch * perImage);
  for (let i = 0; i < result.length; i++) result[i] = data[i % data.length];
  return result;
}

function readSafetensors(name) {
  const file = readFileSync(new URL(name, FOLDER));
  const headerLength = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + headerLength).toString("utf8"));
  const types = { F32: Float32Array, I32: Int32Array };
  const tensors = {};
  for (const [key, entry] of Object.entries(header)) {
    if (key === "__metadata__") continue;
    const [begin, end] = entry.data_offsets.map((offset) => offset + 8 + headerLength);
    tensors[key] = {
      shape: entry.shape,
      data: new types[entry.dtype](file.buffer.slice(file.byteOffset + begin, file.byteOffset + end)),
    };
  }
  return tensors;
}
