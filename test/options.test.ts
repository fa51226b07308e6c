/** Options: every public function refuses those it does not have, with the nearest name; other names; other kinds. */
import { describe, expect, it } from "vitest";
import * as weft from "../src/index.ts";
import * as replay from "../src/replay/index.ts";
import { checkOptions, nearest } from "../src/validation/options.ts";
import { walkOptions } from "./support/walk-options.ts";

const { constant, data, input, io, metrics, nn, ops, optim, recipes, report, tokenizers, transforms } = weft;
const [x, labels] = [input([2, 3]), input([2], "i32")];
const image = input([1, 2, 6, 6]);
const weight = input([2, 2, 3, 3]);
const volume = input([1, 2, 2, 4, 4]);
const one = input([1]);
const [step, key] = [input([1], "u32"), input([2], "u32")];
const source = new ops.RandomSource(step, key);
const layer = nn.linear(3, 2);
const set = data.spirals({ count: 8 });
const sequences = { x: { sequences: [new Int32Array(2)] } };
const npy = { shape: [2, 1], dtype: "<f4", data: new Float32Array(2) } as const;
const parts = {
  model: nn.linear(2, 2),
  loss: nn.crossEntropy(),
  optimizer: optim.sgd({ learningRate: 0.1 }),
  batchSize: 4,
};
const device = new weft.CpuBackend();
const trainer = await weft.Trainer.create(device, parts);
const predictor = await weft.createPredictor(trainer, { inputs: [2] });
const [recipe] = weft.recipes.recipes.values();
const bytes = {
  name: "bytes",
  size: 0,
  read: async () => new Uint8Array(0),
};

