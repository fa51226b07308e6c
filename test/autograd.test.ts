/** gradients(): sums over uses, zeros, seeds, second derivatives, what is not differentiated, and errors. */
import { describe, expect, it } from "vitest";
import { gradients } from "../src/autograd.ts";
import { defineOp } from "../src/graph/op.ts";
import { constant, input, type Node, parameter, type Tensor } from "../src/graph/tensor.ts";
import { add, div, mul, square, sub } from "../src/ops/elementwise/arithmetic.ts";
import { cast } from "../src/ops/elementwise/cast.ts";
import { fill } from "../src/ops/elementwise/fill.ts";
import { sigmoid, tanh } from "../src/ops/elementwise/relu-sigmoid-tanh.ts";
import { crossEntropyOp } from "../src/ops/loss/cross-entropy.ts";
import { maxPool2dOp } from "../src/ops/pool/pool.ts";
import { argmax } from "../src/ops/reduce/argmax.ts";
import { mean, sum } from "../src/ops/reduce/sum.ts";
import { reshape } from "../src/ops/shape/reshape.ts";
import { CpuBackend } from "../src/runtime/cpu/backend.ts";
import { expectClose } from "./support/close.ts";

/** Values of `wanted` in float64, with `values` written to the leaves. */
async function evaluate(
  wanted: readonly Tensor[],
  values: readonly (readonly [Tensor, readonly number[]])[],
) {
  const cpu = new CpuBackend({ bits: 64 });
  const program = await cpu.compile({ outputs: wanted });
  for (const [leaf, numbers] of values) cpu.write(leaf, Float64Array.from(numbers));
  program.run();
  return Promise.all(wanted.map(async (t) => [...(await program.read(t))]));
}

/** Every node that `roots` are computed from. */
function nodesOf(...roots: Tensor[]): Set<Node> {
  const seen = new Set<Node>();
  const visit = (node: Node): void => {
    if (seen.has(node)) return;
    seen.add(node);
    for (const t of node.inputs) visit(t.node);
  };
  for (const t of roots) visit(t.node);
  return seen;
}

describe("values", () => {
  it("sums over all uses of a tensor", async () => {
    const x = input([2]);
    // 3x + x² + x³
    const loss = sum(add(add(mul(x, 3), mul(x, x)), mul(mul(x, x), x)));
    const [dx] = await evaluate(gradients(loss, [x]), [[x, [2, -1]]]);
    expect(dx).toEqual([3 + 4 + 12, 3 - 2 + 3]);
  });

  it("sums over uses at different depths, each path once", async () => {
    const x = input([]);
    const a = mul(x, 2);
    const b = add(a, x);
    const loss = mul(mul(a, b), x);
    const [dx] = await evaluate(gradients(loss, [x]), [[x, [3]]]);
    // 2x * 3x * x = 6x³
    expect(dx).toEqual([18 * 9]);
  });

  it("gives gradients of tensors in between", async () => {
    const x = input([2]);
    const h = mul(x, 3);
    const loss = sum(square(h));
    const [dh, dx] = await evaluate(gradients(loss, [h, x]), [[x, [1, 2]]]);
    expect(dh).toEqual([6, 12]);
    expect(dx).toEqual([18, 36]);
  });

  it("gives the loss's gradient by itself: 1, or the seed", async () => {
    const x = input([]);
    const loss = mul(x, 3);
    expect(await evaluate(gradients(loss, [loss]), [])).toEqual([[1]]);
    const seed = fill([], 5);
    expect(gradients(loss, [loss], seed)[0]).toBe(seed);
  });

  it("gives one that is asked for twice twice", async () => {
    const x = input([]);
    const [first, second] = gradients(square(x), [x, x]);
    expect(second).toBe(first);
  });

  it("gives zeros for what the loss does not depend on", async () => {
    const [x, other] = [input([2, 3]), parameter([3, 2])];
    const [zero, behind] = gradients(sum(x), [other, mul(x, 2)]) as [Tensor, Tensor];
    expect(zero.shape).toEqual([3, 2]);
    expect(await evaluate([zero, behind], [])).toEqual([new Array(6).fill(0), new Array(6).fill(0)]);
  });

  it("multiplies by a seed of the loss's shape", async () => {
    const [x, seed] = [input([3]), input([3])];
    const [dx] = await evaluate(gradients(square(x), [x], seed), [
      [x, [1, 2, 3]],
      [seed, [1, -1, 0.5]],
    ]);
    expect(dx).toEqual([2, -4, 3]);
  });

  it("takes a loss of one value in any shape", async () => {
    const x = input([1, 1]);
    const [dx] = gradients(square(x), [x]) as [Tensor];
    expect(dx.shape).toEqual([1, 1]);
    expect(await evaluate([dx], [[x, [4]]])).toEqual([[8]]);
  });

  it("undoes broadcasting", async () => {
    const [x, b] = [input([2, 3]), input([3])];
    const loss = sum(mul(add(x, b), x));
    const [, db] = await evaluate(gradients(loss, [x, b]), [
      [x, [1, 2, 3, 4, 5, 6]],
      [b, [0, 0, 0]],
    ]);
    expect(db).toEqual([5, 7, 9]);
  });
});

