/** linear: forward, the three gradients, fused activations and slopes against the parts, goldens, every variant. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import { LINEAR_BACKWARD_VARIANTS } from "../../src/kernels/gemm/linear-gradients.ts";
import { PRODUCT_VARIANTS } from "../../src/kernels/gemm/matmul.ts";
import { gelu, silu } from "../../src/ops/elementwise/activations.ts";
import { add, mul } from "../../src/ops/elementwise/arithmetic.ts";
import { relu, sigmoid, tanh } from "../../src/ops/elementwise/relu-sigmoid-tanh.ts";
import { linear } from "../../src/ops/linalg/linear.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { reshape } from "../../src/ops/shape/reshape.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";
import { checkGoldens } from "../support/golden.ts";

const sizes: readonly (readonly [N: number, IN: number, OUT: number])[] = [
  [1, 1, 1],
  [1, 7, 3],
  [16, 32, 16],
  [17, 33, 15],
  [9, 36, 17],
  [64, 84, 10],
  [3, 130, 66],
];

// Sums of up to 130 products of numbers up to 1 in float32: rounding grows with the length, not with the result.
const tolerance = { atol: 1e-5 };

const layer = ([N, IN, OUT]: readonly [number, number, number]): OpCase => ({
  name: `[${N}, ${IN}] -> [${N}, ${OUT}]`,
  inputs: [{ shape: [N, IN] }, { shape: [OUT, IN] }, { shape: [OUT] }],
  build: (x, w, b) => linear(x!, w!, b),
});
checkOp("linear", sizes.map(layer), tolerance);
checkOp("linear", [layer([9, 66, 11]), layer([33, 32, 36])], {
  variants: LINEAR_BACKWARD_VARIANTS.map((linearBackward, i) => ({
    linearBackward,
    linear: PRODUCT_VARIANTS[i] as string,
  })),
  ...tolerance,
});
// Long enough for the planner to split the sum over the batch.
checkOp("linear", [layer([2051, 5, 3])], { atol: 3e-5 });

checkOp(
  "linear, what is needed",
  [
    { name: "no bias", inputs: [{ shape: [9, 17] }, { shape: [5, 17] }], build: (x, w) => linear(x!, w!) },
    {
      name: "no dx",
      inputs: [{ shape: [9, 17], gradient: false }, { shape: [5, 17] }, { shape: [5] }],
      build: (x, w, b) => linear(x!, w!, b),
    },
    {
      name: "dx only",
      inputs: [{ shape: [9, 17] }, { shape: [5, 17], gradient: false }, { shape: [5], gradient: false }],
      build: (x, w, b) => linear(x!, w!, b),
    },
    {
      name: "db only",
      inputs: [{ shape: [9, 17], gradient: false }, { shape: [5, 17], gradient: false }, { shape: [5] }],
      build: (x, w, b) => linear(x!, w!, b),
    },
    {
      name: "x of rank 1",
      inputs: [{ shape: [17] }, { shape: [5, 17] }, { shape: [5] }],
      build: (x, w, b) => linear(x!, w!, b),
    },
    {
      name: "x of rank 4",
      inputs: [{ shape: [2, 3, 2, 17] }, { shape: [5, 17] }, { shape: [5] }],
      build: (x, w, b) => linear(x!, w!, b),
    },
  ],
  tolerance,
);

const geluTanh = (x: Tensor) => gelu(x, { approximate: "tanh" });
const activations = { relu, sigmoid, tanh, gelu, geluTanh, silu };
for (const [name, activation] of Object.entries(activations)) {
  const twoLayers = ([N, IN, OUT]: readonly [number, number, number]): OpCase => ({
    name: `two layers, [${N}, ${IN}] -> ${OUT} -> 3`,
    inputs: [
      { shape: [N, IN] },
      { shape: [OUT, IN] },
      { shape: [OUT] },
      { shape: [3, OUT] },
      { shape: [3], range: [0, 1] },
    ],
    build: (x, w, b, w2, b2) => activation(linear(activation(linear(x!, w!, b)), w2!, b2)),
  });
  const title = `linear with ${name} fused`;
  checkOp(title, [twoLayers([17, 9, 18]), twoLayers([5, 6, 20])], { fuse: true, ...tolerance });
  checkOp(title, [twoLayers([17, 9, 18])], {
    fuse: true,
    numeric: false,
    // The activation is a constant of one and the same code: those with barriers, slow to compile, do with one of them.
    variants: LINEAR_BACKWARD_VARIANTS.map((linearBackward, i) => ({
      linearBackward,
      linear: PRODUCT_VARIANTS.at(i - 5) as string,
    })).filter((forced) => name === "relu" || !/sharedMemory/i.test(Object.values(forced).join())),
    ...tolerance,
  });
}

// y = x + w2 gelu(w x), as in a block of a transformer, over samples and positions.
const block = ([N, T, E, F]: readonly [number, number, number, number], bias = true): OpCase => ({
  name: `x + mlp(x), [${N}, ${T}, ${E}], ${F} inside${bias ? "" : ", no bias"}`,
  inputs: [{ shape: [N, T, E] }, { shape: [F, E] }, { shape: [F] }, { shape: [E, F] }, { shape: [E] }],
  build: (x, w, b, w2, b2) => {
    const h = gelu(linear(x!, w!, bias ? b : undefined));
    const y = linear(h, w2!, bias ? b2 : undefined);
    return bias ? add(x!, y) : add(add(y, x!), mul(b!.shape[0] === 1 ? b! : sum(b!), sum(b2!)));
  },
});
const blocks = [
  block([1, 1, 1, 1]),
  block([3, 5, 12, 20]),
  block([2, 9, 17, 33]),
  block([3, 5, 12, 20], false),
];
checkOp("linear with a residual fused", blocks, { fuse: true, ...tolerance });
checkOp("linear with a residual fused", [block([2, 9, 17, 33])], {
  fuse: true,
  numeric: false,
  variants: PRODUCT_VARIANTS.map((forced) => ({ linear: forced })),
  ...tolerance,
});
checkOp(
  "linear, sums of dx fused",
  [
    {
      name: "two layers of one input",
      inputs: [{ shape: [9, 17] }, { shape: [5, 17] }, { shape: [5, 17] }],
      build: (x, w, w2) => mul(linear(x!, w!), linear(x!, w2!)),
    },
    {
      name: "a sum that needs the layer's other gradient",
      inputs: [{ shape: [17, 17] }, { shape: [17, 17] }],
      build: (x, w) => {
        const y = linear(x!, w!);
        const [dx, dw] = gradients(sum(mul(y, y)), [x!, w!]);
        return add(dx!, dw!);
      },
    },
  ],
  { fuse: true, ...tolerance },
);

describe("fusion", () => {
  const labels = async (outputs: readonly Tensor[]) => {
    const gpu = await gpuBackend();
    return (await gpu.compile({ outputs })).describe().steps;
  };
  const x = input([4, 6]);
  const [w, b, w2] = [input([5, 6]), input([5]), input([3, 5])];

  it("takes two layers and their gradients down to four dispatches", async () => {
    const y = linear(relu(linear(x, w, b)), w2);
    const seed = input([4, 3]);
    const steps = await labels([y, ...gradients(y, [w, b, w2], seed)]);
    expect(steps).toEqual(["linear", "linear", "linearBackward", "linearBackward"]);
  });
  it("looks through reshapes between the layers", async () => {
    const y = linear(reshape(relu(reshape(linear(x, w, b), [2, 2, 5])), [4, 5]), w2);
    const steps = await labels(gradients(y, [w], input([4, 3])));
    expect(steps).toEqual(["linear", "linearBackward", "linearBackward"]);
  });
  it("leaves an activation alone whose input is read elsewhere", async () => {
    const before = linear(x, w, b);
    expect(await labels([relu(before), before])).toEqual(["linear", "relu"]);
    expect(await labels([relu(before), mul(before, 2)])).toEqual(["linear", "relu", "mulScalar"]);
  });
  it("takes a transformer's multilayer perceptron down to four dispatches", async () => {
    const x = input([2, 2, 6]);
    const [g, r] = [input([2, 2, 3]), input([2, 2, 3])];
    const y = add(r, linear(gelu(linear(x, w, b)), w2));
    const steps = await labels([y, ...gradients(y, [x, w, b, w2], g)]);
    expect(steps).toEqual(["linear", "linear", "linearBackward", "linearBackward"]);
  });
  it("stores what gelu is applied to only where that is read", async () => {
    const gpu = await gpuBackend();
    const y = gelu(linear(x, w, b));
    const slots = async (outputs: readonly Tensor[]) => {
      const { steps, slotBytes } = (await gpu.compile({ outputs })).describe();
      return [steps, slotBytes];
    };
    // Outputs are no slots; 16 bytes for the result that is not stored, 80 for what is kept for the gradient.
    expect(await slots([y])).toEqual([["linear"], 16]);
    const [, kept] = await slots([y, ...gradients(y, [w], input([4, 5]))]);
    expect(kept).toBeGreaterThanOrEqual(80);
  });
  it("leaves a sum alone where the layer's result is read elsewhere, or that is broadcast", async () => {
    const y = linear(x, w, b);
    expect(await labels([add(y, input([4, 5])), y])).toEqual(["linear", "add"]);
    expect(await labels([add(y, input([3, 4, 5]))])).toEqual(["linear", "add"]);
    expect(await labels([add(y, input([5]))])).toEqual(["linear", "add"]);
  });
  it("leaves a slope alone whose dx is read elsewhere", async () => {
    const h = relu(linear(x, w, b));
    const y = linear(h, w2);
    const steps = await labels(gradients(y, [h, w], input([4, 3])));
    expect(steps).toContain("reluBackward");
  });
});

it("second derivatives agree with float64 differences", async () => {
  const [x, w, b] = [input([2, 3]), input([4, 3]), input([4])];
  const seeds = [input([2, 3]), input([4, 3]), input([4])];
  const y = linear(x, w, b);
  const first = gradients(sum(mul(mul(y, y), y)), [x, w, b]);
  const inner = first.map((g, i) => sum(mul(g, seeds[i]!))).reduce((p, q) => add(p, q));
  const second = gradients(inner, [x, w, b]);
  const cpu = new CpuBackend({ bits: 64 });
  const program = await cpu.compile({ outputs: [inner, ...second] });
  const values = [x, w, b, ...seeds].map((t, k) => {
    const data = Float64Array.from({ length: t.size }, (_, i) => Math.sin(1 + 3 * k + 1.7 * i));
    cpu.write(t, data);
    return data;
  });
  const at = async (t: Tensor) => {
    program.run();
    return program.read(t);
  };
  for (const [k, leaf] of [x, w, b].entries()) {
    const analytic = await at(second[k]!);
    for (let i = 0; i < leaf.size; i++) {
      const moved = async (h: number) => {
        const data = values[k]!.slice();
        data[i]! += h;
        cpu.write(leaf, data);
        return (await at(inner))[0]!;
      };
      const numeric = ((await moved(1e-5)) - (await moved(-1e-5))) / 2e-5;
      cpu.write(leaf, values[k]!);
      expect(analytic[i]).toBeCloseTo(numeric, 5);
    }
  }
});

checkGoldens("linear", { linear: ({ x, weight, bias }) => linear(x!, weight!, bias) }, tolerance);

describe("linear refuses", () => {
  it("sizes that disagree", () => {
    expect(() => linear(input([4, 6]), input([5, 7]))).toThrow(
      /linear: x has 6 features, w expects 7, got f32\[4, 6\], f32\[5, 7\]/,
    );
    expect(() => linear(input([4, 6]), input([5, 6]), input([6]))).toThrow(/linear: bias must be f32\[5\]/);
    expect(() => linear(input([4, 6]), input([5, 6]), input([5, 1]))).toThrow(
      /linear: bias must be f32\[5\]/,
    );
  });
  it("scalars and integers", () => {
    expect(() => linear(input([]), input([5, 6]))).toThrow(/linear: x must have at least one axis/);
    expect(() => linear(input([4, 6], "u32"), input([5, 6]))).toThrow(/linear: x must be f32 of rank 2/);
  });
});
