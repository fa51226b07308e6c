/**
 * normSums: choices of axes, one part and several, gradients; and with the chain that makes its gradient in front: fused =
 * unfused = CPU, the ops themselves, and when the fusion is (not) made.
 */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { stepsOf } from "../../src/fusion/elementwise-group.ts";
import { fusedNormSumsOp } from "../../src/fusion/norm-sums.ts";
import type { Data, Shape } from "../../src/graph/spec.ts";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import { Random } from "../../src/numbers/random.ts";
import { add, mul } from "../../src/ops/elementwise/arithmetic.ts";
import { relu, reluBackwardOp } from "../../src/ops/elementwise/relu-sigmoid-tanh.ts";
import { normSumsOp } from "../../src/ops/norm/norm-sums.ts";
import { batchNorm, layerNorm } from "../../src/ops/norm/normalize.ts";
import { mean, sum } from "../../src/ops/reduce/sum.ts";
import { pack } from "../../src/ops/shape/pack.ts";
import type { Backend, CompileOptions } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";
import { lineGrid } from "../support/line-grid.ts";

const variants = ["parts", "shared", "shared8"].map((kind) => ({ normSums: kind }));

checkOp(
  "normSums",
  lineGrid.flatMap(([shape, axes]) => {
    const stats = { shape: shape.map((d, axis) => (axes.includes(axis) ? 1 : d)) };
    return [
      {
        name: `[${shape}] over [${axes}]`,
        inputs: [{ shape }, { shape }, stats, stats],
        build: (...xs) => normSumsOp.apply(xs, { axes }),
      },
      {
        name: `[${shape}] over [${axes}], plain`,
        inputs: [{ shape }, { shape }],
        build: (...xs) => normSumsOp.apply(xs, { axes }),
      },
    ];
  }),
  // Sums of up to 1568 terms of either sign.
  { atol: 2e-5, variants },
);

async function run(
  backend: Backend,
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  options?: CompileOptions,
) {
  const program = await backend.compile({ outputs }, options);
  inputs.forEach((t, i) => {
    const random = new Random(5, i);
    backend.write(
      t,
      Float32Array.from({ length: t.size }, () => 2 * random.uniform() - 1),
    );
  });
  program.run();
  const values: Data[] = [];
  for (const t of outputs) values.push(await program.read(t));
  return { values, steps: program.describe().steps };
}

const reduced = (shape: Shape, axes: readonly number[]) =>
  shape.map((d, axis) => (axes.includes(axis) ? 1 : d));

describe("behind a chain, CPU body against kernels", () => {
  for (const [shape, axes] of lineGrid) {
    it(`[${shape}] over [${axes}]`, async () => {
      const [x, middle, rstd] = [input(shape), input(reduced(shape, axes)), input(reduced(shape, axes))];
      const [d1, d2, y] = [input(shape), input(shape), input(shape)];
      const total = add(d1, d2);
      const last = reluBackwardOp.one([total, y], {});
      const { inputs, steps } = stepsOf([total.node, last.node]);
      const stats = pack([mul(middle, 1), mul(rstd, 1)]);
      const outputs = fusedNormSumsOp(steps).apply([x, stats, ...inputs], { axes });
      const leaves = [x, middle, rstd, d1, d2, y];
      const truth = await run(new CpuBackend({ bits: 64 }), leaves, [...outputs, last]);
      expect(truth.values[2]).toEqual(truth.values[3]);
      for (const forced of variants) {
        const { values } = await run(await gpuBackend(), leaves, outputs, { variants: forced });
        outputs.forEach((t, i) => {
          expectClose(`${forced.normSums}, output ${i}`, values[i]!, truth.values[i]!, t.shape, {
            atol: 2e-5,
          });
        });
      }
    });
  }
});

type Norm = (x: Tensor, weight: Tensor, bias: Tensor) => Tensor;
const channels: Norm = (x, weight, bias) => batchNorm(x, { weight, bias }).y;
const rows: Norm = (x, weight, bias) => layerNorm(x, weight.size, { weight, bias });

/** A residual block: of two normalisations, each before relu. */
function block(shape: Shape, size: number, norm: Norm) {
  const x = input(shape);
  const weights = Array.from({ length: 4 }, () => input([size]));
  const [w1, b1, w2, b2] = weights as [Tensor, Tensor, Tensor, Tensor];
  const y = relu(add(norm(relu(norm(x, w1, b1)), w2, b2), x));
  const seed = input(shape);
  const wrt = [x, ...weights];
  return { inputs: [...wrt, seed], outputs: [y, ...gradients(y, wrt, seed)] };
}

