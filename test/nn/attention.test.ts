/** nn.multiHeadAttention: names, self-attention against attention, grouped heads, masks, dropout, refusals. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { constant, input, state, type Tensor } from "../../src/graph/tensor.ts";
import { build, forward, multiHeadAttention, namedParameters } from "../../src/nn/index.ts";
import { RandomSource } from "../../src/ops/random/random.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { expectClose } from "../support/close.ts";
import { numbers } from "../support/update-run.ts";

const [N, T, E] = [3, 5, 8];
const x = input([N, T, E]);

/** Values of `outputs` on the float64 CPU reference and on the GPU. */
async function run(outputs: readonly Tensor[]): Promise<number[][][]> {
  const results: number[][][] = [];
  for (const backend of [new CpuBackend({ bits: 64 }), await gpuBackend()]) {
    const program = await backend.compile({ outputs }, { seed: 3 });
    backend.write(x, numbers(N * T * E, 1));
    program.run();
    results.push(await Promise.all(outputs.map(async (t) => [...(await program.read(t))])));
  }
  return results;
}

describe("nn.multiHeadAttention", () => {
  it.each([undefined, 1])(
    "attends to itself as to another of the same values, kvHeads %o",
    async (kvHeads) => {
      const layer = multiHeadAttention(E, 2, { causal: true, kvHeads });
      const found = [...namedParameters(layer)].map(([name, t]) => `${name} [${t.shape}]`);
      const rows = kvHeads === 1 ? 16 : 24;
      expect(found).toEqual([
        `in_proj_weight [${rows},8]`,
        `in_proj_bias [${rows}]`,
        "out_proj.weight [8,8]",
        "out_proj.bias [8]",
      ]);
      const mask = constant(Float32Array.from({ length: T }, (_, j) => Number(j !== 2)));
      const lengths = constant(Int32Array.of(5, 3, 1));
      const masks = { mask, lengths };
      const outputs = [
        [forward(layer, x), layer.attend(x, x, x)],
        [layer.forward(x, masks), layer.attend(x, x, x, masks)],
      ];
      for (const values of await run(outputs.flat())) {
        expectClose("attention", values[0]!, values[1]!, [N, T, E]);
        expectClose("attention with masks", values[2]!, values[3]!, [N, T, E]);
        expect(Math.max(...values[0]!)).toBeGreaterThan(0.01);
        expect(values[2]).not.toEqual(values[0]);
      }
    },
  );

  it("drops weights in training only", async () => {
    const layer = multiHeadAttention(E, 2, { dropout: 0.5 });
    const random = () => new RandomSource(state([1], 4, "u32"), state([2], [1, 2], "u32"));
    const train = () => build({ training: true, random: random() }, () => layer.forward(x)).result;
    const evaluate = build({ training: false }, () => layer.forward(x)).result;
    for (const [a, b, c] of await run([train(), train(), evaluate])) {
      expect(a).toEqual(b);
      expect(a).not.toEqual(c);
    }
    expect(() => gradients(sum(layer.forward(x)), [layer.in_proj_weight])).toThrow(
      /was built for evaluation/,
    );
  });

  it.each([
    ["heads that do not divide", () => multiHeadAttention(8, 3), /embedSize 8 does not divide into 3 heads/],
    [
      "groups that do not divide",
      () => multiHeadAttention(8, 4, { kvHeads: 3 }),
      /4 heads do not divide into groups/,
    ],
    ["dropout beyond 1", () => multiHeadAttention(8, 4, { dropout: 2 }), /dropout must be in \[0, 1\]/],
    ["no matrix", () => multiHeadAttention(8, 4).attend(x, input([8]), x), /key must be f32 of rank 3/],
  ])("refuses %s", (_, make, message) => {
    expect(make).toThrow(message);
  });
});
