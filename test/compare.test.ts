/** compare: a correct device agrees with the reference; for a broken one the first wrong node is named. */
import { describe, expect, it } from "vitest";
import { gradients } from "../src/autograd.ts";
import { compare } from "../src/checks/compare.ts";
import { constant, input, parameter, type Tensor } from "../src/graph/tensor.ts";
import * as nn from "../src/nn/index.ts";
import { add, mul } from "../src/ops/elementwise/arithmetic.ts";
import { relu } from "../src/ops/elementwise/relu-sigmoid-tanh.ts";
import { linear } from "../src/ops/linalg/linear.ts";
import { crossEntropy } from "../src/ops/loss/cross-entropy.ts";
import { argmax } from "../src/ops/reduce/argmax.ts";
import { softmax } from "../src/ops/reduce/softmax.ts";
import { sum } from "../src/ops/reduce/sum.ts";
import { gpuBackend } from "./support/backend.ts";
import { brokenBackend, offByAThousandth } from "./support/broken-kernels.ts";
import { numbers } from "./support/update-run.ts";

function network() {
  const x = input([6, 5], "f32", "x");
  const [w, v] = [parameter([7, 5], numbers(35, 1), "w"), parameter([3, 7], numbers(21, 2), "v")];
  const hidden = relu(linear(x, w));
  const logits = linear(hidden, v);
  const { loss } = crossEntropy(logits, constant(Int32Array.of(0, 1, 2, 0, 1, 2)));
  const outputs = [loss, argmax(logits), ...gradients(loss, [w, v])];
  return { x, outputs, inputs: new Map([[x, numbers(30, 3)]]) };
}

describe("compare", () => {
  it("finds no difference on a correct device, gradients included", async () => {
    const { outputs, inputs } = network();
    const report = await compare(await gpuBackend(), { outputs }, inputs);
    expect(report).toMatchObject({ ok: true, first: undefined });
    expect(report.compared).toBeGreaterThan(6);
  });

  it("reads results of more nodes than fit into one run", async () => {
    const x = input([3], "f32", "x");
    let y: Tensor = x;
    for (let i = 0; i < 50; i++) y = add(mul(y, 1.01), 0.1);
    const report = await compare(
      await gpuBackend(),
      { outputs: [y] },
      new Map([[x, Float32Array.of(1, 2, 3)]]),
    );
    expect(report).toMatchObject({ ok: true, compared: 100 });
  });

  it("names the first wrong node, not those that depend on it", async () => {
    const backend = await brokenBackend((file, code) =>
      file === "softmax.wgsl" ? offByAThousandth(code) : code,
    );
    const x = input([2, 4], "f32", "x");
    const before = mul(x, 2);
    const y = sum(softmax(before));
    const report = await compare(backend, { outputs: [y] }, new Map([[x, numbers(8, 1)]]));
    await backend.close();
    expect(report.ok).toBe(false);
    expect(report.first).toMatchObject({ op: "softmax", label: "softmax", inputs: [before.label], index: 0 });
    expect(report.first!.actual / report.first!.expected).toBeCloseTo(1.001, 4);
    expect(report.first!.message).toMatch(
      /^softmax \(softmax, f32\[2, 4\]\) is the first to differ: element 0 is/,
    );
  });

  it("uses the model's weights on the device", async () => {
    const gpu = await gpuBackend();
    const layer = nn.linear(4, 2);
    const x = input([1, 4], "f32", "x");
    const y = layer.forward(x);
    await gpu.compile({ outputs: [y] });
    gpu.write(layer.weight, Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    expect(await compare(gpu, { outputs: [y] }, new Map([[x, numbers(4, 1)]]))).toMatchObject({ ok: true });
    expect([...(await gpu.read(layer.weight))]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("refuses an input without a value", async () => {
    const { outputs } = network();
    await expect(compare(await gpuBackend(), { outputs }, new Map())).rejects.toThrow(
      /the input x has no value/,
    );
  });
});