describe("the fusion", () => {
  const blocks: readonly (readonly [Shape, number, Norm])[] = [
    [[5, 3], 3, channels],
    [[2, 3, 5, 7], 3, channels],
    [[9, 6, 8, 8], 6, channels],
    [[3, 17, 6, 10], 17, channels],
    [[7, 5], 5, rows],
    [[33, 68], 68, rows],
  ];
  it.each(blocks)("gives what the parts give, [%s]", async (shape, size, norm) => {
    const { inputs, outputs } = block(shape, size, norm);
    const truth = await run(new CpuBackend({ bits: 64 }), inputs, outputs);
    const gpu = await gpuBackend();
    const fused = await run(gpu, inputs, outputs);
    const plain = await run(gpu, inputs, outputs, { fuse: false });
    outputs.forEach((t, i) => {
      // Gradients of many values sharing a statistic cancel: their error is that of their terms.
      const tolerance = { atol: 5e-5, rtol: 5e-5 };
      expectClose(`fused output ${i}`, fused.values[i]!, truth.values[i]!, t.shape, tolerance);
      expectClose(`unfused output ${i}`, plain.values[i]!, truth.values[i]!, t.shape, tolerance);
    });
    if (norm === channels) {
      expect(fused.steps.filter((s) => /^(add\+)?reluBackward(\+mul)*$/.test(s))).toEqual([]);
      expect(fused.steps.filter((s) => s.includes("reluBackward+normSums"))).not.toEqual([]);
    }
  });

  it("stays away from chains of broadcast gradients and of many inputs", async () => {
    const gpu = await gpuBackend();
    const [x, w, b] = [input([4, 16, 6, 6]), input([16]), input([16])];
    const y = batchNorm(x, { weight: w, bias: b }).y;
    const stepsOf = async (...outputs: Tensor[]) => (await gpu.compile({ outputs })).describe().steps;
    const pooled = await stepsOf(...gradients(sum(mean(relu(y), { axes: [2, 3] })), [w]));
    expect(pooled.some((s) => s.includes("reluBackward+normSums"))).toBe(false);
    const seeds = Array.from({ length: 4 }, () => input(y.shape));
    const many = await stepsOf(
      ...gradients(sum(seeds.map((s) => mul(y, s)).reduce((p, q) => add(p, q))), [w]),
    );
    expect(many).toContain("normSums");
  });

  it("gives the gradient itself, where that is wanted", async () => {
    const [x, w, b, seed] = [input([4, 8, 6, 6]), input([8]), input([8]), input([4, 8, 6, 6])];
    const y = batchNorm(x, { weight: w, bias: b }).y;
    const outputs = gradients(relu(y), [y, w, b], seed);
    const truth = await run(new CpuBackend({ bits: 64 }), [x, w, b, seed], outputs);
    const { values, steps } = await run(await gpuBackend(), [x, w, b, seed], outputs);
    outputs.forEach((t, i) => {
      expectClose(`output ${i}`, values[i]!, truth.values[i]!, t.shape, { atol: 2e-5 });
    });
    expect(steps).not.toContain("reluBackward");
  });

  it("lets second derivatives through", async () => {
    const [x, w, b] = [input([6, 4, 2, 2]), input([4]), input([4])];
    const y = relu(batchNorm(x, { weight: w, bias: b }).y);
    const [dx] = gradients(sum(mul(mul(y, y), y)), [x]);
    const twice = gradients(sum(mul(dx!, dx!)), [x, w]);
    const truth = await run(new CpuBackend({ bits: 64 }), [x, w, b], twice);
    const { values } = await run(await gpuBackend(), [x, w, b], twice);
    twice.forEach((t, i) => {
      expectClose(`gradient ${i}`, values[i]!, truth.values[i]!, t.shape, { atol: 1e-3, rtol: 1e-3 });
    });
  });
});

it("refuses shapes that do not belong together", () => {
  expect(() => normSumsOp.one([input([3, 4]), input([4, 3])], { axes: [0] })).toThrow(
    /normSums: dy and x must be alike/,
  );
});