walkOptions(
  "weft",
  weft,
  {
    checkGradients: (o) => weft.checkGradients((t) => t, [{ data: [1] }], o),
    compare: (o) => weft.compare(device, { outputs: [x] }, new Map(), o),
    CpuBackend: (o) => new weft.CpuBackend(o),
    GpuBackend: (o) => weft.GpuBackend.open({} as never, o),
    "compile (CPU)": (o) => device.compile({ outputs: [one] }, o),
    "compile (graph)": (o) => device.compile(o),
    runDoctor: (o) => weft.runDoctor(device, o),
    defineOp: (o) => weft.defineOp(o),
    definePointwise: (o) => weft.definePointwise(o),
    compileAheadOfTime: (o) => weft.compileAheadOfTime(parts, o),
    recordTraining: (o) => weft.recordTraining(parts, o),
    compileStep: (o) => weft.compileStep(device, o),
    Trainer: (o) => weft.Trainer.create(device, o),
    "Trainer.fit": (o) => trainer.fit(set, o),
    "Trainer.fit, early stopping": (o) => trainer.fit(set, { earlyStopping: o }),
    "Trainer.fit, checkpoints": (o) => trainer.fit(set, { checkpoints: o }),
    "Trainer.step": (o) => trainer.step({ inputs: [[1]], labels: [1] }, o),
    "Trainer.evaluate": (o) => trainer.evaluate(set, o),
    bestCheckpoint: (o) => weft.bestCheckpoint(trainer, "file", o),
    predict: (o) => weft.predict(trainer, set, o),
    createPredictor: (o) => weft.createPredictor(trainer, o),
    "Predictor.predict": (o) => predictor.predict([1, 2], o),

    "data.fromSequences": (o) => data.fromSequences(sequences, o),
    "data.bucketByLength": (o) => data.bucketByLength(data.fromSequences(sequences), o),
    "data.batches": (o) => data.batches(set, o).next(),
    "data.fromGenerator": (o) => data.fromGenerator([], o),
    "data.SampleStream": (o) => new data.SampleStream([], o),
    "data.fromColumns": (o) => data.fromColumns({ x: new Float32Array(2) }, o),
    "data.datasetFromArrays": (o) => data.datasetFromArrays(npy, npy, o),
    "data.datasetFromNpz": (o) => data.datasetFromNpz(new Map([["x", npy]]), o),
    "data.parseNpz": (o) => data.parseNpz(new Uint8Array(0), o),
    "data.parseCsv": (o) => data.parseCsv("a,b\n1,2", o),
    "data.gunzip": (o) => data.gunzip(new Uint8Array(0), o),
    "data.gunzipIfPacked": (o) => data.gunzipIfPacked(new Uint8Array(0), o),
    "data.unzip": (o) => data.unzip(new Uint8Array(0), o),
    "data.shardedCifar10": (o) => data.shardedCifar10([], o),
    "data.shardedIdx": (o) => data.shardedIdx({ images: bytes, labels: bytes }, o),
    "data.shardedIdx, files": (o) => data.shardedIdx(o),
    "data.shardedNpy": (o) => data.shardedNpy({ inputs: bytes, labels: bytes }, o),
    "data.shardedNpy, files": (o) => data.shardedNpy(o),
    "data.shardedRaw": (o) => data.shardedRaw({ inputs: bytes, labels: bytes } as never, o),
    "data.shardedRaw, files": (o) => data.shardedRaw(o, { shape: [1] }),
    "data.split": (o) => data.split(set, 0.5, 1, o),
    "data.kFold": (o) => data.kFold(set, 2, 1, o),
    "data.meanAndStd": (o) => data.meanAndStd(set, o),
    "data.normalize": (o) => data.normalize(set, o),
    "data.syntheticDigits": (o) => data.syntheticDigits(o),
    "data.noise": (o) => data.noise(o),
    "data.spirals": (o) => data.spirals(o),
    "io.readSafetensors": (o) => io.readSafetensors(new Uint8Array(0), o),

    "nn.init.kaimingUniform": (o) => nn.init.kaimingUniform(o),
    "nn.init.kaimingNormal": (o) => nn.init.kaimingNormal(o),
    "nn.gelu": (o) => nn.gelu(o),
    "nn.softplus": (o) => nn.softplus(o),
    "nn.MultiHeadAttention": (o) => new nn.MultiHeadAttention(4, 2, o),
    "nn.multiHeadAttention": (o) => nn.multiHeadAttention(4, 2, o),
    "nn.Gpt": (o) => new nn.Gpt(o as never),
    "nn.gpt": (o) => nn.gpt(o as never),
    "nn.lora": (o) => nn.lora(nn.sequential(nn.linear(4, 4)), o as never),
    "nn.Conv1d": (o) => new nn.Conv1d(1, 1, 3, o),
    "nn.conv1d": (o) => nn.conv1d(1, 1, 3, o),
    "nn.Conv2d": (o) => new nn.Conv2d(1, 1, 3, o),
    "nn.conv2d": (o) => nn.conv2d(1, 1, 3, o),
    "nn.Conv3d": (o) => new nn.Conv3d(1, 1, 3, o),
    "nn.conv3d": (o) => nn.conv3d(1, 1, 3, o),
    "nn.ConvTranspose1d": (o) => new nn.ConvTranspose1d(1, 1, 3, o),
    "nn.convTranspose1d": (o) => nn.convTranspose1d(1, 1, 3, o),
    "nn.ConvTranspose2d": (o) => new nn.ConvTranspose2d(1, 1, 3, o),
    "nn.convTranspose2d": (o) => nn.convTranspose2d(1, 1, 3, o),
    "nn.upsample": (o) => nn.upsample(o),
    "nn.Linear": (o) => new nn.Linear(1, 1, o),
    "nn.SwiGlu": (o) => new nn.SwiGlu(1, 1, o),
    "nn.swiglu": (o) => nn.swiglu(1, 1, o),
    "nn.linear": (o) => nn.linear(1, 1, o),
    "nn.maxPool1d": (o) => nn.maxPool1d(2, o),
    "nn.avgPool1d": (o) => nn.avgPool1d(2, o),
    "nn.maxPool3d": (o) => nn.maxPool3d(2, o),
    "nn.avgPool3d": (o) => nn.avgPool3d(2, o),
    "nn.rnn": (o) => nn.rnn(2, 2, o),
    "nn.lstm": (o) => nn.lstm(2, 2, o),
    "nn.gru": (o) => nn.gru(2, 2, o),
    "nn.lstm, run": (o) => nn.lstm(2, 2).run(input([1, 1, 2]), o),
    "nn.lstm, state": (o) => nn.lstm(2, 2).run(input([1, 1, 2]), { state: o }),
    "nn.maxPool2d": (o) => nn.maxPool2d(2, o),
    "nn.avgPool2d": (o) => nn.avgPool2d(2, o),
    "nn.crossEntropy": (o) => nn.crossEntropy(o),
    "nn.focal": (o) => nn.focal(o),
    "nn.sigmoidFocal": (o) => nn.sigmoidFocal(o),
    "nn.dice": (o) => nn.dice(o),
    "nn.poissonNll": (o) => nn.poissonNll(o),
    "nn.nll": (o) => nn.nll(o),
    "nn.multiMargin": (o) => nn.multiMargin(o),
    "nn.huber": (o) => nn.huber(o),
    "nn.smoothL1": (o) => nn.smoothL1(o),
    "nn.klDiv": (o) => nn.klDiv(o),
    "nn.hinge": (o) => nn.hinge(o),
    "nn.bceWithLogits": (o) => nn.bceWithLogits(o),
    "nn.build": (o) => nn.build(o, () => 0),
    "nn.BatchNorm": (o) => new nn.BatchNorm("BatchNorm2d", 2, o),
    "nn.LayerNorm": (o) => new nn.LayerNorm(2, o),
    "nn.GroupNorm": (o) => new nn.GroupNorm(1, 2, o),
    "nn.RmsNorm": (o) => new nn.RmsNorm(2, o),
    "nn.batchNorm1d": (o) => nn.batchNorm1d(2, o),
    "nn.batchNorm2d": (o) => nn.batchNorm2d(2, o),
    "nn.batchNorm3d": (o) => nn.batchNorm3d(2, o),
    "nn.InstanceNorm": (o) => new nn.InstanceNorm("InstanceNorm2d", 2, o),
    "nn.instanceNorm1d": (o) => nn.instanceNorm1d(2, o),
    "nn.instanceNorm2d": (o) => nn.instanceNorm2d(2, o),
    "nn.instanceNorm3d": (o) => nn.instanceNorm3d(2, o),
    "nn.localResponseNorm": (o) => nn.localResponseNorm(2, o),
    "nn.layerNorm": (o) => nn.layerNorm(2, o),
    "nn.groupNorm": (o) => nn.groupNorm(1, 2, o),
    "nn.rmsNorm": (o) => nn.rmsNorm(2, o),

    "ops.argmax": (o) => ops.argmax(x, 0, o),
    "ops.argmin": (o) => ops.argmin(x, 0, o),
    "ops.argsort": (o) => ops.argsort(x, o),
    "ops.sort": (o) => ops.sort(x, o),
    "ops.topK": (o) => ops.topK(x, 2, o),
    "ops.embedding": (o) => ops.embedding(labels, x, o),
    "ops.gelu": (o) => ops.gelu(x, o),
    "ops.softplus": (o) => ops.softplus(x, o),
    "ops.affineSample": (o) => ops.affineSample(image, input([1, 2, 3]), o),
    "ops.recurrence": (o) =>
      ops.recurrence("rnnTanh", input([1, 1, 2]), { weightIh: input([2, 2]), weightHh: input([2, 2]) }, o),
    "ops.recurrence, weights": (o) => ops.recurrence("rnnTanh", input([1, 1, 2]), o),
    "ops.scaledDotProductAttention": (o) => ops.scaledDotProductAttention(x, x, x, o),
    "ops.rotaryEmbedding": (o) => ops.rotaryEmbedding(input([2, 3, 12]), o as never),
    "ops.selfAttention": (o) => ops.selfAttention(input([2, 3, 12]), o),
    "nn.MultiHeadAttention, masks": (o) => new nn.MultiHeadAttention(4, 2).forward(input([1, 3, 4]), o),
    "ops.multiMargin": (o) => ops.multiMargin(x, labels, o),
    "ops.conv1d": (o) => ops.conv1d(input([1, 2, 6]), input([2, 2, 3]), undefined, o),
    "ops.conv2d": (o) => ops.conv2d(image, weight, undefined, o),
    "ops.conv3d": (o) => ops.conv3d(volume, input([2, 2, 1, 3, 3]), undefined, o),
    "ops.convTranspose1d": (o) => ops.convTranspose1d(input([1, 2, 6]), input([2, 2, 3]), undefined, o),
    "ops.convTranspose2d": (o) => ops.convTranspose2d(image, weight, undefined, o),
    "ops.crossEntropy": (o) => ops.crossEntropy(x, labels, o),
    "ops.focal": (o) => ops.focal(x, labels, o),
    "ops.sigmoidFocal": (o) => ops.sigmoidFocal(x, x, o),
    "ops.dice": (o) => ops.dice(x, x, o),
    "ops.poissonNll": (o) => ops.poissonNll(x, x, o),
    "ops.gaussianNll": (o) => ops.gaussianNll(x, x, x, o),
    "ops.cosineEmbedding": (o) => ops.cosineEmbedding(x, x, input([2]), o),
    "ops.tripletMargin": (o) => ops.tripletMargin(x, x, x, o),
    "ops.contrastive": (o) => ops.contrastive(x, x, o),
    "ops.nll": (o) => ops.nll(x, labels, o),
    "ops.drawAffine": (o) => ops.drawAffine(1, [], source, o),
    "ops.drawAffine, ranges": (o) => ops.drawAffine(1, [o], source),
    "ops.hinge": (o) => ops.hinge(x, x, o),
    "ops.huber": (o) => ops.huber(x, x, o),
    "ops.klDiv": (o) => ops.klDiv(x, x, o),
    "ops.l1": (o) => ops.l1(x, x, o),
    "ops.smoothL1": (o) => ops.smoothL1(x, x, o),
    "ops.bce": (o) => ops.bce(x, x, o),
    "ops.bceWithLogits": (o) => ops.bceWithLogits(x, x, o),
    "ops.mse": (o) => ops.mse(x, x, o),
    "ops.batchOrder": (o) => ops.batchOrder(step, o),
    "ops.gatherRows": (o) => ops.gatherRows(one, step, o),
    "ops.gatherBatch": (o) => ops.gatherBatch(one, one, step, o),
    "ops.matmul": (o) => ops.matmul(x, x, o),
    "ops.norm": (o) => ops.norm(x, o),
    "ops.batchNorm": (o) => ops.batchNorm(x, o),
    "ops.batchNormWith": (o) => ops.batchNormWith(x, one, one, o),
    "ops.groupNorm": (o) => ops.groupNorm(x, 1, o),
    "ops.instanceNorm": (o) => ops.instanceNorm(image, o),
    "ops.localResponseNorm": (o) => ops.localResponseNorm(image, 2, o),
    "ops.layerNormWithStatistics": (o) => ops.layerNormWithStatistics(x, 3, o),
    "ops.layerNorm": (o) => ops.layerNorm(x, 3, o),
    "ops.rmsNorm": (o) => ops.rmsNorm(x, 3, o),
    "ops.pad": (o) => ops.pad(x, [1, 1], o),
    "ops.avgPool1d": (o) => ops.avgPool1d(input([1, 2, 6]), 2, o),
    "ops.maxPool1d": (o) => ops.maxPool1d(input([1, 2, 6]), 2, o),
    "ops.avgPool3d": (o) => ops.avgPool3d(volume, 2, o),
    "ops.maxPool3d": (o) => ops.maxPool3d(volume, 2, o),
    "ops.avgPool2d": (o) => ops.avgPool2d(image, 2, o),
    "ops.maxPool2d": (o) => ops.maxPool2d(image, 2, o),
    "ops.maxPool2dWithIndices": (o) => ops.maxPool2dWithIndices(image, 2, o),
    "ops.bernoulli": (o) => ops.bernoulli([2], 0.5, source, o),
    "ops.choice": (o) => ops.choice([2], [1], source, o),
    "ops.dropout": (o) => ops.dropout(x, 0.5, source, o),
    "ops.dropout2d": (o) => ops.dropout2d(x, 0.5, source, o),
    "ops.normal": (o) => ops.normal([2], source, o),
    "ops.uniform": (o) => ops.uniform([2], source, o),
    "ops.logSumExp": (o) => ops.logSumExp(x, o),
    "ops.max": (o) => ops.max(x, o),
    "ops.min": (o) => ops.min(x, o),
    "ops.prod": (o) => ops.prod(x, o),
    "ops.std": (o) => ops.std(x, o),
    "ops.variance": (o) => ops.variance(x, o),
    "ops.upsample": (o) => ops.upsample(image, o),
    "ops.mean": (o) => ops.mean(x, o),
    "ops.sum": (o) => ops.sum(x, o),

    "optim.adadelta": (o) => optim.adadelta(o),
    "optim.adagrad": (o) => optim.adagrad(o),
    "optim.adam": (o) => optim.adam(o),
    "optim.adamw": (o) => optim.adamw(o),
    "optim.adamax": (o) => optim.adamax(o),
    "optim.defineOptimizer": (o) => optim.defineOptimizer(o),
    "optim.lamb": (o) => optim.lamb(o),
    "optim.lion": (o) => optim.lion(o),
    "optim.muon": (o) => optim.muon(o),
    "optim.muon, adamw": (o) => optim.muon({ adamw: o }),
    "optim.nadam": (o) => optim.nadam(o),
    "optim.radam": (o) => optim.radam(o),
    "optim.rmsprop": (o) => optim.rmsprop(o),
    "optim.sgd": (o) => optim.sgd(o),
    "optim groups": (o) => optim.adam({ groups: [o] }),
    "optim.ReduceOnPlateau": (o) => new optim.ReduceOnPlateau(o),
    "optim.reduceOnPlateau": (o) => optim.reduceOnPlateau(o),
    "optim.constant": (o) => optim.constant(o),
    "optim.step": (o) => optim.step(o),
    "optim.multiStep": (o) => optim.multiStep(o),
    "optim.exponential": (o) => optim.exponential(o),
    "optim.cosine": (o) => optim.cosine(o),
    "optim.cosineRestarts": (o) => optim.cosineRestarts(o),
    "optim.linear": (o) => optim.linear(o),
    "optim.polynomial": (o) => optim.polynomial(o),
    "optim.oneCycle": (o) => optim.oneCycle(o),
    "optim.warmUp": (o) => optim.warmUp(o, 0.1),

    "recipes.vgg": (o) => recipes.vgg(1, 1, 2, o),
    "recipes.lenet5": (o) => recipes.lenet5(1, 10, o),
    "recipes.recipeData": (o) => recipes.recipeData(recipe as never, set, o),
    "recipes.recipeRun": (o) => recipes.recipeRun(recipe as never, set, o),
    "report.reportHtml": (o) => report.reportHtml(o),
    "report.heatMap": (o) => report.heatMap(o),
    "report.lineChart": (o) => report.lineChart(o),
    "report.scatterPlot": (o) => report.scatterPlot(o),

    "metrics.custom": (o) => metrics.custom("mine", (t) => t, o),
    "metrics.accuracy": (o) => metrics.accuracy(o),
    "metrics.topK": (o) => metrics.topK(2, o),
    "metrics.confusionMatrix": (o) => metrics.confusionMatrix(o),
    "metrics.precision": (o) => metrics.precision(o),
    "metrics.recall": (o) => metrics.recall(o),
    "metrics.f1": (o) => metrics.f1(o),
    "metrics.mse": (o) => metrics.mse(o),
    "metrics.mae": (o) => metrics.mae(o),
    "metrics.r2": (o) => metrics.r2(o),
    "metrics.classification": (o) => metrics.classification(3, o),

    "tokenizers.characters": (o) => tokenizers.characters("ab", o),
    "tokenizers.bytes": (o) => tokenizers.bytes(o),
    "tokenizers.trainBpe": (o) => tokenizers.trainBpe("ab", o as never),
    "tokenizers.fromJson": (o) => tokenizers.fromJson("{}", o),
    "tokenizers.fromGpt2": (o) => tokenizers.fromGpt2("{}", "", o),
    "Tokenizer.encode": (o) => tokenizers.bytes().encode("a", o),
    "Tokenizer.decode": (o) => tokenizers.bytes().decode([], o),
    "Tokenizer.decodeStream": (o) => tokenizers.bytes().decodeStream(o),

    "transforms.pad": (o) => transforms.pad(1, o),
    "transforms.resize": (o) => transforms.resize(4, o),
    "transforms.randomAffine": (o) => transforms.randomAffine(o),
    "transforms.randomCrop": (o) => transforms.randomCrop(4, o),
    "transforms.randomRotation": (o) => transforms.randomRotation(4, o),
    "transforms.randomShift": (o) => transforms.randomShift(1, o),
    "transforms.cutout": (o) => transforms.cutout(2, o),
  },
  [
    ..."checkpoint gradients resumeFrom RunControl historyCsv historyJson loadStateDict stateDict loraFromSafetensors loraToSafetensors mergeLora".split(
      " ",
    ),
    ..."constant input parameter scope state Random Shader targetOf".split(" "),
    // `alignTo` takes the form of another data set, with whatever else that has.
    ...of(
      "data",
      "alignTo parseBoston blobBytes parseCifarBatch parseCifarNames labelSize packBytes readSample",
    ),
    ...of(
      "data",
      "sampleSize subset take validateColumns validateDataset parseDigits isGzip parseIdx imageToSample parseNpy",
    ),
    ...of("data", "jpegOrientation upright loadSharded shardsOf shuffle columnStatistics fitStandardizer"),
    ...of("data", "parseTar parseUsps"),
    "io.writeSafetensors",
    ...of("nn.init", "fans xavierUniform xavierNormal uniform normal constant zeros ones"),
    ...of("nn", "summary summaryText identity elu hardSigmoid hardtanh leakyRelu mish selu sign silu PRelu"),
    ...of("nn", "adaptiveAvgPool1d adaptiveMaxPool1d globalAvgPool1d globalMaxPool1d globalAvgPool3d"),
    ...of("ops", "adaptiveAvgPool1d adaptiveMaxPool1d globalAvgPool1d globalMaxPool1d globalAvgPool3d"),
    ...of("nn", "celu hardSwish logSigmoid relu6 softsign threshold"),
    ...of("ops", "celu hardSwish logSigmoid relu6 softsign threshold"),
    // These also take an initializer in place of options, which the walk would have refused; see slips.test.ts.
    ...of("nn", "Embedding embedding"),
    ...of("nn", "prelu Residual residual dropout dropout2d globalAvgPool2d globalMaxPool2d"),
    ...of(
      "nn",
      "adaptiveAvgPool2d adaptiveMaxPool2d relu sigmoid tanh flatten softmax logSoftmax mse l1 bce",
    ),
    ...of(
      "nn",
      "isTraining isBuilding inEvaluation addUpdate randomSource forward checkLayer namedParameters namedBuffers namedObjects isModule",
    ),
    ...of("nn", "allParameters freeze unfreeze isFrozen isParameter Sequential sequential"),
    ...of(
      "ops",
      "sampleOrder relu sigmoid tanh elu hardSigmoid hardtanh identity leakyRelu mish prelu selu silu swiglu",
    ),
    ...of("ops", "add div mul neg square sub einsum outer eq ge gt le lt maximum minimum ne where"),
    ...of("ops", "cast logicalAnd logicalNot logicalOr logicalXor"),
    ...of(
      "ops",
      "concat split stack copy expand cumsum customGradient detach stopGradient fill ones zeros gather oneHot scatterAdd",
    ),
    ...of(
      "ops",
      "take stepsPerEpoch linear abs ceil clamp cos erf exp expm1 floor log log1p pow round rsqrt sign",
    ),
    ...of(
      "ops",
      "sin sqrt pack RandomSource record recordedSteps expandDims flatten reshape squeeze flip slice",
    ),
    ...of(
      "ops",
      "adaptiveAvgPool2d adaptiveMaxPool2d globalAvgPool2d globalMaxPool2d scheduledRate logSoftmax",
    ),
    ...of("ops", "assign assignAdd increment softmax repeat tile permute transpose tril triu"),
    // Takes what `batchNorm` gives, with whatever else that has.
    "ops.updateRunningStats",
    ...of("optim", "clipByGlobalNorm clipByValue decaysWeights sequence"),
    ...of("recipes", "curvePicture leastSquares mlp PositionBias recipe"),
    ...of("report", "judge largest shares readReport"),
    "metrics.regression",
    // A base class for tokenizers of one's own.
    "tokenizers.Tokenizer",
    ...of("transforms", "compose centerCrop normalize randomHorizontalFlip randomVerticalFlip mixup"),
  ],
);

