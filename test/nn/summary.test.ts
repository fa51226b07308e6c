/** Model summaries: paths, kinds, shapes and counts of nested, shared and custom layers; the model stays as it was. */
import { describe, expect, it } from "vitest";
import { parameter, type Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { add } from "../../src/ops/elementwise/arithmetic.ts";
import { lenet5 } from "../../src/recipes/lenet5.ts";

describe("summary", () => {
  it("lists the layers of LeNet-5 with shapes and parameters", () => {
    const { layers, parameters, outputShape } = nn.summary(lenet5(), [1, 28, 28]);
    expect(layers.map((l) => [l.name, l.kind, l.outputShape.slice(1).join("x"), l.parameters])).toEqual([
      ["0", "Conv2d", "6x28x28", 156],
      ["1", "relu", "6x28x28", 0],
      ["2", "maxPool2d", "6x14x14", 0],
      ["3", "Conv2d", "16x10x10", 2416],
      ["4", "relu", "16x10x10", 0],
      ["5", "maxPool2d", "16x5x5", 0],
      ["6", "reshape", "400", 0],
      ["7", "Linear", "120", 48120],
      ["8", "relu", "120", 0],
      ["9", "Linear", "84", 10164],
      ["10", "relu", "84", 0],
      ["11", "Linear", "10", 850],
    ]);
    expect([parameters, ...outputShape]).toEqual([61706, 1, 10]);
  });

  it("sees into residuals and layers of one's own, and counts running statistics apart", () => {
    class Own implements nn.Module {
      readonly scale = parameter([1], 1, "scale");
      readonly inner = nn.linear(4, 4);
      readonly activate = nn.relu();

      forward(x: Tensor): Tensor {
        return add(this.activate(this.inner.forward(x)), this.scale);
      }
    }
    const model = nn.sequential(nn.residual(nn.sequential(new Own(), nn.batchNorm1d(4))), nn.linear(4, 2));
    const { layers, parameters, buffers } = nn.summary(model, [4]);
    expect(layers.map((l) => [l.name, l.kind, l.parameters])).toEqual([
      ["0.main.0.inner", "Linear", 20],
      ["0.main.0.activate", "relu", 0],
      ["0.main.0", "Own", 1],
      ["0.main.1", "BatchNorm1d", 8],
      ["1", "Linear", 10],
    ]);
    expect(parameters).toBe(39);
    expect(buffers).toBeGreaterThanOrEqual(8);
  });

  it("counts a layer that is used twice once, and leaves the model as it was", () => {
    const shared = nn.linear(3, 3);
    const model = nn.sequential(shared, nn.tanh(), shared);
    const before = [...model.layers];
    const fields = Object.keys(shared);
    const { layers, parameters } = nn.summary(model, [3]);
    expect(layers.map((l) => l.parameters)).toEqual([12, 0, 0]);
    expect(parameters).toBe(12);
    expect(model.layers).toEqual(before);
    expect(Object.keys(shared)).toEqual(fields);
    expect(Object.hasOwn(shared, "forward")).toBe(false);
  });

  it("throws what the model throws, and leaves it as it was then too", () => {
    const model = nn.sequential(nn.linear(3, 3), nn.linear(4, 4));
    expect(() => nn.summary(model, [3])).toThrow(/linear/);
    expect(Object.hasOwn(model.layers[0] as object, "forward")).toBe(false);
  });

  it("is a table with totals", () => {
    const text = nn.summaryText(nn.summary(nn.sequential(nn.linear(3, 2), nn.relu()), [3]));
    expect(text.split("\n")).toEqual([
      "Layer     Output  Parameters",
      "----------------------------",
      "0 Linear  [N, 2]           8",
      "1 relu    [N, 2]",
      "----------------------------",
      "8 parameters",
    ]);
  });
});
