/** Losses of embeddings: PyTorch's values, the GPU against the CPU, samples of weight 0, special values, refusals. */
import { describe, expect, it } from "vitest";
import { constant, input, type Tensor } from "../../src/graph/tensor.ts";
import type { Reduction } from "../../src/ops/loss/loss-reduction.ts";
import { contrastive, cosineEmbedding, tripletMargin } from "../../src/ops/loss/similarity-losses.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";
import { checkTorch } from "../support/golden.ts";
import { lossOf, weightsOf } from "../support/loss-run.ts";

// A row of zeros has gradients of up to 1e6, since its length counts as 1e-6.
checkTorch("similarity-losses", {
  cosineEmbedding: ({ x, y, t }, { attrs }) => cosineEmbedding(x!, y!, t!, attrs as object),
  tripletMargin: ({ x, y, z }, { attrs }) =>
    tripletMargin(x!, y!, z!, {
      ...(attrs as object),
      p: attrs.p === "inf" ? Infinity : attrs.p === "1" ? 1 : 2,
    }),
  contrastive: ({ x, y }, { attrs }) => contrastive(x!, y!, attrs as object),
});

const signs = (N: number) => ({
  shape: [N],
  data: Array.from({ length: N }, (_, n) => (n % 3 === 0 ? -1 : 1)),
  gradient: false,
});
const weights = (N: number) => ({
  shape: [N],
  data: Array.from({ length: N }, (_, n) => (n > 0 && n >= N - 2 ? 0 : 1 + (n % 2))),
  gradient: false,
});
const reductions: readonly Reduction[] = ["mean", "sum", "none"];
const cases = [
  [1, 1],
  [7, 5],
  [65, 33],
].flatMap(([N, D], i): OpCase[] => {
  const rows = { shape: [N!, D!] };
  const reduction = reductions[i]!;
  return [
    {
      name: `cosineEmbedding [${N}, ${D}], ${reduction}`,
      inputs: [rows, rows, signs(N!), weights(N!)],
      build: (x, y, t, w) => cosineEmbedding(x!, y!, t!, { weights: w!, margin: -0.5, reduction }),
    },
    {
      name: `tripletMargin [${N}, ${D}], ${reduction}`,
      inputs: [rows, rows, rows, weights(N!)],
      build: (x, y, z, w) => tripletMargin(x!, y!, z!, { weights: w!, margin: 4, swap: i === 1, reduction }),
    },
    {
      name: `contrastive [${N}, ${D}], ${reduction}`,
      inputs: [rows, rows, weights(N!)],
      build: (x, y, w) => contrastive(x!, y!, { weights: w!, temperature: 0.2, reduction }),
    },
  ];
});
for (const fuse of [false, true]) {
  // Sums of up to 65 losses of up to 8.
  checkOp(fuse ? "similarity, fused" : "similarity", cases, { fuse, atol: 2e-5, numeric: !fuse });
}

const losses: Readonly<Record<string, (x: Tensor, y: Tensor, weights: Tensor) => Tensor>> = {
  cosineEmbedding: (x, y, w) => cosineEmbedding(x, y, weightsOf(1, -1, -1), { weights: w }),
  tripletMargin: (x, y, w) => tripletMargin(x, y, y, { weights: w }),
  contrastive: (x, y, w) => contrastive(x, y, { weights: w }),
};
const { NaN: nan } = Number;

