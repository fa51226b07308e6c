/** The fused convolution block: fused program = unfused program = CPU reference, and when it is (not) put in. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { convBlockBackwardOp, convBlockOp } from "../../src/fusion/conv-block.ts";
import { convAttrs } from "../../src/geometry/conv.ts";
import type { Data, Shape } from "../../src/graph/spec.ts";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import { Random } from "../../src/numbers/random.ts";
import { type Conv2dOptions, conv2d } from "../../src/ops/conv/conv2d.ts";
import { add, mul } from "../../src/ops/elementwise/arithmetic.ts";
import { relu } from "../../src/ops/elementwise/relu-sigmoid-tanh.ts";
import { maxPool2d } from "../../src/ops/pool/pool.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import type { Backend, CompileOptions } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { expectClose } from "../support/close.ts";

interface Case {
  readonly x: Shape;
  readonly w: Shape;
  readonly pool: number | readonly [number, number];
  readonly options?: Conv2dOptions;
  readonly bias?: false;
}

const cases: readonly Case[] = [
  { x: [5, 1, 28, 28], w: [6, 1, 5, 5], pool: 2, options: { padding: 2 } },
  { x: [9, 6, 14, 14], w: [16, 6, 5, 5], pool: 2 },
  { x: [1, 1, 2, 2], w: [1, 1, 1, 1], pool: 2 },
  { x: [1, 3, 7, 5], w: [2, 3, 3, 3], pool: 2, options: { padding: 1 } },
  { x: [2, 2, 9, 12], w: [5, 2, 3, 3], pool: 3, options: { padding: 1 }, bias: false },
  { x: [3, 4, 11, 9], w: [7, 4, 5, 5], pool: 2, options: { padding: [2, 1] } },
  { x: [2, 3, 13, 14], w: [9, 3, 2, 3], pool: [2, 3], options: { stride: 2, padding: [1, 0, 0, 2] } },
  { x: [2, 3, 10, 11], w: [4, 3, 3, 2], pool: 2, options: { dilation: 2, padding: 1 } },
  { x: [17, 8, 8, 8], w: [8, 8, 3, 3], pool: 2, options: { padding: 1 } },
  { x: [2, 3, 20, 67], w: [17, 3, 3, 3], pool: 2, options: { padding: 1 } },
  { x: [2, 5, 6, 6], w: [3, 5, 3, 3], pool: 1 },
];

/** What the kernels for 5 x 5 and 2 x 2 have to cope with: few and many channels, edges, padding, wide and low planes. */
const rowStrip: readonly Case[] = [
  { x: [1, 1, 6, 6], w: [1, 1, 5, 5], pool: 2 },
  { x: [7, 2, 13, 12], w: [7, 2, 5, 5], pool: 2, options: { padding: [0, 1, 1, 0] } },
  { x: [17, 3, 14, 14], w: [17, 3, 5, 5], pool: 2 },
  { x: [3, 5, 10, 10], w: [6, 5, 5, 5], pool: 2, options: { padding: 2 }, bias: false },
  { x: [2, 1, 8, 45], w: [13, 1, 5, 5], pool: 2, options: { padding: [1, 3] } },
];

/** More of the same for kernels of any size: parts of several tiles, several tiles of windows, kernels in several stages. */
const fewChannels: readonly Case[] = [
  { x: [1, 1, 3, 28], w: [5, 1, 1, 13], pool: 2, bias: false },
  { x: [41, 7, 6, 7], w: [17, 7, 2, 3], pool: 2, options: { padding: [1, 0, 0, 1] } },
  { x: [2, 3, 19, 37], w: [23, 3, 5, 5], pool: 2, options: { padding: [2, 2, 3, 1] } },
];

interface Built {
  readonly inputs: readonly Tensor[];
  readonly seed: Tensor;
  readonly outputs: readonly Tensor[];
}

function build({ x, w, pool, options, bias }: Case): Built {
  const inputs = [input(x), input(w), ...(bias === false ? [] : [input([w[0]!])])];
  const y = maxPool2d(relu(conv2d(inputs[0]!, inputs[1]!, inputs[2], options)), pool);
  const seed = input(y.shape);
  return { inputs, seed, outputs: [y, ...gradients(y, inputs, seed)] };
}

function uniform(shape: Shape, stream: number): Float32Array {
  const random = new Random(7, stream);
  const size = shape.reduce((n, d) => n * d, 1);
  return Float32Array.from({ length: size }, () => 2 * random.uniform() - 1);
}