walkOptions(
  "weft/replay",
  replay,
  {
    openProgram: (o) => replay.openProgram({}, null, o),
    openRecording: (o) => replay.openRecording({}, null, o),
    readProgram: (o) => replay.readProgram({}, o),
  },
  ["adapterKind", "adapterName"],
);

function of(space: string, names: string): string[] {
  return names.split(" ").map((name) => `${space}.${name}`);
}

describe("the nearest name", () => {
  it.each<[string, () => unknown, string]>([
    ["strides", () => nn.conv2d(1, 1, 3, { strides: 2 } as never), "stride"],
    ["paddings", () => ops.maxPool2d(image, 2, { paddings: 1 } as never), "padding"],
    ["lr", () => optim.adam({ lr: 0.1 } as never), "learningRate"],
    ["learning_rate", () => optim.sgd({ learning_rate: 0.1 } as never), "learningRate"],
    ["weight_decay", () => optim.sgd({ learningRate: 0.1, weight_decay: 0 } as never), "weightDecay"],
    ["T_max", () => optim.cosine({ learningRate: 0.1, T_max: 3 } as never), "steps"],
    ["use_bias", () => nn.linear(1, 1, { use_bias: false } as never), "bias"],
    ["ceil_mode", () => nn.maxPool2d(2, { ceil_mode: true } as never), "ceilMode"],
    ["unbiased", () => ops.std(x, { unbiased: false } as never), "correction"],
    ["epoch", () => trainer.fit(set, { epoch: 3 } as never), "epochs"],
    ["validation_data", () => trainer.fit(set, { validation_data: set } as never), "validation"],
    ["dilatoin", () => ops.conv2d(image, weight, undefined, { dilatoin: 1 } as never), "dilation"],
  ])("of %s is said", (wrong, call, right) => {
    expect(call).toThrow(weft.ValueError);
    expect(call).toThrow(
      new RegExp(`: there is no option "${wrong}"; did you mean ${right}\\? \\(there are`),
    );
  });

  it("is not made up where none is near", () => {
    expect(nearest("notAnOption", ["stride", "padding"])).toBeUndefined();
    expect(() => ops.sum(x, { colour: 1 } as never)).toThrow(
      'sum: there is no option "colour" (there are axes, keepDims)',
    );
  });

  it("does not print what a stranger's name does to a terminal", () => {
    expect(() => ops.sum(x, { "\u001b[31m": 1 } as never)).toThrow('"\\u001b[31m"');
  });

  it("takes no name of Object's own for an option", () => {
    for (const name of ["constructor", "toString", "hasOwnProperty"]) {
      expect(() => ops.sum(x, { [name]: 1 } as never)).toThrow(`there is no option "${name}"`);
    }
  });
});

