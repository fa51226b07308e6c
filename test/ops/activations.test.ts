/** Activations made of other ops, one fused kernel each: values, slopes and PyTorch's behaviour at 0 and far out. */
import { expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { constant, input, type Tensor } from "../../src/graph/tensor.ts";
import * as act from "../../src/ops/elementwise/activations.ts";
import { mul } from "../../src/ops/elementwise/arithmetic.ts";
import { swiglu } from "../../src/ops/elementwise/swiglu.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";
import { checkTorch } from "../support/golden.ts";

type Unary = (x: Tensor) => Tensor;
const all: readonly (readonly [string, Unary])[] = [
  ["leakyRelu", act.leakyRelu],
  ["elu", (x) => act.elu(x, 0.7)],
  ["selu", act.selu],
  ["gelu", act.gelu],
  ["gelu by tanh", (x) => act.gelu(x, { approximate: "tanh" })],
  ["silu", act.silu],
  ["softplus", (x) => act.softplus(x, { beta: 2 })],
  ["mish", act.mish],
  ["hardtanh", act.hardtanh],
  ["hardSigmoid", act.hardSigmoid],
  ["celu", (x) => act.celu(x, 0.7)],
  ["hardSwish", act.hardSwish],
  ["logSigmoid", act.logSigmoid],
  ["relu6", (x) => act.relu6(mul(x, 2))],
  ["softsign", act.softsign],
  ["threshold", (x) => act.threshold(x, 0.3, -2)],
  ["identity", act.identity],
];

for (const fuse of [true, false]) {
  checkOp(
    fuse ? "activations, fused" : "activations, op by op",
    all.flatMap(([name, f]) =>
      [[1], [5, 13], [257]].map((shape) => ({
        name: `${name} [${shape}]`,
        inputs: [{ shape, range: [-4, 4] as const }],
        build: (x: Tensor | undefined) => f(x as Tensor),
      })),
    ),
    // exp and tanh of adapters are good to a few units in the last place of numbers up to 50.
    { fuse, atol: 3e-6, rtol: 3e-5, numeric: fuse },
  );
}

checkOp("prelu", [
  { name: "one weight", inputs: [{ shape: [3, 4] }, { shape: [1] }], build: (x, w) => act.prelu(x!, w!) },
  {
    name: "per channel",
    inputs: [{ shape: [2, 3, 5, 1] }, { shape: [3] }],
    build: (x, w) => act.prelu(x!, w!),
  },
]);

checkTorch(
  "activations",
  {
    celu: ({ x }, { attrs }) => act.celu(x!, attrs.alpha as number),
    hardSwish: ({ x }) => act.hardSwish(x!),
    logSigmoid: ({ x }) => act.logSigmoid(x!),
    relu6: ({ x }) => act.relu6(x!),
    softsign: ({ x }) => act.softsign(x!),
    gelu: ({ x }) => act.gelu(x!),
    geluTanh: ({ x }) => act.gelu(x!, { approximate: "tanh" }),
    silu: ({ x }) => act.silu(x!),
    swiglu: ({ x }) => swiglu(x!),
    threshold: ({ x }, { attrs }) => act.threshold(x!, attrs.threshold as number, attrs.value as number),
  },
  { rtol: 2e-5 },
);

it("limits let NaN and infinities through as PyTorch does", async () => {
  const x = constant(Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY));
  const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
  const expected = new Map([
    [act.celu(x, 2), [nan, inf, -2]],
    [act.hardSwish(x), [nan, inf, nan]],
    [act.logSigmoid(x), [nan, 0, -inf]],
    [act.relu6(x), [nan, 6, 0]],
    [act.softsign(x), [nan, nan, nan]],
    [act.threshold(x, 0, 5), [nan, inf, 5]],
  ]);
  for (const backend of [new CpuBackend(), await gpuBackend()]) {
    const program = await backend.compile({ outputs: [...expected.keys()] });
    program.run();
    for (const [y, values] of expected) expectClose(y.label, await program.read(y), values, [3]);
  }
});

it("refuses a celu without a slope", () => {
  expect(() => act.softsign(input([2], "i32"))).toThrow(/^softsign: /);
  expect(() => act.celu(input([2]), 0)).toThrow("celu: alpha must be above 0, got 0");
});

it("elu's slope far below 0 is small, not 0", async () => {
  const values = [-1, -10, -20, -40];
  const x = constant(Float32Array.from(values));
  for (const backend of [new CpuBackend(), await gpuBackend()]) {
    for (const [op, scale] of [
      [act.elu, 1],
      [act.selu, 1.6732632423543772 * 1.0507009873554805],
    ] as const) {
      const [dx] = gradients(sum(op(x)), [x]) as [Tensor];
      const program = await backend.compile({ outputs: [dx] });
      program.run();
      const expected = values.map((v) => scale * Math.exp(v));
      expectClose(op.name, await program.read(dx), expected, [4], { atol: 0, rtol: 1e-5 });
    }
  }
});

it("is PyTorch's at 0 and for large numbers", async () => {
  const x = constant(Float32Array.of(0, 100, -100, 1e4, -1e4));
  const backend = await gpuBackend();
  const expected: Record<string, readonly [y: number[], dx: number[]]> = {
    leakyRelu: [
      [0, 100, -1, 1e4, -100],
      [0.01, 1, 0.01, 1, 0.01],
    ],
    elu: [
      [0, 100, -0.7, 1e4, -0.7],
      [0.7, 1, 0, 1, 0],
    ],
    gelu: [
      [0, 100, 0, 1e4, 0],
      [0.5, 1, 0, 1, 0],
    ],
    silu: [
      [0, 100, 0, 1e4, 0],
      [0.5, 1, 0, 1, 0],
    ],
    softplus: [
      [Math.LN2 / 2, 100, 0, 1e4, 0],
      [0.5, 1, 0, 1, 0],
    ],
    mish: [
      [0, 100, 0, 1e4, 0],
      [0.6, 1, 0, 1, 0],
    ],
    hardSigmoid: [
      [0.5, 1, 0, 1, 0],
      [1 / 6, 0, 0, 0, 0],
    ],
  };
  for (const [name, f] of all) {
    const rows = expected[name];
    if (rows === undefined) continue;
    const y = f(x);
    const dx = gradients(sum(y), [x])[0] as Tensor;
    const program = await backend.compile({ outputs: [y, dx] });
    program.run();
    expectClose(name, await program.read(y), rows[0], [5], { atol: 1e-6, rtol: 1e-5 });
    expectClose(`${name}'`, await program.read(dx), rows[1], [5], { atol: 1e-6, rtol: 1e-5 });
  }
});

it("takes one dispatch each", async () => {
  const backend = await gpuBackend();
  for (const [name, f] of all) {
    if (name === "identity") continue;
    const program = await backend.compile({ outputs: [f(input([100]))] });
    expect(program.describe().dispatches, name).toBe(1);
  }
});

it("refuses a prelu weight of another length", () => {
  expect(() => act.prelu(input([2, 3]), input([2]))).toThrow(
    /prelu: weight must hold 1 value or one per channel \(3\), got \[2\]/,
  );
});
