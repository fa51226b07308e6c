/**
 * Ops that a user defines with the public names only (test/support/custom-op.ts): device against CPU reference, gradients
 * against differences, fusion, training, and the errors that a wrong definition gives.
 */
import { describe, expect, it } from "vitest";
import {
  checkGradients,
  compare,
  defineOp,
  input,
  nn,
  optim,
  Shader,
  type Tensor,
  Trainer,
} from "../src/index.ts";
import { gpuBackend } from "./support/backend.ts";
import { distances, softsign } from "./support/custom-op.ts";

const wave = (length: number, phase = 0) =>
  Float32Array.from({ length }, (_, i) => Math.sin(1.3 * i + phase));

describe("ops defined outside the package", () => {
  it("compute the same on the device as on the CPU reference, fused and unfused", async () => {
    const device = await gpuBackend();
    const [a, b] = [input([5, 7]), input([70, 7])];
    const d = softsign(distances(a, b), 2);
    const values = new Map([
      [a, wave(35)],
      [b, wave(490, 1)],
    ]);
    expect(await compare(device, { outputs: [d] }, values)).toMatchObject({ ok: true, compared: 2 });
    const read = async (fuse: boolean) => {
      using program = await device.compile({ outputs: [d] }, { fuse });
      for (const [leaf, data] of values) device.write(leaf, data);
      program.run();
      return program.read(d);
    };
    const [fused, unfused] = [await read(true), await read(false)];
    expect(fused).toHaveLength(350);
    fused.forEach((value, i) => {
      expect(value).toBeCloseTo(unfused[i] as number, 5);
    });
  });

  it.each([false, true])("have the gradients that differences have, square root %s", async (squareRoot) => {
    const report = await checkGradients(
      (a, b) => softsign(distances(a as Tensor, b as Tensor, { squareRoot }), 0.5),
      [
        { data: wave(12), shape: [4, 3] },
        { data: wave(6, 2), shape: [2, 3] },
      ],
    );
    expect(report).toMatchObject({ ok: true, checked: 18 });
  });

  it("train as layers of a model", async () => {
    const device = await gpuBackend();
    const centres = nn.linear(3, 4, { bias: false });
    const model: nn.Module = Object.assign(
      { kind: "Distances", centres },
      { forward: (x: Tensor) => softsign(distances(x, centres.weight)) },
    );
    const trainer = await Trainer.create(device, {
      model: nn.sequential(model, nn.linear(4, 2)),
      loss: nn.crossEntropy(),
      optimizer: optim.adam({ learningRate: 0.05 }),
      batchSize: 8,
      seed: 4,
    });
    const set = {
      name: "waves",
      split: "train",
      count: 32,
      inputs: { data: wave(96), shape: [3] },
      labels: Int32Array.from({ length: 32 }, (_, i) => (Math.sin(3.9 * i) > 0 ? 1 : 0)),
      classes: 2,
    };
    const { epochs } = await trainer.fit(set, { epochs: 30 });
    expect(epochs.at(-1)?.loss).toBeLessThan(0.6 * (epochs[0]?.loss as number));
  });

  it("refuse wrong shapes, and kernels that bind what their WGSL does not declare", async () => {
    expect(() => distances(input([2, 3]), input([2, 4]))).toThrow(/same number of columns/);
    const broken = defineOp({
      name: "broken",
      args: ["x"],
      results: ["y"],
      plan: ([x], _: object) => ({ outputs: [x as Tensor], constants: {} }),
      cpu: () => undefined,
      kernels: () => ({
        kernels: [
          {
            shader: new Shader("broken.wgsl", "@compute @workgroup_size(1) fn run() {}"),
            entry: "run",
            bind: ["x", "y"],
            groups: [1],
          },
        ],
      }),
    });
    const device = await gpuBackend();
    const outputs = [broken.one([input([2])], {})];
    await expect(device.compile({ outputs })).rejects.toThrow("broken.wgsl: run binds x");
  });
});