describe("derivatives of derivatives", () => {
  it("are those of x⁴: 4x³, 12x², 24x, 24, 0", async () => {
    const x = input([]);
    const orders: Tensor[] = [square(square(x))];
    for (let order = 0; order < 5; order++) orders.push(gradients(orders.at(-1) as Tensor, [x])[0] as Tensor);
    expect((await evaluate(orders, [[x, [2]]])).flat()).toEqual([16, 32, 48, 48, 24, 0]);
  });

  it("are those of tanh, sigmoid and division", async () => {
    const x = input([]);
    const second = (y: Tensor) => gradients(gradients(y, [x])[0] as Tensor, [x])[0] as Tensor;
    const at = 0.7;
    const t = Math.tanh(at);
    const s = 1 / (1 + Math.exp(-at));
    const got = await evaluate([second(tanh(x)), second(sigmoid(x)), second(div(1, x))], [[x, [at]]]);
    const expected = [-2 * t * (1 - t * t), s * (1 - s) * (1 - 2 * s), 2 / at ** 3];
    expectClose("second derivatives", got.flat(), expected, [3], { atol: 1e-12, rtol: 1e-12 });
  });

  it("reach a gradient penalty's parameters", async () => {
    // loss = (d/dx (w x²))² = (2 w x)²,  d loss / dw = 8 w x²
    const [w, x] = [parameter([]), input([])];
    const [dx] = gradients(mul(w, square(x)), [x]) as [Tensor];
    const [dw] = await evaluate(gradients(square(dx), [w]), [
      [w, [3]],
      [x, [2]],
    ]);
    expect(dw).toEqual([8 * 3 * 4]);
  });
});

describe("what is built", () => {
  it("is nothing for inputs that need no gradient", () => {
    const [x, w] = [input([4]), parameter([4])];
    const loss = sum(mul(x, w));
    const before = nodesOf(loss);
    const [dw] = gradients(loss, [w]) as [Tensor];
    // Of the product rule only x dy, not w dy: w is no ancestor of its own gradient.
    expect(nodesOf(dw).has(w.node)).toBe(false);
    expect([...nodesOf(dw)].filter((n) => !before.has(n) && n.op.name === "mul").length).toBe(1);
  });

  it("stops at the tensors asked for", () => {
    const x = input([4]);
    const h = sigmoid(x);
    const [dh] = gradients(sum(square(h)), [h]) as [Tensor];
    expect([...nodesOf(dh)].some((n) => n.op.name === "sigmoidBackward")).toBe(false);
  });

  it("leaves the graph that it reads as it was", () => {
    const x = input([2]);
    const loss = sum(square(x));
    const before = nodesOf(loss);
    gradients(loss, [x]);
    expect(nodesOf(loss)).toEqual(before);
  });

  it("copes with deep graphs", async () => {
    const x = input([]);
    let y: Tensor = x;
    for (let i = 0; i < 5000; i++) y = add(y, 1);
    expect(await evaluate(gradients(y, [x]), [])).toEqual([[1]]);
  });
});

