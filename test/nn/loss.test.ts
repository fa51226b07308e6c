/** Losses for the trainer with labels per position: means, counts and correct answers over the positions that count. */
import { expect, it } from "vitest";
import { constant, input } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import * as ops from "../../src/ops/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { expectClose } from "../support/close.ts";

// Samples [2], classes [2], positions [3]: rows of logits (0, 1), (0, 2), (3, 0) and (1, 0), NaN, NaN.
const logits = [0, 0, 3, 1, 2, 0, 1, Number.NaN, Number.NaN, 0, Number.NaN, Number.NaN];
const labels = [1, 9, 1, 0, 0, 1];
const cost = (own: number, other: number) => Math.log1p(Math.exp(other - own));

it.each([
  ["cpu", async (): Promise<Backend> => new CpuBackend()],
  ["webgpu", gpuBackend],
] as const)("labels [N, T] on %s", async (_, open) => {
  const backend = await open();
  const [x, t, w] = [input([2, 2, 3]), input([2, 3], "i32"), input([2])];
  const plain = nn.crossEntropy({ ignoreIndex: 9 }).build(x, t, w);
  const weighted = nn.crossEntropy({ ignoreIndex: 9, classWeights: [1, 3] }).build(x, t, w);
  const { loss, count, sums } = plain;
  const wanted = [loss, count, sums.correct!, weighted.loss, weighted.weight!, weighted.count];
  const program = await backend.compile({ outputs: wanted });
  backend.write(x, Float32Array.from(logits));
  backend.write(t, Int32Array.from(labels));
  const run = async (...weights: number[]) => {
    backend.write(w, Float32Array.from(weights));
    program.run();
    return (await Promise.all(wanted.map((y) => program.read(y)))).map((values) => values[0]!);
  };
  // The second sample, which holds NaN, only pads the batch; the second position of the first is ignored.
  const sum = cost(1, 0) + cost(0, 3);
  expectClose("of the first sample", await run(1, 0), [sum / 2, 2, 1, sum / 2, 6, 2], [6]);
  expect((await run(1, 1))[0]).toBeNaN();
  expectClose("of nothing", await run(0, 0), [0, 0, 0, 0, 0, 0], [6], { atol: 0 });
});

it("logits [N, T, C] with classAxis -1 give what [N, C, T] gives", async () => {
  const backend = new CpuBackend();
  const [first, last] = [input([2, 2, 3]), input([2, 3, 2])];
  const [t, w, perPosition] = [input([2, 3], "i32"), input([2]), input([2, 3])];
  const options = { classWeights: constant([1, 3]), labelSmoothing: 0.1 };
  const pairs = [
    { weights: w },
    { weights: perPosition },
    { ...options, weights: w },
    { reduction: "none" },
  ].map((given) => [
    ops.crossEntropy(first, t, given as never),
    ops.crossEntropy(last, t, { ...(given as object), classAxis: -1 }),
  ]);
  const outputs = pairs.flatMap(([a, b]) => [a!.loss, b!.loss, a!.correct, b!.correct]);
  const program = await backend.compile({ outputs });
  const values = Float32Array.from({ length: 12 }, (_, i) => Math.sin(i));
  backend.write(first, values);
  const moved = Float32Array.from(
    values,
    (_, i) => values[Math.floor(i / 6) * 6 + (i % 2) * 3 + (Math.floor(i / 2) % 3)]!,
  );
  backend.write(last, moved);
  backend.write(t, Int32Array.from([1, -100, 1, 0, 0, 1]));
  backend.write(w, Float32Array.of(1, 2));
  backend.write(perPosition, Float32Array.of(1, 2, 0, 1, 3, 1));
  program.run();
  for (let i = 0; i < outputs.length; i += 2) {
    expectClose(
      `case ${i}`,
      await program.read(outputs[i + 1]!),
      [...(await program.read(outputs[i]!))],
      [outputs[i]!.size],
    );
  }
  expect(() => ops.crossEntropy(last, t, { classAxis: 0 as 1 })).toThrow(/classAxis must be 1 or -1, got 0/);
  expect(() => nn.crossEntropy({ classAxis: 0 as 1 })).toThrow(
    /nn.crossEntropy: classAxis must be 1 or -1, got 0/,
  );
});