describe("axes", () => {
  const shapes = (options: Parameters<typeof ops.sum>[1]) =>
    [ops.sum, ops.mean, ops.max, ops.min, ops.prod, ops.std, ops.variance, ops.logSumExp, ops.norm].map(
      (op) => op(input([2, 3, 4]), options).shape,
    );
  it.each([{ axes: 1 }, { axis: 1 }, { dim: 1 }, { axis: [1] }, { axes: [-2] }, { dim: -2 }])(
    "%j reduces axis 1 in every reduction",
    (options) => {
      expect(shapes(options)).toEqual(new Array(9).fill([2, 4]));
    },
  );
  it.each([{ keepDims: true }, { keepdim: true }, { keepdims: true }])("%j keeps axes", (options) => {
    expect(shapes({ axis: 1, ...options })).toEqual(new Array(9).fill([2, 1, 4]));
  });
  it("are given once", () => {
    expect(() => ops.sum(x, { axes: 0, dim: 1 })).toThrow("sum: dim and axes are the same option");
    expect(ops.sum(x, { axes: 0, dim: undefined } as never).shape).toEqual([3]);
  });
  it.each<[string, () => unknown]>([
    ["softmax", () => ops.softmax(x, { axis: 1 } as never)],
    ["argmax", () => ops.argmax(x, { dim: 1 } as never)],
    ["concat", () => ops.concat([x, x], { axis: 1 } as never)],
    ["cumsum", () => ops.cumsum(x, "1" as never)],
    ["nn.softmax", () => nn.softmax({ dim: 1 } as never)],
    ["flip", () => ops.flip(x, { axis: 1 } as never)],
  ])("in place of a number are refused by %s", (name, call) => {
    expect(call).toThrow(weft.ValueError);
    expect(call).toThrow(new RegExp(`^${name}: .*must be a`));
  });
});