describe("ops of several results", () => {
  it("get a gradient for those that the loss uses only", async () => {
    const x = input([1, 1, 2, 2]);
    const [y, indices] = maxPool2dOp.apply([x], {
      kernel: [2, 2],
      stride: [2, 2],
      padding: [0, 0, 0, 0],
      dilation: [1, 1],
      ceilMode: false,
    }) as [Tensor, Tensor];
    expect(await evaluate(gradients(sum(y), [x]), [[x, [1, 4, 3, 2]]])).toEqual([[0, 1, 0, 0]]);
    expect(indices.dtype).toBe("i32");
  });

  it("have gradients summed where the loss uses more than one", async () => {
    const logits = input([2, 3]);
    const results = crossEntropyOp.apply([logits, constant(Int32Array.of(0, 2))], {});
    const [loss, , , dlogits] = results as [Tensor, Tensor, Tensor, Tensor];
    const both = add(loss, sum(square(dlogits)));
    const values = [0.1, -0.3, 0.2, 1, 0, -1];
    const [got] = await evaluate(gradients(both, [logits]), [[logits, values]]);
    const h = 1e-5;
    for (const i of values.keys()) {
      const moved = (by: number) =>
        evaluate([both], [[logits, values.map((v, k) => (k === i ? v + by : v))]]);
      const [[above], [below]] = (await Promise.all([moved(h), moved(-h)])).map((r) => r[0]) as [
        number[],
        number[],
      ];
      expect(got?.[i]).toBeCloseTo(((above as number) - (below as number)) / (2 * h), 8);
    }
  });
});

describe("errors", () => {
  const x = input([2, 3], "f32", "x");

  it("refuses a loss of several values, saying what to do", () => {
    expect(() => gradients(x, [x])).toThrow(
      /gradients: loss must hold one value, got \[2, 3\]; reduce it with mean or sum/,
    );
  });

  it("refuses a seed of another shape", () => {
    expect(() => gradients(x, [x], fill([3, 2], 1))).toThrow(
      /gradients: seed \[3, 2\] must have the shape of loss \[2, 3\]/,
    );
  });

  it("names an op without a gradient that the loss depends on", () => {
    const steps = defineOp({
      name: "steps",
      args: ["x"],
      results: ["y"],
      plan: ([t], _attrs: Record<string, never>) => ({ outputs: [t!], constants: {} }),
      cpu: ({ x: from, y }) => y.set(from.map(Math.floor)),
    });
    const stepped = steps.one([mul(x, 2)], {}, "quantise");
    expect(() => gradients(sum(stepped), [x])).toThrow(
      /gradients: steps \(quantise\) has no gradient, yet the loss depends on it/,
    );
    const other = input([2, 3]);
    expect(gradients(sum(mul(stepped, other)), [other])[0]?.shape).toEqual([2, 3]);
    expect(() => gradients(sum(argmax(x)), [x])).toThrow(
      /gradients: loss and wrt must be f32, got .*i32\[\]/,
    );
    const whole = input([3], "u32");
    expect(() => gradients(sum(cast(whole, "f32")), [whole])).toThrow(/must be f32, got input u32\[3\]/);
  });

  it("names an op whose gradient has the wrong shape", () => {
    const crooked = defineOp({
      name: "crooked",
      args: ["x"],
      results: ["y"],
      plan: ([t], _attrs: Record<string, never>) => ({ outputs: [t!], constants: {} }),
      cpu: () => undefined,
      backward: ({ grads: [dy] }) => [reshape(dy!, [6])],
    });
    expect(() => gradients(mean(sub(crooked.one([x], {}), 1)), [x])).toThrow(
      /crooked: gradient of input 0 has shape \[6\], expected \[2, 3\]/,
    );
  });

  it("has no number to give while the graph is built", () => {
    expect(() => Number(x)).toThrow(/x: a tensor has no value while the graph is built/);
  });
});
