// LeNet-5 in Weft itself, from the built package: run `npm install && npm run build` in the repository's root first.
import { importWeft } from "../weft-build.mjs";
import { trainingSession } from "../weft-training.mjs";

/**
 * The interface of every file in this folder and those beside it, whose problems have other inputs.
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
 * of the last one. Weft's sessions also have `profile()`: milliseconds of each dispatch of a step.
 */
export async function create({ weights, images, labels, batch, gpu }) {
  const weft = await importWeft();
  const { GpuBackend, nn, ops, input } = weft;
  const backend = await GpuBackend.open(await gpu.requestAdapter());
  const net = {
    conv1: nn.conv2d(1, 6, 5, { padding: 2 }),
    conv2: nn.conv2d(6, 16, 5),
    fc1: nn.linear(400, 120),
    fc2: nn.linear(120, 84),
    fc3: nn.linear(84, 10),
    forward(x) {
      const a = ops.maxPool2d(ops.relu(this.conv1.forward(x)), 2);
      const b = ops.maxPool2d(ops.relu(this.conv2.forward(a)), 2);
      return this.fc3.forward(ops.relu(this.fc2.forward(ops.relu(this.fc1.forward(ops.flatten(b))))));
    },
  };
  const named = nn.namedParameters(net);
  const x = input([batch, 1, 28, 28]);
  const target = input([batch], "i32");
  const { loss } = ops.crossEntropy(net.forward(x), target);
  const data = [
    [x, images],
    [target, labels],
  ];
  return trainingSession(weft, { backend, named, weights, data, loss });
}