describe("values of another kind", () => {
  it.each<[() => unknown, string]>([
    [
      () => ops.conv2d(image, weight, undefined, { stride: "2" } as never),
      'conv2d: stride must be a number or an array of numbers, got "2"',
    ],
    [
      () => ops.conv2d(image, weight, undefined, { stride: Number.NaN }),
      "conv2d: stride must be a number or an array of numbers, got NaN",
    ],
    [
      () => ops.conv2d(image, weight, undefined, { stride: -1 }),
      "conv2d: stride must be a whole number of at least 1, got -1",
    ],
    [
      () => ops.conv2d(image, weight, undefined, { groups: [1] } as never),
      "conv2d: groups must be a number, got [1]",
    ],
    [
      () => nn.maxPool2d(2, 2 as never),
      "nn.maxPool2d: options must be an object such as { stride: … }, got 2",
    ],
    [() => ops.matmul(x, x, { transposeA: 1 } as never), "matmul: transposeA must be true or false, got 1"],
    [
      () => ops.upsample(image, { scale: 2, mode: "bicubic" } as never),
      'upsample: mode must be one of "nearest", "bilinear", got "bicubic"',
    ],
    [() => ops.upsample(image, { scale: 2, mode: "bilnear" } as never), 'did you mean "bilinear"?'],
    [
      () => optim.adam({ learningRate: "0.1" } as never),
      'adam: learningRate must be a number or a schedule, got "0.1"',
    ],
    [
      () => optim.adam({ learningRate: optim.cosine } as never),
      "call the schedule, as in optim.cosine({ … })",
    ],
    [() => optim.adam({ betas: 0.9 } as never), "adam: betas must be an array, got 0.9"],
    [
      () => optim.adam(0.001 as never),
      "adam: options must be an object such as { learningRate: … }, got 0.001",
    ],
    [() => optim.sgd(undefined as never), "sgd: learningRate must be a number or a schedule, got undefined"],
    [() => nn.dropout({ p: 0.5 } as never), "nn.dropout: p must be in [0, 1], got an object { p }"],
    [() => nn.leakyRelu({ negativeSlope: 0.1 } as never), "nn.leakyRelu: negativeSlope must be a number"],
    [
      () => nn.linear("784" as never, 10),
      'nn.linear: inFeatures must be a whole number of at least 1, got "784"',
    ],
    [() => nn.linear(x as never, 10), "got a tensor f32[2, 3]; to use it as a layer, write nn.linear(…)"],
    [() => nn.mse({ reduction: "sum" } as never), "nn.mse: takes no options, got an object { reduction }"],
    [() => ops.mse(x, x, { reduction: "avg" } as never), "mse: reduction must be one of"],
    [() => transforms.randomAffine({ scale: 2 } as never), "randomAffine: scale must be an array, got 2"],
    [() => transforms.resize([4] as never), "resize: size must be one number or [y, x], got [4]"],
    [() => transforms.resize([4, 4, 4] as never), "resize: size must be one number or [y, x], got [4, 4, 4]"],
    [
      () => transforms.pad([1, 2, 3] as never),
      "pad: padding must be one number, [x, y] or [left, top, right, bottom], got [1, 2, 3]",
    ],
    [
      () => transforms.randomShift([1] as never),
      "randomShift: maxPixels must be one number or [y, x], got [1]",
    ],
    [() => ops.pad(image, [1, 1, 1]), "pad: needs pairs of [before, after]"],
    [() => ops.pad(image, 1 as never), "pad: padding must be an array of [before, after] pairs, got 1"],
    [
      () => ops.upsample(image, { size: [4, 4, 4] } as never),
      "upsample: size must be one number or [y, x], got [4, 4, 4]",
    ],
    [
      () => ops.upsample(image, { scale: [2] } as never),
      "upsample: scale must be one number or [y, x], got [2]",
    ],
    [
      () => ops.adaptiveAvgPool2d(image, [2] as never),
      "adaptiveAvgPool2d: outputSize must be one number or [y, x], got [2]",
    ],
    [() => nn.conv2d(1, 1, [3] as never), "nn.conv2d: kernelSize must be one number or [y, x], got [3]"],
    [
      () => nn.convTranspose2d(1, 1, [3, 3, 3] as never),
      "nn.convTranspose2d: kernelSize must be one number or [y, x], got [3, 3, 3]",
    ],
    [
      () => ops.relu([1, 2] as never),
      "relu: x must be a tensor, as input() or constant() give it, got [1, 2]",
    ],
    [() => ops.add(x, "2" as never), 'add: b must be a tensor, as input() or constant() give it, got "2"'],
    [() => input(3 as never), "input: the shape must be an array of whole numbers, such as [2, 3], got 3"],
    [() => new weft.CpuBackend({ bits: 16 } as never), "CpuBackend: bits must be 32 or 64, got 16"],
    [() => device.compile({ outputs: x } as never), "outputs must be an array, got a tensor f32[2, 3]"],
  ])("%o", async (call, message) => {
    const error = await Promise.resolve()
      .then(call)
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(weft.WeftError);
    expect((error as Error).message).toContain(message);
  });

  it("undefined counts as not given", () => {
    expect(ops.maxPool2d(image, 2, { stride: undefined, padding: undefined } as never).shape).toEqual([
      1, 2, 3, 3,
    ]);
    expect(nn.linear(1, 1, { bias: undefined } as never).bias).toBeDefined();
  });
});