async function run(
  backend: Backend,
  { inputs, seed }: Built,
  outputs: readonly Tensor[],
  options: CompileOptions = {},
) {
  const program = await backend.compile({ outputs }, options);
  inputs.forEach((t, i) => {
    backend.write(t, uniform(t.shape, i));
  });
  if (outputs.length > 1) backend.write(seed, uniform(seed.shape, 9));
  program.run();
  const values: Data[] = [];
  for (const t of outputs) values.push(await program.read(t));
  return { values, steps: program.describe().steps };
}

// Weight gradients add up to 5 * 196 products of numbers up to 1.
const tolerance = { atol: 2e-5 };

describe("fused = unfused = CPU", () => {
  for (const c of cases) {
    it(JSON.stringify(c), async () => {
      const built = build(c);
      const { outputs } = built;
      const truth = await run(new CpuBackend({ bits: 64 }), built, outputs);
      const gpu = await gpuBackend();
      const fused = await run(gpu, built, outputs);
      const plain = await run(gpu, built, outputs, { fuse: false });
      const forward = await run(gpu, built, outputs.slice(0, 1));
      outputs.forEach((t, i) => {
        expectClose(`fused output ${i}`, fused.values[i]!, truth.values[i]!, t.shape, tolerance);
        expectClose(`unfused output ${i}`, plain.values[i]!, truth.values[i]!, t.shape, tolerance);
      });
      expect(forward.values[0], "forward alone").toEqual(fused.values[0]);
      expect(forward.steps.length).toBeLessThan(plain.steps.length);
      expect(fused.steps.length).toBeLessThan(plain.steps.length);
      for (const op of ["relu", "maxPool2d", "reluBackward", "maxPool2dBackward"]) {
        expect([...forward.steps, ...fused.steps]).not.toContain(op);
      }
    });
  }
});

interface Ops extends Built {
  readonly title: string;
}

function buildOps({ x, w, pool, options, bias }: Case): Ops {
  const [PKH, PKW] = typeof pool === "number" ? [pool, pool] : pool;
  const attrs = { ...convAttrs("convBlock", options ?? {}), PKH, PKW };
  const inputs = [input(x), input(w), ...(bias === false ? [] : [input([w[0]!])])];
  const [y, code] = convBlockOp.apply(inputs, attrs) as [Tensor, Tensor];
  const seed = input(y.shape);
  const backward = (needsX: boolean, needsW: boolean) =>
    convBlockBackwardOp.apply([inputs[1]!, inputs[0]!, seed, code], { ...attrs, needsX, needsW });
  const [dx] = backward(true, false);
  const [, ...gradient] = backward(false, true);
  return {
    title: JSON.stringify({ x, w, pool, options }),
    inputs,
    seed,
    outputs: [y, dx!, ...gradient, ...backward(true, true), code],
  };
}

const tiles: readonly Case[] = [
  { x: [3, 4, 11, 9], w: [7, 4, 5, 5], pool: 2, options: { padding: [2, 1] } },
  { x: [2, 3, 20, 27], w: [17, 3, 3, 3], pool: 2, options: { padding: 1 } },
];

describe("the ops themselves, CPU bodies against kernels", () => {
  const runs = [
    ...cases.map((c) => ({ c, variants: [undefined] })),
    ...tiles.map((c) => ({
      c,
      // The others take seconds to compile on software adapters; gemm.test.ts has them.
      variants: ["subgroup", "register", "skinny"],
    })),
    ...rowStrip.map((c) => ({ c, variants: ["rowStrip"] })),
    ...fewChannels.map((c) => ({ c, variants: ["fewChannels"] })),
  ];
  for (const { c, variants } of runs) {
    for (const v of variants) {
      const built = buildOps(c);
      it(`${built.title}${v === undefined ? "" : ` (${v})`}`, async () => {
        const forced = v === undefined ? {} : { convBlock: v, convBlockBackward: v };
        const truth = await run(new CpuBackend({ bits: 64 }), built, built.outputs);
        const { values } = await run(await gpuBackend(), built, built.outputs, { variants: forced });
        built.outputs.forEach((t, i) => {
          expectClose(`output ${i}`, values[i]!, truth.values[i]!, t.shape, tolerance);
        });
      });
    }
  }
});

