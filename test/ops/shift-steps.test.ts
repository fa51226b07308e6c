/** Sequences moved by a step or cleared beyond their lengths, against the CPU body and against numbers worked out by hand. */
import { expect, it } from "vitest";
import { constant, input, type Tensor } from "../../src/graph/tensor.ts";
import { shiftStepsOp } from "../../src/ops/recurrent/shift-steps.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";

const clearing: readonly OpCase[] = (
  [
    ["i32", [4, 0, 2]],
    ["f32", [1, 3, 9]],
  ] as const
).map(([dtype, data]) => ({
  name: `cleared beyond ${dtype} lengths ${data}`,
  inputs: [{ shape: [3, 4, 5] }, { shape: [3], dtype, data: [...data], gradient: false }],
  build: (x, lengths) => shiftStepsOp.one([x!, x!, lengths!], { by: 0, initial: false }),
}));
const moving: readonly OpCase[] = [-1, 1].flatMap((by) =>
  [false, true].map((initial) => ({
    name: `by ${by}${initial ? " with an initial state" : ""}`,
    inputs: [
      { shape: [7, 3, 13] },
      { shape: [2, 7, 13] },
      { shape: [7], dtype: "i32" as const, data: [3, 1, 2, 0, 5, 3, 2] },
    ],
    build: (x: Tensor, s0: Tensor, lengths: Tensor) => shiftStepsOp.one([x, s0, lengths], { by, initial }),
  })),
);

checkOp("shiftSteps, clearing", clearing);
checkOp("shiftSteps, moving", moving, { gradients: false });

it("the step before the first is the initial state, in either direction", async () => {
  const x = input([2, 3, 1]);
  const lengths = constant(Int32Array.of(3, 2));
  const s0 = constant([[[8], [9]]]);
  const outputs = [-1, 1].map((by) => shiftStepsOp.one([x, s0, lengths], { by, initial: true }));
  const device = await gpuBackend();
  const program = await device.compile({ outputs });
  device.write(x, [
    [[1], [2], [3]],
    [[4], [5], [6]],
  ]);
  program.run();
  expect([...(await program.read(outputs[0]!))]).toEqual([8, 1, 2, 9, 4, 0]);
  expect([...(await program.read(outputs[1]!))]).toEqual([2, 3, 8, 5, 9, 0]);
});