describe.each([
  ["cpu", async (): Promise<Backend> => new CpuBackend()],
  ["webgpu", gpuBackend],
] as const)("on %s", (_, open) => {
  it.each(Object.entries(losses))("%s takes no notice of samples of weight 0", async (_name, loss) => {
    const backend = await open();
    const [a, b] = [
      [1, 2],
      [0.5, -1],
    ] as const;
    const used = await lossOf(backend, (x, y) => loss(x, y, weightsOf(1, 2, 0)), [
      [a, b, [nan, Infinity]],
      [b, b, [nan, 3]],
    ]);
    const other = await lossOf(backend, (x, y) => loss(x, y, weightsOf(1, 2, 0)), [
      [a, b, [7, 8]],
      [b, b, [9, 1]],
    ]);
    expect(used.loss[0]).toBeGreaterThan(0);
    expect(used).toEqual(other);
    for (const slope of used.gradients) expect(slope.slice(4)).toEqual([0, 0]);
    const none = await lossOf(backend, (x, y) => loss(x, y, weightsOf(0, 0, 0)), [
      [a, b, a],
      [b, b, a],
    ]);
    expectClose("of nothing", none.loss, [0], [], { atol: 0 });
    for (const slope of none.gradients)
      expectClose("of nothing", slope, new Array(6).fill(0), [3, 2], { atol: 0 });
    const all = await lossOf(backend, (x, y) => loss(x, y, weightsOf(1, 1, 1)), [
      [a, b, [nan, 1]],
      [b, b, a],
    ]);
    expect(all.loss).toEqual([nan]);
  });

  it("samples of weight 0 are not what contrastive tells others from", async () => {
    const backend = await open();
    const padded = await lossOf(backend, (x, y) => contrastive(x, y, { weights: weightsOf(1, 1, 0) }), [
      [
        [1, 2],
        [2, 1],
        [3, 3],
      ],
      [
        [1, 3],
        [1, -1],
        [0, 1],
      ],
    ]);
    const alone = await lossOf(backend, (x, y) => contrastive(x, y), [
      [
        [1, 2],
        [2, 1],
      ],
      [
        [1, 3],
        [1, -1],
      ],
    ]);
    expectClose("loss", padded.loss, alone.loss, []);
    expectClose("gradient", padded.gradients[0]!.slice(0, 4), alone.gradients[0]!, [2, 2]);
  });

  it("equal rows and rows of zeros have finite gradients", async () => {
    const backend = await open();
    const same = await lossOf(backend, (x, y) => tripletMargin(x, x, y, { eps: 0 }), [[[1, 2]], [[4, 6]]]);
    expect(same.loss).toEqual([0]);
    const zero = await lossOf(backend, (x, y) => cosineEmbedding(x, y, weightsOf(1)), [[[0, 0]], [[0, 0]]]);
    expect(zero).toEqual({
      loss: [1],
      gradients: [
        [0, 0],
        [0, 0],
      ],
    });
    const apart = await lossOf(backend, (x, y) => contrastive(x, y), [
      [
        [0, 0],
        [1, 0],
      ],
      [
        [0, 1],
        [1, 1],
      ],
    ]);
    expect([...apart.loss, ...apart.gradients.flat()].every(Number.isFinite)).toBe(true);
  });

  it("targets of cosineEmbedding may be integers; another one costs nothing, NaN makes NaN", async () => {
    const backend = await open();
    const rows = [
      [
        [1, 0],
        [1, 0],
        [1, 0],
        [1, 0],
      ],
      [
        [0, 1],
        [1, 0],
        [1, 1],
        [2, 0],
      ],
    ] as const;
    const whole = constant(Int32Array.of(1, -1, 3, 1));
    const options = { reduction: "none" } as const;
    const { loss } = await lossOf(backend, (x, y) => cosineEmbedding(x, y, whole, options), rows);
    expectClose("loss", loss, [1, 1, 0, 0], [4]);
    const odd = await lossOf(
      backend,
      (x, y) => cosineEmbedding(x, y, weightsOf(nan, 1, 1, 1), options),
      rows,
    );
    expect(odd.loss[0]).toBeNaN();
  });
});

describe("they refuse", () => {
  const [x, t] = [input([4, 3]), input([4])];
  it.each([
    [
      "rows of another length",
      () => contrastive(x, input([4, 2])),
      /contrastive: x1 and x2 must have one shape/,
    ],
    ["vectors", () => contrastive(t, t), /contrastive: x1 and x2 must be \[N, D\]/],
    ["integers", () => tripletMargin(x, x, input([4, 3], "i32")), /tripletMargin: inputs must be f32/],
    [
      "targets of another count",
      () => cosineEmbedding(x, x, input([3])),
      /target must have one value for each of 4/,
    ],
    [
      "a temperature of 0",
      () => contrastive(x, x, { temperature: 0 }),
      /contrastive: temperature must be above 0, got 0/,
    ],
    [
      "other norms",
      () => tripletMargin(x, x, x, { p: 3 as 2 }),
      /tripletMargin: p must be 1, 2 or Infinity, got 3/,
    ],
    [
      "an infinite margin",
      () => cosineEmbedding(x, x, t, { margin: 1 / 0 }),
      /margin must be finite, got Infinity/,
    ],
    ["weights of another length", () => contrastive(x, x, { weights: input([3]) }), /each of 4 samples/],
    [
      "another reduction",
      () => tripletMargin(x, x, x, { reduction: "all" as "sum" }),
      /tripletMargin: reduction must/,
    ],
    ["no tensor", () => cosineEmbedding(x, x, [1] as never), /cosineEmbedding: target must be a tensor/],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(message);
  });
});
