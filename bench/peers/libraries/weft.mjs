// Weft itself, from the built package: run `npm install && npm run build` in the repository's root first.
// To be filled in when the library can compile LeNet-5; until then its row says so and the other rows still run.
import { existsSync } from "node:fs";

const LIBRARY = new URL("../../../dist/index.js", import.meta.url);
const DEVICE = new URL("../../../dist/node.js", import.meta.url);

/**
 * The interface of every file in this folder.
 * @param {object} problem
 * @param {Record<string, { shape: number[], data: Float32Array }>} problem.weights "conv1.weight" ... "fc3.bias", PyTorch layout
 * @param {Float32Array} problem.images [batch, 1, 28, 28]
 * @param {Int32Array} problem.labels [batch]
 * @param {number} problem.batch
 * @param {GPU} problem.gpu the process's one WebGPU entry point, also at navigator.gpu
 * @returns {Promise<{
 *   firstLosses(n: number): Promise<number[]>,
 *   steps(k: number): Promise<number>,
 * }>} `firstLosses` does the next n training steps and reads the loss of each (the loss before that step's update);
 * `steps` does k training steps, waits until the device has finished all of them, updates included, and gives the loss
 * of the last one.
 */
export async function create(_problem) {
  if (!existsSync(LIBRARY) || !existsSync(DEVICE))
    throw unavailable("weft is not built: npm run build in the root");
  throw unavailable("this file is not filled in yet");
}

function unavailable(message) {
  return Object.assign(new Error(message), { name: "Unavailable" });
}
