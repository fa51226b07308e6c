/** Slips that beginners make, and what Weft says to write: parts that are none, calls and awaits left out. */
import { describe, expect, it } from "vitest";
import {
  CpuBackend,
  compare,
  compileAheadOfTime,
  constant,
  data,
  defineOp,
  definePointwise,
  input,
  metrics,
  nn,
  optim,
  parameter,
  predict,
  runDoctor,
  Shader,
  stateDict,
  type Tensor,
  Trainer,
  transforms,
  WeftError,
} from "../src/index.ts";
import { gpuBackend } from "./support/backend.ts";

const x = input([4, 2]);
const set = data.spirals({ count: 12 });
const parts = () => ({
  model: nn.linear(2, 2),
  loss: nn.crossEntropy(),
  optimizer: optim.sgd({ learningRate: 0.1 }),
  batchSize: 4,
});
const device = new CpuBackend();
const create = (changed: object) => Trainer.create(device, { ...parts(), ...changed } as never);
const trainer = await Trainer.create(device, parts());

class Net {
  readonly layer = nn.linear(2, 2);
  forward(t: Tensor): Tensor {
    return this.layer.forward(t);
  }
}

/** The error of a call, sync or async. */
async function refusal(call: () => unknown): Promise<Error> {
  const thrown = await Promise.resolve()
    .then(call)
    .then(
      () => undefined,
      (error: unknown) => error,
    );
  expect(thrown).toBeInstanceOf(WeftError);
  return thrown as Error;
}

type Slip = readonly [what: string, call: () => unknown, message: string | RegExp];

