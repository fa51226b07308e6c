/** Parameters that are shared, tied, frozen and trained later, by one trainer and by several. */
import { describe, expect, it } from "vitest";
import * as ops from "../../src/all-ops.ts";
import { fromColumns } from "../../src/data/columns.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { adam, sgd } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import type { StepBatch } from "../../src/train/step/phase.ts";
import { gpuBackend } from "../support/backend.ts";

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["GPU", gpuBackend],
  ["CPU reference", async () => new CpuBackend()],
];

const floats = (n: number, seed: number) =>
  Float32Array.from({ length: n }, (_, i) => Math.sin(1.7 * i + seed));
const pairs = fromColumns({
  a: { data: floats(72, 1), shape: [3] },
  b: { data: floats(72, 2), shape: [3] },
  tokens: { data: Int32Array.from({ length: 48 }, (_, i) => (7 * i + (i % 3)) % 5), shape: [2] },
  next: Int32Array.from({ length: 24 }, (_, i) => (3 * i) % 5),
});

/** Every parameter after training with `make`, here and on a reference of 64 bits, must agree. */
async function expectAsReference(
  backend: Backend,
  make: (backend: Backend) => Promise<Trainer>,
): Promise<Trainer> {
  const [trainer, reference] = [await make(backend), await make(new CpuBackend({ bits: 64 }))];
  for (const name of trainer.parameters.keys()) {
    const expected = await reference.parameter(name);
    (await trainer.parameter(name)).forEach((value, i) => {
      expect(value, `${name} ${i}`).toBeCloseTo(expected[i]!, 4);
    });
  }
  return trainer;
}

type Pair = StepBatch & Record<"a" | "b" | "tokens" | "next", Tensor>;

describe.each(backends)("on the %s", (_, open) => {
  it("a layer in two places gets the gradients of both, and is there once", async () => {
    const make = async (backend: Backend) => {
      const twin = nn.linear(3, 4);
      const model = { left: nn.sequential(twin, nn.tanh()), right: nn.sequential(twin, nn.tanh()) };
      const trainer = await Trainer.create(backend, {
        model,
        optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }),
        step: ({ a, b, weights }: Pair) => ({
          loss: ops.mse(nn.forward(model.left, a), nn.forward(model.right, b), { weights }),
        }),
        batchSize: 8,
        seed: 1,
      });
      await trainer.fit(pairs, { epochs: 3 });
      return trainer;
    };
    const trainer = await expectAsReference(await open(), make);
    expect([...trainer.parameters.keys()]).toEqual(["left.0.weight", "left.0.bias"]);
    expect(trainer.parameterCount).toBe(16);
  });

  it("embedding and output share a weight", async () => {
    const make = async (backend: Backend) => {
      const model = { embedding: nn.embedding(5, 6), mix: nn.linear(12, 6) };
      const { weight } = model.embedding;
      const trainer = await Trainer.create(backend, {
        model,
        optimizer: adam({ learningRate: 0.02 }),
        step: ({ tokens, next, weights }: Pair) => {
          const x = ops.reshape(model.embedding.forward(tokens), [8, 12]);
          const logits = ops.matmul(ops.tanh(model.mix.forward(x)), weight, { transposeB: true });
          return { loss: ops.crossEntropy(logits, next, { weights }).loss };
        },
        batchSize: 8,
        seed: 3,
      });
      const { epochs } = await trainer.fit(pairs, { epochs: 5 });
      expect(epochs[4]!.loss).toBeLessThan(epochs[0]!.loss);
      return trainer;
    };
    await expectAsReference(await open(), make);
  });

  it("a frozen trunk stays and is saved, and is trained by the next trainer once it is free", async () => {
    const backend = await open();
    const trunk = nn.sequential(nn.linear(3, 6), nn.tanh());
    const model = { trunk: nn.freeze(trunk), head: nn.linear(6, 3) };
    const create = (learningRate: number) =>
      Trainer.create(backend, {
        model,
        optimizer: adam({ learningRate }),
        step: ({ a, b, weights }: Pair) => ({
          loss: ops.mse(model.head.forward(nn.forward(trunk, a)), b, { weights }),
        }),
        batchSize: 8,
      });
    const first = await create(0.05);
    expect([...first.parameters.keys()]).toEqual(["head.weight", "head.bias"]);
    expect([...first.buffers.keys()]).toEqual(["trunk.0.weight", "trunk.0.bias"]);
    const read = (tensor: Tensor) => backend.read(tensor);
    const { weight } = trunk.layers[0] as nn.Linear;
    const { loss: before } = await first.evaluate(pairs);
    const frozen = await read(weight);
    await first.fit(pairs, { epochs: 6 });
    expect(await read(weight)).toEqual(frozen);
    const { loss: ofHead } = await first.evaluate(pairs);
    expect(ofHead).toBeLessThan(before);
    const bytes = await first.toSafetensors();

    nn.unfreeze(trunk);
    const second = await create(0.01);
    expect([...second.parameters.keys()]).toEqual([
      "trunk.0.weight",
      "trunk.0.bias",
      "head.weight",
      "head.bias",
    ]);
    expect((await second.evaluate(pairs)).loss).toBe(ofHead);
    await second.fit(pairs, { epochs: 6 });
    expect(await read(weight)).not.toEqual(frozen);
    expect((await second.evaluate(pairs)).loss).toBeLessThan(ofHead);
    // The first trainer uses the weights of now, and goes back to its own from its file.
    expect((await first.evaluate(pairs)).loss).toBe((await second.evaluate(pairs)).loss);
    await first.fromSafetensors(bytes);
    expect((await second.evaluate(pairs)).loss).toBe(ofHead);
  });

  it("trainers whose optimizers overlap take turns", async () => {
    const make = async (backend: Backend) => {
      const [trunk, one, two] = [nn.linear(3, 70), nn.linear(70, 3), nn.linear(70, 3)];
      const create = (head: nn.Linear, seed: number) => {
        const model = { head, trunk };
        return Trainer.create(backend, {
          model,
          optimizer: sgd({ learningRate: 0.05, momentum: 0.5 }),
          step: ({ a, b, weights }: Pair) => ({
            loss: ops.mse(head.forward(trunk.forward(a)), b, { weights }),
          }),
          batchSize: 8,
          seed,
        });
      };
      const [first, second] = [await create(one, 1), await create(two, 2)];
      for (let turn = 0; turn < 3; turn++) {
        await first.fit(pairs, { steps: 2 });
        await second.fit(pairs, { steps: 1 });
      }
      expect(await first.parameter("trunk.weight")).toEqual(await second.parameter("trunk.weight"));
      return first;
    };
    await expectAsReference(await open(), make);
  });
});
