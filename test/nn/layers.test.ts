/** Convolutions in one and three dimensions, instance norms and pools as layers: names, shapes, options, training, refusals. */
import { describe, expect, it } from "vitest";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";

const shapesOf = (layer: nn.Layer) =>
  Object.fromEntries([...nn.namedParameters(layer)].map(([name, t]) => [name, t.shape]));
const applied = (layer: nn.Layer, shape: readonly number[]): Tensor =>
  nn.build({ training: true }, () => nn.forward(layer, input(shape))).result;

describe("layers have PyTorch's parameters and shapes", () => {
  it.each<[string, nn.Layer, Record<string, number[]>, number[], number[]]>([
    [
      "conv3d",
      nn.conv3d(4, 6, [3, 2, 1], { groups: 2, stride: 2, padding: "same" }),
      { weight: [6, 2, 3, 2, 1], bias: [6] },
      [2, 4, 5, 6, 7],
      [2, 6, 3, 3, 4],
    ],
    [
      "convTranspose1d",
      nn.convTranspose1d(4, 6, 3, { groups: 2, stride: 2, outputPadding: 1 }),
      { weight: [4, 3, 3], bias: [6] },
      [2, 4, 5],
      [2, 6, 12],
    ],
    [
      "convTranspose1d",
      nn.convTranspose1d(2, 3, 3, { bias: false }),
      { weight: [2, 3, 3] },
      [1, 2, 4],
      [1, 3, 6],
    ],
    [
      "conv2d",
      nn.conv2d(1, 2, 3, { padding: "same", stride: 2, bias: false }),
      { weight: [2, 1, 3, 3] },
      [1, 1, 5, 6],
      [1, 2, 3, 3],
    ],
    [
      "conv1d",
      nn.conv1d(1, 2, 3, { padding: "same", stride: 3, bias: false }),
      { weight: [2, 1, 3] },
      [1, 1, 7],
      [1, 2, 3],
    ],
    ["instanceNorm1d", nn.instanceNorm1d(3), {}, [2, 3, 4], [2, 3, 4]],
    [
      "instanceNorm2d",
      nn.instanceNorm2d(3, { affine: true }),
      { weight: [3], bias: [3] },
      [2, 3, 4, 5],
      [2, 3, 4, 5],
    ],
    ["instanceNorm3d", nn.instanceNorm3d(3), {}, [2, 3, 4, 5, 2], [2, 3, 4, 5, 2]],
    ["batchNorm3d", nn.batchNorm3d(3), { weight: [3], bias: [3] }, [2, 3, 4, 5, 2], [2, 3, 4, 5, 2]],
    ["localResponseNorm", nn.localResponseNorm(5), {}, [2, 3, 4], [2, 3, 4]],
    ["maxPool1d", nn.maxPool1d(2), {}, [2, 3, 8], [2, 3, 4]],
    ["avgPool1d", nn.avgPool1d(3, { stride: 2, padding: "same" }), {}, [2, 3, 9], [2, 3, 5]],
    ["maxPool3d", nn.maxPool3d([1, 2, 2]), {}, [2, 3, 4, 4, 6], [2, 3, 4, 2, 3]],
    ["avgPool3d", nn.avgPool3d(2, { padding: 1 }), {}, [2, 3, 4, 4, 4], [2, 3, 3, 3, 3]],
    ["adaptiveAvgPool1d", nn.adaptiveAvgPool1d(3), {}, [2, 3, 7], [2, 3, 3]],
    ["adaptiveMaxPool1d", nn.adaptiveMaxPool1d(3), {}, [2, 3, 7], [2, 3, 3]],
    ["globalAvgPool1d", nn.globalAvgPool1d(), {}, [2, 3, 7], [2, 3, 1]],
    ["globalMaxPool1d", nn.globalMaxPool1d(), {}, [2, 3, 7], [2, 3, 1]],
    ["globalAvgPool3d", nn.globalAvgPool3d(), {}, [2, 3, 7, 2, 2], [2, 3, 1, 1, 1]],
  ])("%s", (_, layer, parameters, shape, expected) => {
    expect(shapesOf(layer)).toEqual(parameters);
    expect(applied(layer, shape).shape).toEqual(expected);
  });
});

describe("layers refuse", () => {
  it.each<[string, () => unknown, RegExp]>([
    [
      "groups that do not divide",
      () => nn.conv3d(3, 4, 2, { groups: 2 }),
      /nn.conv3d: inChannels \/ groups must be/,
    ],
    [
      "kernels of two sizes",
      () => nn.conv3d(3, 4, [2, 2] as never),
      /nn.conv3d: kernelSize must be one number or \[z, y, x\]/,
    ],
    [
      "groups of outputs",
      () => nn.convTranspose1d(4, 3, 2, { groups: 2 }),
      /outChannels \/ groups must be a whole number/,
    ],
    [
      "no channels",
      () => nn.convTranspose1d(0, 3, 2),
      /nn.convTranspose1d: inChannels must be a whole number/,
    ],
    [
      "images for signals",
      () => applied(nn.instanceNorm1d(3), [2, 3, 4, 4]),
      /nn.instanceNorm1d: needs rank 3 and 3 channels/,
    ],
    [
      "other channels",
      () => applied(nn.instanceNorm2d(3), [2, 4, 4, 4]),
      /nn.instanceNorm2d: needs rank 4 and 3 channels/,
    ],
    [
      "images for volumes",
      () => applied(nn.batchNorm3d(3), [2, 3, 4, 4]),
      /nn.batchNorm3d: needs rank 5 and 3 channels/,
    ],
    ["no window", () => nn.maxPool1d(0), /nn.maxPool1d: kernelSize must be a whole number of at least 1/],
    ["no threshold", () => nn.threshold(Number.NaN, 1), /nn.threshold: threshold must be a number/],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(message);
  });
});
