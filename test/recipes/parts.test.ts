/** Parts of recipes against their definitions: losses, least squares, activations, position bias, log-softmax. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { constant, input, type Tensor } from "../../src/graph/tensor.ts";
import { forward } from "../../src/nn/module.ts";
import { Random } from "../../src/numbers/random.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { leastSquares, PositionBias, recipe } from "../../src/recipes/index.ts";
import { squaredError, squaredErrorOfClasses } from "../../src/recipes/losses.ts";
import { activation } from "../../src/recipes/options.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { ValueError } from "../../src/validation/errors.ts";

/** Values of tensors on the 64-bit reference. */
async function valuesOf(...tensors: Tensor[]): Promise<number[][]> {
  const backend = new CpuBackend({ bits: 64 });
  const program = await backend.compile({ outputs: tensors, updates: [] });
  program.run();
  return Promise.all(tensors.map(async (t) => Array.from(await program.read(t))));
}

const floats = (...values: number[]) => Float64Array.from(values);

describe("squared error", () => {
  const output = constant(floats(0.5, -1, 2, 0, 0.25, 4), [3, 2]);
  /** The last sample pads the batch. */
  const weights = constant(floats(1, 1, 0));

  it("of values: summed over outputs, averaged over samples that count; derivative 2 (output - target)", async () => {
    const target = constant(floats(0, 1, 2, 2, 9, 9), [3, 2]);
    const { loss, count } = squaredError().build(output, target, weights);
    const [value, n, slope] = await valuesOf(loss, count, gradients(loss, [output])[0] as Tensor);
    expect(value?.[0]).toBeCloseTo((0.25 + 4 + 0 + 4) / 2, 12);
    expect(n).toEqual([2]);
    expect(slope).toEqual([0.5, -2, 0, -2, 0, 0]);
  });

  it("of classes: 1 for the label and 0 for the others; counts right answers", async () => {
    const labels = constant(Int32Array.of(0, 1, 0));
    const { loss, sums } = squaredErrorOfClasses().build(output, labels, weights);
    const [value, correct, slope] = await valuesOf(
      loss,
      sums.correct as Tensor,
      gradients(loss, [output])[0] as Tensor,
    );
    expect(value?.[0]).toBeCloseTo((0.25 + 1 + 4 + 1) / 2, 12);
    expect(correct).toEqual([1]);
    expect(slope).toEqual([-0.5, -1, 2, -1, 0, 0]);
  });
});

describe("leastSquares", () => {
  const random = new Random(5);
  const rows = Array.from({ length: 60 }, () => [random.normal(), random.normal(), random.normal()]);

  it("finds a linear function that fits exactly", () => {
    const { coefficients, meanSquaredError } = leastSquares(
      rows,
      rows.map(([a = 0, b = 0, c = 0]) => 2 * a - b + 0.5 * c + 7),
    );
    for (const [i, c] of [2, -1, 0.5, 7].entries()) expect(coefficients[i]).toBeCloseTo(c, 10);
    expect(meanSquaredError).toBeLessThan(1e-20);
  });

  it("leaves residuals orthogonal to every column, so no other function has a smaller error", () => {
    const targets = rows.map(([a = 0]) => Math.exp(a) + random.normal());
    const { coefficients: k, meanSquaredError } = leastSquares(rows, targets);
    const residuals = rows.map(
      (row, r) => row.reduce((v, x, i) => v + x * (k[i] as number), k[3] as number) - (targets[r] as number),
    );
    for (const column of [0, 1, 2]) {
      expect(residuals.reduce((s, e, r) => s + e * (rows[r]?.[column] as number), 0)).toBeCloseTo(0, 9);
    }
    expect(residuals.reduce((s, e) => s + e, 0)).toBeCloseTo(0, 9);
    expect(meanSquaredError).toBeCloseTo(residuals.reduce((s, e) => s + e * e, 0) / 60, 10);
  });

  it("refuses columns that depend on each other", () => {
    const doubled = rows.map(([a = 0]) => [a, 2 * a]);
    expect(() =>
      leastSquares(
        doubled,
        doubled.map(() => 1),
      ),
    ).toThrow(ValueError);
  });
});

it("sign has the gradient of hardtanh", async () => {
  const x = constant(floats(-3, -0.5, 0, 0.5, 3));
  const y = forward(activation("sign", "relu"), x);
  const [values, slope] = await valuesOf(y, gradients(sum(y), [x])[0] as Tensor);
  expect(values).toEqual([-1, -1, 0, 1, 1]);
  expect(slope).toEqual([0, 1, 1, 1, 0]);
});

it("a position bias has a gradient per position, summed over samples", async () => {
  const layer = new PositionBias([2, 1, 2]);
  const x = constant(floats(1, 2, 3, 4, 5, 6, 7, 8), [2, 2, 1, 2]);
  const weighted = forward((t: Tensor) => layer.forward(t), x);
  const [values, slope] = await valuesOf(weighted, gradients(sum(weighted), [layer.bias])[0] as Tensor);
  expect(values).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(slope).toEqual([2, 2, 2, 2]);
});

it("log-softmax with negative log-likelihood is cross-entropy in two parts, gradients too", async () => {
  const r = recipe("digits-mlp-ce");
  const labels = input([3], "i32");
  const x = input([3, 1, 8, 8]);
  const random = new Random(1);
  const pixels = Float64Array.from({ length: 192 }, () => random.uniform());
  const results: number[][] = [];
  for (const logSoftmax of [false, true]) {
    const model = r.model({ logSoftmax });
    const layers = (model as unknown as { layers: readonly { weight?: Tensor }[] }).layers;
    const { loss } = r.loss({ logSoftmax }).build(forward(model, x), labels, constant(floats(1, 1, 1)));
    const grad = gradients(loss, [layers[1]?.weight as Tensor])[0] as Tensor;
    const backend = new CpuBackend({ bits: 64 });
    const program = await backend.compile({ outputs: [loss, grad], updates: [] }, { seed: 4 });
    backend.write(x, pixels);
    backend.write(labels, Int32Array.of(3, 0, 9));
    program.run();
    results.push([...(await program.read(loss)), ...(await program.read(grad))]);
  }
  const [whole, parted] = results as [number[], number[]];
  expect(Math.max(...whole.slice(1).map(Math.abs))).toBeGreaterThan(1e-4);
  for (const [i, value] of whole.entries()) expect(parted[i]).toBeCloseTo(value, 12);
});
