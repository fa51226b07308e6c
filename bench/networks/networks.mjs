// The networks whose training steps are timed: their layers, batch sizes and data. Losses of the first steps are compared with
// golden.json, which golden.mjs computes with the 64-bit CPU reference.

/** Number of distinct samples. Larger batches repeat them, which does not change mean loss, gradients and batch statistics. */
export const DISTINCT = 16;
export const CHECKED_STEPS = 3;
const IMAGE = [1, 28, 28];
const COLOUR = [3, 32, 32];

/**
 * @typedef {object} Network
 * @property {number[]} input shape of a sample
 * @property {number[]} batches on software adapters
 * @property {number[]} hardware batches on hardware adapters
 * @property {[number, number]} tolerance largest relative difference of the first loss, and of the later ones, which is larger:
 *   Adam's first updates divide each gradient by its own size, so the sign of a gradient that is only rounding error matters
 * @property {(weft: object) => object} model a layer of Weft's
 */

/** @type {Record<string, Network>} */
export const networks = {
  lenet5: {
    input: IMAGE,
    batches: [1, 16, 64, 256, 1024],
    hardware: [1, 16, 64, 256, 1024],
    tolerance: [1e-5, 1e-5],
    model: ({ recipes }) => recipes.lenet5(),
  },
  ...Object.fromEntries([128, 256, 512, 1024].map((width) => [`mlp-${width}`, mlp(width)])),
  vgg: { input: COLOUR, batches: [16], hardware: [128], tolerance: [1e-5, 1e-4], model: vgg },
  resnet20: { input: COLOUR, batches: [16], hardware: [128], tolerance: [1e-5, 1e-2], model: resnet20 },
};

/** The network whose cost against width is plotted: 784-width-width-10. */
export const widthOf = (name) => Number(/^mlp-(\d+)$/.exec(name)?.[1]);

function mlp(width) {
  return {
    input: IMAGE,
    batches: [64],
    hardware: [64],
    tolerance: [1e-5, 1e-5],
    model: ({ nn }) =>
      nn.sequential(
        nn.flatten(),
        nn.linear(784, width),
        nn.relu(),
        nn.linear(width, width),
        nn.relu(),
        nn.linear(width, 10),
      ),
  };
}

/** 3x3 convolutions 32-32-64-64-128-128, pooled after each pair. */
function vgg({ nn }) {
  const block = (from, to) => [
    nn.conv2d(from, to, 3, { padding: 1 }),
    nn.relu(),
    nn.conv2d(to, to, 3, { padding: 1 }),
    nn.relu(),
    nn.maxPool2d(2),
  ];
  return nn.sequential(
    ...block(3, 32),
    ...block(32, 64),
    ...block(64, 128),
    nn.flatten(),
    nn.linear(128 * 16, 128),
    nn.relu(),
    nn.linear(128, 10),
  );
}

/** He, Zhang, Ren, Sun, "Deep residual learning for image recognition", 2015, section 4.2, with projections. */
function resnet20({ nn }) {
  const block = (from, to, stride) => {
    const main = nn.sequential(
      nn.conv2d(from, to, 3, { padding: 1, stride, bias: false }),
      nn.batchNorm2d(to),
      nn.relu(),
      nn.conv2d(to, to, 3, { padding: 1, bias: false }),
      nn.batchNorm2d(to),
    );
    const project = () => nn.sequential(nn.conv2d(from, to, 1, { stride, bias: false }), nn.batchNorm2d(to));
    return [nn.residual(main, from === to ? undefined : project()), nn.relu()];
  };
  const stage = (from, to, stride) => [...block(from, to, stride), ...block(to, to, 1), ...block(to, to, 1)];
  return nn.sequential(
    nn.conv2d(3, 16, 3, { padding: 1, bias: false }),
    nn.batchNorm2d(16),
    nn.relu(),
    ...stage(16, 16, 1),
    ...stage(16, 32, 2),
    ...stage(32, 64, 2),
    nn.globalAvgPool2d(),
    nn.flatten(),
    nn.linear(64, 10),
  );
}

/** Images [batch, …] in [-1, 1) and labels, always the same. */
export function batchOf(input, batch) {
  const size = input.reduce((n, d) => n * d, 1);
  const images = new Float32Array(batch * size);
  const labels = new Int32Array(batch);
  for (let i = 0; i < batch; i++) {
    const sample = i % DISTINCT;
    labels[i] = (sample * 7) % 10;
    // A golden-ratio sequence: evenly spread, no generator needed.
    for (let j = 0; j < size; j++) {
      const place = sample * size + j;
      images[i * size + j] = 2 * ((place * 0.6180339887498949) % 1) - 1;
    }
  }
  return { images, labels };
}

/** Where golden.json has the losses of this batch. */
export const goldenKey = (name, batch) => (batch % DISTINCT === 0 ? name : `${name} batch ${batch}`);

/** Largest difference from the golden losses in units of what is tolerated: above 1 is wrong. */
export function lossError(name, batch, losses, golden) {
  const [first, later] = networks[name].tolerance;
  const expected = golden[goldenKey(name, batch)];
  return Math.max(...losses.map((loss, i) => Math.abs(loss / expected[i] - 1) / (i === 0 ? first : later)));
}

/** One training step as a graph: cross-entropy and Adam 1e-3. */
export function trainingGraph(weft, { model, input: shape, batch }) {
  const { nn, ops, gradients, optim, input, state } = weft;
  const parameters = [...nn.namedParameters(model).values()];
  const x = input([batch, ...shape], "f32", "x");
  const labels = input([batch], "i32", "labels");
  const { result: loss, updates: ofLayers } = nn.build({ training: true }, () => {
    return ops.crossEntropy(model.forward(x), labels).loss;
  });
  const step = state([1], 0, "u32", "step");
  const adam = optim.adam({ learningRate: 1e-3 });
  const ofAdam = adam.updates(parameters, gradients(loss, parameters), adam.states(parameters), step);
  // `record` also increments the step counter.
  const updates = [...ofLayers, ...ofAdam, ops.record(state([1, 1]), step, [loss])];
  return { x, labels, loss, spec: { outputs: [loss], updates } };
}