describe("the rewrite", () => {
  const small: Case = { x: [2, 2, 6, 6], w: [3, 2, 3, 3], pool: 2 };

  it("breaks ties and flat windows as the parts do", async () => {
    const built = build({ x: [1, 1, 4, 4], w: [1, 1, 1, 1], pool: 2, bias: false });
    const data = [
      Float32Array.of(1, 1, -1, -1, 1, 1, -1, -1, 0, 0, 2, 3, 0, 0, 3, 3),
      Float32Array.of(1),
      Float32Array.of(5, 6, 7, 8),
    ];
    const gpu = await gpuBackend();
    const program = await gpu.compile({ outputs: built.outputs });
    [...built.inputs, built.seed].forEach((t, i) => {
      gpu.write(t, data[i]!);
    });
    program.run();
    expect([...(await program.read(built.outputs[0]!))]).toEqual([1, 0, 0, 3]);
    expect([...(await program.read(built.outputs[1]!))]).toEqual([
      5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0,
    ]);
  });

  it("keeps NaN, as the parts do", async () => {
    const five = { x: [2, 1, 12, 12], w: [3, 1, 5, 5], pool: 2 } as const;
    for (const c of [small, five, { ...small, pool: 3 }]) {
      const built = build(c);
      const x = uniform(c.x, 0);
      x[7] = Number.NaN;
      const program = async (backend: Backend) => {
        const made = await backend.compile({ outputs: built.outputs.slice(0, 1) });
        built.inputs.forEach((t, i) => {
          backend.write(t, i === 0 ? x : uniform(t.shape, i));
        });
        made.run();
        return made.read(built.outputs[0]!);
      };
      const truth = await program(new CpuBackend({ bits: 64 }));
      expect([...truth].some(Number.isNaN)).toBe(true);
      expectClose("y", await program(await gpuBackend()), truth, built.outputs[0]!.shape, tolerance);
    }
  });

  it("leaves out what nobody wants", async () => {
    const built = build(small);
    const gpu = await gpuBackend();
    const { steps } = await run(gpu, built, [built.outputs[0]!, built.outputs[2]!]);
    // Kernels for few channels on GPUs have a second stage, however small the sums are.
    expect(steps).toHaveLength(gpu.software ? 2 : 3);
  });

  it("stays away when something between is read", async () => {
    const x = input(small.x);
    const w = input(small.w);
    const active = relu(conv2d(x, w));
    const program = await (await gpuBackend()).compile({ outputs: [maxPool2d(active, 2), sum(active)] });
    expect(program.describe().steps).toContain("maxPool2d");
  });

  it("stays away when windows overlap, when a variant is forced, and from second derivatives", async () => {
    const gpu = await gpuBackend();
    const x = input(small.x);
    const w = input(small.w);
    const overlapping = maxPool2d(relu(conv2d(x, w)), 2, { stride: 1 });
    expect((await gpu.compile({ outputs: [overlapping] })).describe().steps).toContain("maxPool2d");

    const y = maxPool2d(relu(conv2d(x, w)), 2);
    const forced = await gpu.compile({ outputs: [y] }, { variants: { conv2d: "im2col" } });
    expect(forced.describe().steps).toContain("maxPool2d");

    const built = { inputs: [x, w], seed: x, outputs: gradients(sum(mul(y, y)), [w]) };
    const twice = gradients(sum(mul(built.outputs[0]!, built.outputs[0]!)), [w]);
    const truth = await run(new CpuBackend({ bits: 64 }), built, twice);
    const got = await run(gpu, built, twice);
    // Squares of sums of 32 products.
    expectClose("second derivative", got.values[0]!, truth.values[0]!, small.w, { atol: 1e-3, rtol: 1e-4 });
  });

  it("serves two blocks in a row and a weight used twice", async () => {
    const x = input([2, 2, 14, 14]);
    const w = input([2, 2, 3, 3]);
    const block = (t: Tensor) => maxPool2d(relu(conv2d(t, w, undefined, { padding: 1 })), 2);
    const y = block(add(block(x), 0.1));
    const seed = input(y.shape);
    const built = { inputs: [x, w], seed, outputs: [y, ...gradients(y, [x, w], seed)] };
    const truth = await run(new CpuBackend({ bits: 64 }), built, built.outputs);
    const { values, steps } = await run(await gpuBackend(), built, built.outputs);
    built.outputs.forEach((t, i) => {
      expectClose(`output ${i}`, values[i]!, truth.values[i]!, t.shape, tolerance);
    });
    expect(steps.filter((s) => s.startsWith("conv2d+relu+maxPool2d"))).toHaveLength(2);
  });
});
