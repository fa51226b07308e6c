/** Einstein sums and outer products: loops over all labels in float64, gradients, refusals. */
import { describe, expect, it } from "vitest";
import { type Data, type Shape, sizeOf } from "../../src/graph/spec.ts";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import { einsum, outer } from "../../src/ops/linalg/einsum.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";
import { numbers } from "../support/update-run.ts";

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
  ...equations.map(
    ([equation, a, b]): OpCase => ({
      name: `einsum ${equation}`,
      inputs: [{ shape: a }, { shape: b }],
      build: (x, y) => einsum(equation, x!, y!),
    }),
  ),
  { name: "outer", inputs: [{ shape: [5] }, { shape: [7] }], build: (a, b) => outer(a!, b!) },
];
checkOp("einsum", cases, { atol: 2e-6 });

async function read(y: Tensor, given: readonly (readonly [Tensor, Data])[]): Promise<number[]> {
  const cpu = new CpuBackend({ bits: 64 });
  const program = await cpu.compile({ outputs: [y] });
  for (const [leaf, data] of given) cpu.write(leaf, data);
  program.run();
  return [...(await program.read(y))];
}

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

describe("refuses", () => {
  const [m, v] = [input([3, 4]), input([4])];
  it.each([
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