it("a layer holds its options and gives an op only the op's", () => {
  const conv = nn.conv2d(2, 3, 3, { padding: 1, bias: false, weightInit: nn.init.ones });
  expect(conv.forward(image).shape).toEqual([1, 3, 6, 6]);
  const turned = nn.convTranspose2d(2, 3, 3, { padding: 1, bias: false });
  expect(turned.forward(image).shape).toEqual([1, 3, 6, 6]);
  const line = nn.conv1d(2, 3, 3, { padding: 1, biasInit: nn.init.zeros });
  expect(line.forward(input([1, 2, 6])).shape).toEqual([1, 3, 6]);
  expect(layer.forward(x).shape).toEqual([2, 2]);
  expect(constant(new Float32Array(1)).shape).toEqual([1]);
});

it("normalize takes the statistics of a standardizer", () => {
  const standardizer = data.fitStandardizer(set);
  expect(data.normalize(set, standardizer).count).toBe(set.count);
});

it("options are not copied where nothing is renamed", () => {
  const given = { a: 1 };
  expect(checkOptions("test", given, { a: "number" })).toBe(given);
});

describe("what is no tensor", () => {
  // These run on the host, or take tensors by name, of which some may be missing.
  const others = ["updateRunningStats", "sampleOrder", "recordedSteps", "stepsPerEpoch", "RandomSource"];
  const names = Object.keys(ops).filter((name) => typeof ops[name as never] === "function");
  const given: unknown[][] = [[[1, 2]], [3], ["a"], [null], [x, 3, 3], [x, "a"], [x, x, x], [[x, x], 0]];
  given.push(
    [x, [1, 2]],
    [x, {}],
    [x, null],
    [[1], [2]],
    [x, [1, 2], 3, 4],
    [image, 2, 3],
    [[2], 0.5],
    [2, 3],
  );

  it.each(names.filter((name) => !others.includes(name)))("ops.%s takes it or says what is wrong", (name) => {
    const op = ops[name as "relu"] as (...args: unknown[]) => unknown;
    const raw = given.filter((args) => {
      try {
        op(...args);
        return false;
      } catch (error) {
        return !(error instanceof weft.WeftError);
      }
    });
    expect(raw.map((args) => args.map(String))).toEqual([]);
  });

  it.each<[() => unknown, string]>([
    [() => ops.reshape(x, 6 as never), "reshape: shape must be an array, got 6"],
    [() => ops.permute(x, 1 as never), "permute: axes must be an array, got 1"],
    [() => ops.concat(x as never, x as never), "concat: its first argument must be an array, got a tensor"],
    [
      () => ops.dropout(x, 0.5, undefined as never),
      "dropout: needs a RandomSource to draw from, got undefined",
    ],
    [() => ops.zeros(3 as never), "the shape must be an array of whole numbers, such as [2, 3], got 3"],
    [() => ops.mse([1] as never, x), "mse: "],
  ])("%o", (call, message) => {
    expect(call).toThrow(message);
  });
});
