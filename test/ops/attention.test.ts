/** Attention, outer products and Einstein sums: plain loops in float64, gradients, the module, refusals. */
import { describe, expect, it } from "vitest";
import { type Data, type Shape, sizeOf } from "../../src/graph/spec.ts";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import { forward, multiHeadAttention, namedParameters } from "../../src/nn/index.ts";
import { einsum, outer, scaledDotProductAttention } from "../../src/ops/attention/attention.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";
import { numbers } from "../support/update-run.ts";

const attentions: readonly (readonly [L: number, S: number, E: number, EV: number, batch: number[]])[] = [
  [1, 1, 1, 1, []],
  [5, 7, 3, 4, [2]],
  [7, 7, 8, 8, [2, 3]],
  [17, 5, 16, 2, [1]],
];
const equations: readonly (readonly [string, Shape, Shape])[] = [
  ["ij,jk->ik", [3, 4], [4, 5]],
  ["bij,bjk->bik", [2, 3, 4], [2, 4, 5]],
  ["ij,ij->", [3, 4], [3, 4]],
  ["i,j->ji", [3], [4]],
  ["ijk,kl->lij", [2, 3, 4], [4, 5]],
  ["bhqd,bhkd->bhqk", [2, 2, 3, 4], [2, 2, 5, 4]],
  ["abc,cd->ad", [2, 3, 4], [4, 2]],
  ["ba,cb", [2, 3], [4, 2]],
  ["ij,ij->ij", [3, 4], [3, 4]],
];
const cases: readonly OpCase[] = [
  ...attentions.flatMap(([L, S, E, EV, batch]) =>
    [false, true].map(
      (causal): OpCase => ({
        name: `attention ${L}x${S}, ${E} and ${EV} features, batch [${batch}]${causal ? ", causal" : ""}`,
        inputs: [{ shape: [...batch, L, E] }, { shape: [...batch, S, E] }, { shape: [...batch, S, EV] }],
        build: (q, k, v) => scaledDotProductAttention(q!, k!, v!, causal ? { causal } : { scale: 0.7 }),
      }),
    ),
  ),
  ...equations.map(
    ([equation, a, b]): OpCase => ({
      name: `einsum ${equation}`,
      inputs: [{ shape: a }, { shape: b }],
      build: (x, y) => einsum(equation, x!, y!),
    }),
  ),
  { name: "outer", inputs: [{ shape: [5] }, { shape: [7] }], build: (a, b) => outer(a!, b!) },
];
checkOp("attention", cases, { atol: 2e-6 });

async function read(y: Tensor, given: readonly (readonly [Tensor, Data])[]): Promise<number[]> {
  const cpu = new CpuBackend({ bits: 64 });
  const program = await cpu.compile({ outputs: [y] });
  for (const [leaf, data] of given) cpu.write(leaf, data);
  program.run();
  return [...(await program.read(y))];
}

it("attention is its formula, and query i of a causal one sees keys 0 to i", async () => {
  const [L, S, E, EV] = [4, 6, 3, 2];
  const [q, k, v] = [input([L, E]), input([S, E]), input([S, EV])];
  const [qs, ks, vs] = [numbers(L * E, 1), numbers(S * E, 2), numbers(S * EV, 3)];
  for (const causal of [false, true]) {
    const expected: number[] = [];
    for (let i = 0; i < L; i++) {
      const e = Array.from({ length: causal ? i + 1 : S }, (_, j) => {
        let score = 0;
        for (let c = 0; c < E; c++) score += qs[i * E + c]! * ks[j * E + c]!;
        return Math.exp(score / Math.sqrt(E));
      });
      const total = e.reduce((a, b) => a + b);
      for (let c = 0; c < EV; c++) expected.push(e.reduce((s, w, j) => s + (w / total) * vs[j * EV + c]!, 0));
    }
    const y = await read(scaledDotProductAttention(q, k, v, { causal }), [
      [q, qs],
      [k, ks],
      [v, vs],
    ]);
    expectClose(`causal ${causal}`, y, expected, [L, EV], { atol: 1e-12 });
  }
});

it.each(equations)("einsum %s is a sum over all labels", async (equation, a, b) => {
  const [x, y] = [input(a), input(b)];
  const [xs, ys] = [numbers(sizeOf(a), 1), numbers(sizeOf(b), 2)];
  const [left, right] = equation.split("->") as [string, string | undefined];
  const [la, lb] = left.split(",").map((s) => [...s]) as [string[], string[]];
  const out = right === undefined ? ["a", "c"] : [...right];
  const labels = [...new Set([...la, ...lb])];
  const size = (l: string) => (la.includes(l) ? a[la.indexOf(l)] : b[lb.indexOf(l)]) as number;
  const place = (list: readonly string[], at: ReadonlyMap<string, number>) =>
    list.reduce((offset, l) => offset * size(l) + at.get(l)!, 0);
  const expected = new Float64Array(sizeOf(out.map(size)));
  for (let e = 0; e < sizeOf(labels.map(size)); e++) {
    let rest = e;
    const at = new Map<string, number>();
    for (const l of labels) {
      at.set(l, rest % size(l));
      rest = Math.floor(rest / size(l));
    }
    expected[place(out, at)]! += xs[place(la, at)]! * ys[place(lb, at)]!;
  }
  const z = einsum(equation, x, y);
  expect(z.shape).toEqual(out.map(size));
  expectClose(
    equation,
    await read(z, [
      [x, xs],
      [y, ys],
    ]),
    expected,
    z.shape,
    { atol: 1e-12 },
  );
});

describe("nn.multiHeadAttention", () => {
  it("names its parameters as PyTorch, and attends to itself as to another of the same values", async () => {
    const layer = multiHeadAttention(8, 2, { causal: true });
    const found = [...namedParameters(layer)].map(([name, t]) => `${name} [${t.shape}]`);
    expect(found).toEqual([
      "in_proj_weight [24,8]",
      "in_proj_bias [24]",
      "out_proj.weight [8,8]",
      "out_proj.bias [8]",
    ]);
    const x = input([3, 5, 8]);
    const outputs = [forward(layer, x), layer.attend(x, x, x)];
    for (const backend of [new CpuBackend({ bits: 64 }), await gpuBackend()]) {
      const program = await backend.compile({ outputs }, { seed: 3 });
      backend.write(x, numbers(120, 1));
      program.run();
      const [own, other] = [await program.read(outputs[0]!), await program.read(outputs[1]!)];
      expectClose("attention", own, other, [3, 5, 8]);
      expect(Math.max(...own)).toBeGreaterThan(0.01);
    }
  });

  it("refuses heads that do not divide", () => {
    expect(() => multiHeadAttention(8, 3)).toThrow(/embedSize 8 does not divide into 3 heads/);
  });
});

describe("refuses", () => {
  const [m, v] = [input([3, 4]), input([4])];
  it.each([
    ["attention of vectors", () => scaledDotProductAttention(v, m, m), /q, k and v must be matrices/],
    ["outer of matrices", () => outer(m, v), /outer: takes two vectors/],
    ["three operands", () => einsum("i,j,k->ijk", v, v), /must be like "ij,jk->ik"/],
    ["diagonals", () => einsum("ii,i->i", m, v), /ii has a label twice/],
    ["ranks that do not fit", () => einsum("ij,jk->ik", m, v), /needs operands of rank 2 and 2/],
    ["labels from nowhere", () => einsum("ij,j->x", m, v), /no operand has x/],
    ["two sizes", () => einsum("ij,i->j", m, v), /i has two sizes/],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(message);
  });
});
