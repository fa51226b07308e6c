/** swiglu against its parts, its gradient, the layer, and what it refuses. PyTorch's numbers are in activations.test.ts. */
import { expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { silu } from "../../src/ops/elementwise/activations.ts";
import { mul, sub } from "../../src/ops/elementwise/arithmetic.ts";
import { swiglu } from "../../src/ops/elementwise/swiglu.ts";
import { split } from "../../src/ops/shape/concat.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";

const composed = (x: Tensor): Tensor => {
  const [gate, up] = split(x, x.shape.at(-1)! / 2, x.rank - 1) as [Tensor, Tensor];
  return mul(silu(gate), up);
};

checkOp(
  "swiglu",
  [[2], [1, 2], [3, 14], [2, 3, 10], [65, 2], [2, 130]].map((shape) => ({
    name: `[${shape}]`,
    inputs: [{ shape, range: [-4, 4] as const }],
    build: (x) => [swiglu(x!), sub(swiglu(x!), composed(x!))],
  })),
  { atol: 1e-5, rtol: 1e-5 },
);

it("takes three dispatches forward and three for the gradients, as a layer", async () => {
  const layer = nn.swiglu(6, 10);
  const x = input([2, 3, 6]);
  const y = layer.forward(x);
  const gpu = await gpuBackend();
  const leaves = [x, ...nn.namedParameters(layer).values()];
  const program = await gpu.compile({ outputs: [y, ...gradients(y, leaves, input([2, 3, 6]))] });
  expect(program.describe().steps).toEqual([
    "gate_up_proj.linear",
    "swiglu",
    "down_proj.linear",
    "linearBackward",
    "swigluBackward",
    "linearBackward",
  ]);
});

it("is a layer with the names of Phi-3, without biases unless asked for", () => {
  const shapes = (layer: nn.Layer) => [...nn.namedParameters(layer)].map(([name, t]) => `${name} ${t.shape}`);
  expect(shapes(nn.swiglu(6, 10))).toEqual(["gate_up_proj.weight 20,6", "down_proj.weight 6,10"]);
  expect(shapes(nn.swiglu(6, 10, { bias: true }))).toHaveLength(4);
  expect(nn.swiglu(6, 10).forward(input([5, 6])).shape).toEqual([5, 6]);
});

it("refuses an odd axis, scalars and integers", () => {
  expect(() => swiglu(input([4, 5]))).toThrow(/swiglu: the last axis of x must have an even length/);
  expect(() => swiglu(input([]))).toThrow(/swiglu: the last axis/);
  expect(() => swiglu(input([4, 6], "i32"))).toThrow(/swiglu: input must be f32/);
  expect(() => nn.swiglu(6, 0)).toThrow(/nn.swiglu: hiddenSize must be a whole number of at least 1/);
});