const layers: readonly Slip[] = [
  [
    "an array for sequential",
    () => nn.sequential([nn.relu(), nn.tanh()] as never),
    "nn.sequential(...layers)",
  ],
  [
    "layers for new Sequential",
    () => new nn.Sequential(nn.relu() as never),
    /takes an array of layers.*nn\.sequential\(/,
  ],
  [
    "a class among layers",
    () => nn.sequential(Net as never),
    "layer 0: must be a layer, an object with forward(x) or a function of a tensor, got a class; make one of it: new Net(…)",
  ],
  [
    "a promise among layers",
    () => nn.sequential(Promise.resolve(nn.relu()) as never),
    /layer 0: .*got a promise; await it/,
  ],
  ["a name among layers", () => nn.sequential("relu" as never), /layer 0: must be a layer.*got "relu"/],
  [
    "nothing among layers",
    () => nn.sequential(nn.relu(), undefined as never),
    /layer 1: must be a layer.*got undefined/,
  ],
  ["a name for residual", () => nn.residual("main" as never), /nn\.residual: must be a layer/],
  [
    "data for a layer",
    () => nn.sequential(nn.relu()).forward([[1, 2]] as never),
    /a layer takes a tensor of a graph, got an array of 1; for values, use predict\(trainer, data\)/,
  ],
  [
    "a layer that gives nothing",
    () => nn.forward((() => undefined) as never, x),
    /must give a tensor, got undefined/,
  ],
  [
    "a layer that gives a promise",
    () => nn.forward((async (t: Tensor) => t) as never, x),
    /must give a tensor, got a promise/,
  ],
  ["a class in a summary", () => nn.summary(Net as never, [2]), "new Net(…)"],
];

/** Every function of nn that makes a layer, given in place of the layer. */
const uncalled = (
  "identity celu hardSwish logSigmoid relu6 softsign elu gelu hardSigmoid hardtanh leakyRelu mish selu sign silu softplus prelu multiHeadAttention gpt swiglu residual " +
  "conv3d convTranspose1d maxPool1d avgPool1d maxPool3d avgPool3d globalAvgPool1d globalMaxPool1d globalAvgPool3d " +
  "adaptiveAvgPool1d adaptiveMaxPool1d embedding dropout dropout2d conv1d convTranspose2d globalAvgPool2d globalMaxPool2d adaptiveAvgPool2d " +
  "adaptiveMaxPool2d upsample linear conv2d relu sigmoid tanh flatten softmax logSoftmax maxPool2d avgPool2d " +
  "batchNorm3d instanceNorm1d instanceNorm2d instanceNorm3d localResponseNorm " +
  "batchNorm1d batchNorm2d layerNorm groupNorm rmsNorm sequential"
).split(" ");

const trainers: readonly Slip[] = [
  [
    "a class for a model",
    () => create({ model: Net }),
    "Trainer.create: model: must be a layer, an object with forward(x) or a function of a tensor, got a class; make one of it: new Net(…)",
  ],
  [
    "an array for a model",
    () => create({ model: [nn.relu()] }),
    /model: must be a layer.*got an array of 1; write nn\.sequential/,
  ],
  ["no model", () => create({ model: undefined }), /model: must be a layer.*got undefined/],
  [
    "a loss not called",
    () => create({ loss: nn.crossEntropy }),
    /loss must be one of Weft's, got a function; call it, as in nn\.crossEntropy\(\)/,
  ],
  ["the name of a loss", () => create({ loss: "mse" }), 'got "mse"; write nn.mse()'],
  ["no loss", () => create({ loss: undefined }), "loss is missing; give one such as nn.crossEntropy()"],
  [
    "an optimizer not called",
    () => create({ optimizer: optim.adam }),
    /optimizer .*got a function; call it, as in optim\.adam\(\)/,
  ],
  ["the name of an optimizer", () => create({ optimizer: "adam" }), 'got "adam"; write optim.adam()'],
  ["a rate for an optimizer", () => create({ optimizer: 0.1 }), "got 0.1; give one such as optim.adam()"],
  [
    "no batch size",
    () => create({ batchSize: undefined }),
    "batchSize is missing; give the samples per step, as in batchSize: 32",
  ],
  [
    "a text for a batch size",
    () => create({ batchSize: "32" }),
    'Trainer.create: batchSize must be a number, got "32"',
  ],
  [
    "a batch of half a sample",
    () => create({ batchSize: 0.5 }),
    "batchSize must be a whole number of at least 1, got 0.5",
  ],
  [
    "names of metrics",
    () => create({ metrics: ["accuracy"] }),
    'metrics[0] must be one of `metrics`, as in metrics.accuracy(), got "accuracy"',
  ],
  [
    "a metric not called",
    () => create({ metrics: [metrics.f1] }),
    /metrics\[0\] must be one of `metrics`.*got a function/,
  ],
  ["one metric", () => create({ metrics: metrics.f1() }), "metrics must be an array, got an object"],
  [
    "a transform not called",
    () => create({ transform: transforms.randomCrop }),
    /transform must be one of `transforms`, got a function; call it/,
  ],
  [
    "transforms in an array",
    () => create({ transform: [transforms.cutout(2)] }),
    /transform must be one of `transforms`, got an array of 1/,
  ],
  [
    "transforms in an array for compose",
    () => transforms.compose([transforms.cutout(2)] as never),
    /compose: transform 0 must be one of `transforms`/,
  ],
  ["no options", () => Trainer.create(device, undefined as never), /model: must be a layer/],
  [
    "a constructor for create",
    () => new (Trainer as never as new (...a: unknown[]) => Trainer)(device, { ...parts(), lr: 1 }),
    /there is no option "lr"/,
  ],
  [
    "an option for relu",
    () => nn.relu({ inplace: true } as never),
    "nn.relu: takes no options, got an object { inplace }",
  ],
  [
    "options for embedding",
    () => nn.embedding(4, 2, { padding_idx: 0 } as never),
    /nn\.embedding: there is no option "padding_idx"; did you mean paddingIdx\?/,
  ],
  [
    "no device",
    () => Trainer.create(parts() as never, undefined as never),
    /the first argument must be a device, got an object \{ model, loss.*open one with await openDevice\(\)/,
  ],
  [
    "a device not awaited",
    () => Trainer.create(Promise.resolve(device) as never, parts()),
    "the first argument must be a device, got a promise; write await openDevice()",
  ],
  [
    "a trainer not awaited",
    () => (create({}) as unknown as Trainer).fit(set),
    "Trainer.create: gives a promise; write await Trainer.create(…) before you call fit",
  ],
  [
    "a trainer not awaited, evaluated",
    () => (create({}) as unknown as Trainer).evaluate(set),
    /await Trainer\.create\(…\) before you call evaluate/,
  ],
  [
    "a trainer not awaited, for predict",
    () => predict(create({}) as never, set),
    /predict: the first argument must be a trainer, got a promise; write await Trainer\.create/,
  ],
  [
    "a trainer not awaited, for stateDict",
    () => stateDict(create({}) as never),
    /stateDict: the first argument must be a trainer, got a promise/,
  ],
  [
    "a promise for the doctor",
    () => runDoctor(Promise.resolve(device) as never),
    /runDoctor: .*got a promise; write await openDevice/,
  ],
  [
    "a promise for compare",
    () => compare(Promise.resolve(device) as never, { outputs: [x] }, new Map()),
    /compare: .*got a promise/,
  ],
];

const samples = { data: new Float32Array(4), shape: [2] };
const fits: readonly Slip[] = [
  [
    "an array",
    () => trainer.fit([[1, 2]] as never),
    /fit: needs a data set, an object \{ name, split, count, inputs.*got an array of 1; `datasets` and `data` have functions/,
  ],
  [
    "training and test set",
    () => trainer.fit({ train: set, test: set } as never),
    /got an object \{ train, test \}; give its part `train` or `test`/,
  ],
  [
    "a promise",
    () => trainer.fit(Promise.resolve(set) as never),
    "fit: got a promise in place of a data set; await it first",
  ],
  ["nothing", () => trainer.fit(undefined as never), /fit: needs a data set.*got undefined/],
  [
    "texts as labels",
    () => trainer.fit({ name: "a", split: "b", count: 2, inputs: samples, labels: ["cat", "dog"] } as never),
    /labels must be an Int32Array of class numbers.*got an array of 2; number the classes from 0/,
  ],
  [
    "plain numbers as labels",
    () => trainer.fit({ name: "a", split: "b", count: 2, inputs: samples, labels: [0, 1] } as never),
    /labels must be an Int32Array of class numbers or a Float32Array of values, got \[0, 1\]/,
  ],
  [
    "plain numbers as inputs",
    () =>
      trainer.fit({
        name: "a",
        split: "b",
        count: 2,
        inputs: { data: [1, 2], shape: [1] },
        labels: new Int32Array(2),
      } as never),
    /inputs\.data must be a Uint8Array, a Float32Array or \(tokens\) an Int32Array, got \[1, 2\]/,
  ],
  [
    "inputs without a shape",
    () =>
      trainer.fit({
        name: "a",
        split: "b",
        count: 2,
        inputs: new Float32Array(4),
        labels: new Int32Array(2),
      } as never),
    /inputs must be \{ data, shape \}, shape that of one sample, got a Float32Array/,
  ],
  [
    "no count",
    () =>
      trainer.fit({ name: "a", split: "b", inputs: samples, labels: new Int32Array(2), classes: 2 } as never),
    /count must be the number of samples, got undefined/,
  ],
  [
    "a number for its options",
    () => trainer.fit(set, 5 as never),
    "fit: options must be an object such as { epochs: … }, got 5",
  ],
  [
    "the test set for its options",
    () => trainer.fit(set, set as never),
    "write fit(train, { validation: test })",
  ],
  [
    "a text for epochs",
    () => trainer.fit(set, { epochs: "3" } as never),
    'fit: epochs must be a number, got "3"',
  ],
  [
    "no number for epochs",
    () => trainer.fit(set, { epochs: Number.NaN }),
    "fit: epochs must be a number, got NaN",
  ],
  [
    "a share for validation",
    () => trainer.fit(set, { validation: 0.2 } as never),
    /fit: validation: needs a data set.*got 0\.2/,
  ],
  [
    "true for early stopping",
    () => trainer.fit(set, { earlyStopping: true } as never),
    "fit: earlyStopping: options must be an object such as { monitor: … }, got true",
  ],
  [
    "a folder for checkpoints",
    () => trainer.fit(set, { checkpoints: "runs" } as never),
    /fit: checkpoints: options must be an object such as \{ directory: … \}, got "runs"/,
  ],
  [
    "checkpoints without a folder",
    () => trainer.fit(set, { checkpoints: { keep: 1 } } as never),
    "checkpoints need a directory",
  ],
  [
    "callbacks that are none",
    () => trainer.fit(set, { callbacks: ["log"] } as never),
    'callbacks must be functions of an event, got "log"',
  ],
  [
    "one callback",
    () => trainer.fit(set, { callbacks: () => undefined } as never),
    "callbacks must be an array, got a function",
  ],
  [
    "an array to evaluate",
    () => trainer.evaluate([1, 2] as never),
    /evaluate: needs a data set.*got \[1, 2\]/,
  ],
  [
    "an array to predict",
    () => predict(trainer, [1, 2] as never),
    /predict: samples must be a data set or \{ count, inputs: \{ data, shape \} \}, got \[1, 2\]/,
  ],
  ["an array to split", () => data.split([1, 2] as never, 0.5, 1), /split: needs a data set/],
  [
    "options for a share to split",
    () => data.split(set, { fraction: 0.5 } as never, 1),
    /split: the fraction must lie between 0 and 1, got an object \{ fraction \}/,
  ],
  ["an array to standardize", () => data.fitStandardizer([1, 2] as never), /needs a data set/],
  ["an array to subset", () => data.subset([1, 2] as never, 1), /subset: needs a data set/],
  [
    "arrays for datasetFromArrays",
    () => data.datasetFromArrays([[1]] as never, [0] as never),
    /inputs must be \{ shape, data \} as parseNpy gives it/,
  ],
  [
    "no label for a CSV",
    () => data.parseCsv("a,b\n1,2", {} as never),
    /label must name the label's column or number it from 0, got undefined/,
  ],
  [
    "both sets for a recording",
    () => compileAheadOfTime(parts(), { train: { train: set, test: set } } as never),
    /compileAheadOfTime: train: needs a data set.*give its part `train`/,
  ],
];

describe.each([
  ["layers", layers],
  ["Trainer.create", trainers],
  ["fit and data", fits],
])("%s", (_, slips) => {
  it.each(slips)("%s is refused with what to write", async (_, call, message) => {
    const error = await refusal(call);
    if (typeof message === "string") expect(error.message).toContain(message);
    else expect(error.message).toMatch(message);
  });
});

describe("a layer's function that nobody called", () => {
  it.each(uncalled)("nn.%s is refused with how to call it", async (name) => {
    const factory = (nn as unknown as Record<string, (t: Tensor) => Tensor>)[name] as (t: Tensor) => Tensor;
    const { message } = await refusal(() => nn.sequential(factory).forward(input([4, 2, 6, 6])));
    expect(message).toMatch(
      /nn\.relu\(\) and not nn\.relu|write nn\.\w+\(…\) and not nn\.\w+|must be a layer/,
    );
  });
});

const body = () => undefined;
const plan = () => ({ outputs: [{ shape: [4, 2], dtype: "f32" as const }], constants: {} });
const op = { name: "o", args: ["a"], results: ["y"], plan, cpu: body };
const scale = { name: "p", args: ["a"], wgsl: ([a]: readonly string[]) => `${a}`, scalar: () => 0 };

it.each<[slip: string, () => unknown, RegExp]>([
  ["an op without a CPU body", () => defineOp({ ...op, cpu: undefined } as never), /defineOp o: needs cpu/],
  ["an op without a plan", () => defineOp({ ...op, plan: undefined } as never), /defineOp o: needs plan/],
  ["an op with a name twice", () => defineOp({ ...op, args: ["a", "a"] }), /o: a names two args or results/],
  ["an op that mutates no arg", () => defineOp({ ...op, mutates: ["z" as never] }), /o: mutates z/],
  [
    "an op whose plan has too few outputs",
    () => defineOp({ ...op, results: ["y", "z"] }).apply([x], {}),
    /o: plan gave 1 outputs for the results y, z/,
  ],
  [
    "an element-wise op without WGSL",
    () => definePointwise({ ...scale, wgsl: undefined } as never),
    /definePointwise p: needs wgsl/,
  ],
  [
    "an element-wise op without a CPU function",
    () => definePointwise({ ...scale, scalar: undefined } as never),
    /definePointwise p: needs scalar/,
  ],
  ["a shader without WGSL", () => new Shader("scale.wgsl"), /Shader: needs a name for messages and the WGSL/],
  [
    "an optimizer without a rule",
    () => optim.defineOptimizer({ name: "mine", learningRate: 1 } as never),
    /defineOptimizer: needs rule/,
  ],
])("a definition: %s", (_, slip, message) => {
  expect(slip).toThrow(message);
  expect(slip).toThrow(WeftError);
});

describe.each([
  ["cpu", async () => new CpuBackend()],
  ["webgpu", gpuBackend],
] as const)("what %s is given", (_, open) => {
  it("refuses variants of ops that do not exist, and updates that are none", async () => {
    const backend = await open();
    const outputs = [x];
    await expect(backend.compile({ outputs }, { variants: { linaer: "register" } })).rejects.toThrow(
      /variants: there is no op "linaer"; did you mean linear\?/,
    );
    await expect(backend.compile({ outputs, updates: [x as never] })).rejects.toThrow(
      /updates must be an array of updates.*got a tensor f32\[4, 2\]/,
    );
  });

  it("takes one epoch, as Keras does", async () => {
    const own = await Trainer.create(await open(), parts());
    expect((await own.fit(set)).epochs.map(({ epoch }) => epoch)).toEqual([1]);
    expect(own.steps).toBe(3);
    await own.fit(set, { validation: set });
    expect(own.steps).toBe(6);
    await own.fit(set, { steps: 2 });
    expect(own.steps).toBe(8);
  });
});

it("a model may be any object with forward, a function, or an instance of a class", async () => {
  const weight = parameter([2, 2], 0.5, "weight");
  const own = { weight, forward: (t: Tensor) => nn.forward((u) => u, t) };
  expect(nn.forward(own, x)).toBe(x);
  expect(nn.forward(new Net(), x).shape).toEqual([4, 2]);
  expect(constant(new Float32Array(2)).shape).toEqual([2]);
});
