/** customGradient, stopGradient and checkpoint, on both backends: values, gradients, gradients of gradients, memory. */
import { describe, expect, it } from "vitest";
import {
  type Backend,
  CpuBackend,
  checkGradients,
  checkpoint,
  constant,
  gradients,
  input,
  nn,
  ops,
  optim,
  parameter,
  state,
  type Tensor,
} from "../../src/index.ts";
import { ShapeError, ValueError } from "../../src/validation/errors.ts";
import { gpuBackend } from "../support/backend.ts";
import { numbers } from "../support/update-run.ts";

describe.each([
  ["GPU", gpuBackend],
  ["CPU reference", async (): Promise<Backend> => new CpuBackend()],
] as const)("on the %s", (_, open) => {
  const valuesOf = async (outputs: readonly Tensor[]) => {
    const program = await (await open()).compile({ outputs });
    program.run();
    return Promise.all(outputs.map(async (t) => [...(await program.read(t))]));
  };

  it("customGradient: the value of forward, the gradient of backward", async () => {
    const straight = ops.customGradient(
      (x: Tensor) => ops.round(x),
      (dy) => [dy],
    );
    const x = constant([0.2, 1.7, -0.6]);
    const y = straight(x);
    const [dx] = gradients(ops.sum(ops.mul(ops.square(y), 0.5)), [x]);
    expect(await valuesOf([y, dx!])).toEqual([
      [0, 2, -1],
      [0, 2, -1],
    ]);
  });

  it("customGradient gets inputs and result; gradients of gradients are those of backward", async () => {
    const calls: (readonly Tensor[])[] = [];
    const f = ops.customGradient(
      (a: Tensor, b: Tensor) => ops.mul(a, b),
      (dy, [a, b], y) => {
        calls.push([a, b, y]);
        return [ops.mul(dy, ops.mul(ops.square(b), a)), undefined];
      },
    );
    const [a, b] = [constant([2, 3]), constant([5, 7])];
    const y = f(a, b);
    const [da, db] = gradients(ops.sum(y), [a, b]) as [Tensor, Tensor];
    const [daa, dab] = gradients(ops.sum(da), [a, b]);
    expect(calls).toEqual([[a, b, y]]);
    expect(await valuesOf([y, da, db, daa!, dab!])).toEqual([
      [10, 21],
      [50, 147],
      [0, 0],
      [25, 49],
      [20, 42],
    ]);
  });

  it("stopGradient is detach", async () => {
    const x = constant([2, 3]);
    const [dx] = gradients(ops.sum(ops.mul(x, ops.stopGradient(x))), [x]);
    expect(await valuesOf([dx!])).toEqual([[2, 3]]);
  });

  it("checkpoint: the same bits in a deep network, in less memory", async () => {
    const device = await open();
    const train = async (checkpointed: boolean) => {
      const sizes = Array.from({ length: 24 }, (_, i) => i);
      const weights = sizes.map((i) =>
        parameter(
          [32, 32],
          numbers(1024, i).map((v) => v / 4),
          `w${i}`,
        ),
      );
      const layer = (x: Tensor, i: number) => ops.tanh(ops.matmul(x, weights[i]!));
      const part = (x: Tensor, from: number) => sizes.slice(from, from + 6).reduce((y, i) => layer(y, i), x);
      let x: Tensor = constant(numbers(32 * 256, 99), [256, 32]);
      for (const from of [0, 6, 12, 18]) {
        x = checkpointed ? checkpoint((t: Tensor) => part(t, from), x) : part(x, from);
      }
      const loss = ops.mean(ops.square(x));
      const { updates } = optim.adam({ learningRate: 1e-3 }).minimize(loss, weights);
      const program = await device.compile({ outputs: [loss], updates });
      program.run(3);
      const values = await device.readAll(weights);
      return { loss: await program.read(loss), values, bytes: program.describe().slotBytes };
    };
    const [kept, computedAgain] = [await train(false), await train(true)];
    expect(computedAgain.loss).toEqual(kept.loss);
    expect(computedAgain.values).toEqual(kept.values);
    expect(computedAgain.bytes).toBeLessThan(0.6 * kept.bytes);
  });

  it("checkpoint draws the same random numbers again, and trains tied and captured parameters", async () => {
    const device = await open();
    const run = async (checkpointed: boolean) => {
      const w = parameter([8, 8], numbers(64, 1), "w");
      const random = new ops.RandomSource(state([1], 3, "u32"), state([2], [4, 5], "u32"));
      const { result } = nn.build({ training: true, random }, () => {
        const x = ops.matmul(constant(numbers(40, 2), [5, 8]), w);
        const block = (t: Tensor) => ops.matmul(nn.forward(nn.dropout(0.5), ops.tanh(ops.matmul(t, w))), w);
        return ops.sum(ops.square(checkpointed ? checkpoint(block, x) : block(x)));
      });
      const [dw] = gradients(result, [w]);
      const program = await device.compile({ outputs: [result, dw!] });
      program.run();
      return [await program.read(result), await program.read(dw!)];
    };
    expect(await run(true)).toEqual(await run(false));
  });
});

it("gradients of gradients go through checkpoint", async () => {
  const w = constant(Float64Array.from(numbers(6, 4)), [2, 3]);
  const gradientOf = (t: Tensor) => {
    const y = checkpoint((x: Tensor) => ops.sum(ops.exp(ops.mul(ops.tanh(ops.mul(x, w)), x))), t);
    return gradients(ops.square(y), [t])[0] as Tensor;
  };
  const report = await checkGradients(gradientOf, [{ data: numbers(6, 5), shape: [2, 3] }]);
  expect(report.failures).toEqual([]);
  const identity = input([2]);
  expect(checkpoint((x: Tensor) => x, identity)).toBe(identity);
});

it("refuses what does not fit", () => {
  const x = input([2]);
  expect(() => ops.customGradient(3 as never, () => [])).toThrow(ValueError);
  const wrong = ops.customGradient(
    (t: Tensor) => ops.square(t),
    () => [input([3])],
  );
  expect(() => gradients(ops.sum(wrong(x)), [x])).toThrow(
    /customGradient: gradient 0 must be f32 of the shape of input f32\[2\], got f32\[3\]/,
  );
  const few = ops.customGradient(
    (t: Tensor) => ops.square(t),
    () => [],
  );
  expect(() => gradients(ops.sum(few(x)), [x])).toThrow(/backward must return 1 gradients/);
  expect(() => wrong(1 as never)).toThrow(ShapeError);
  expect(() => checkpoint((t: Tensor) => t, 1 as never)).toThrow(/checkpoint: every input/);
  expect(() => checkpoint((_: Tensor) => 1 as never, x)).toThrow(
    /checkpoint: the result of fn must be a tensor/,
  );
});
