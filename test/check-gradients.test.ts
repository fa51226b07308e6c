/** checkGradients: accepts correct gradients, locates wrong ones, refuses what it can't check. */
import { describe, expect, it } from "vitest";
import { checkGradients } from "../src/checks/check-gradients.ts";
import { mul } from "../src/ops/elementwise/arithmetic.ts";
import { definePointwise } from "../src/ops/elementwise/pointwise.ts";
import { linear } from "../src/ops/linalg/linear.ts";
import { crossEntropy } from "../src/ops/loss/cross-entropy.ts";
import { softmax } from "../src/ops/reduce/softmax.ts";

/** x³, with a gradient that is right for x = 1 and x = 0 only. */
const wrongCube = definePointwise<Record<string, never>>({
  name: "wrongCube",
  args: ["x"],
  wgsl: ([x]) => `${x} * ${x} * ${x}`,
  scalar: ([x]) => x! ** 3,
  backward: ({ inputs: [x], grads: [dy] }) => [mul(mul(dy!, x!), 3)],
});

describe("checkGradients", () => {
  it("accepts correct gradients, for results of any shape and with labels", async () => {
    const x = { data: Float32Array.of(0.1, -0.5, 2, 1, 0, -1), shape: [2, 3] };
    const w = { data: [0.3, -0.2, 0.5, 1, 2, -1, 0.1, 0.7, -0.4], shape: [3, 3] };
    const loss = await checkGradients(
      (a, b, labels) => crossEntropy(linear(a!, b!), labels!).loss,
      [x, w, { data: Int32Array.of(2, 0) }],
    );
    expect(loss).toMatchObject({ ok: true, checked: 15, failures: [] });
    expect(loss.worst?.error).toBeLessThan(1);
    const shares = await checkGradients((a) => softmax(a!), [x]);
    expect(shares.ok).toBe(true);
  });

  it("says where gradients are wrong, and by how much", async () => {
    const report = await checkGradients((x) => wrongCube.one([x!], {}), [{ data: [1, 0, 2] }]);
    expect(report.ok).toBe(false);
    expect(report.failures).toHaveLength(1);
    const [{ input, index, analytic, numeric }] = report.failures as [NonNullable<typeof report.worst>];
    expect([input, index]).toEqual([0, 2]);
    expect(numeric / analytic).toBeCloseTo(2, 6);
  });

  it("looks at as many places as asked for", async () => {
    const data = Float64Array.from({ length: 1000 }, (_, i) => Math.sin(i));
    const report = await checkGradients((x) => mul(x!, x!), [{ data }], { samples: 7 });
    expect(report).toMatchObject({ ok: true, checked: 7 });
  });

  it("refuses integers alone, and data of another length", async () => {
    await expect(checkGradients((x) => x!, [{ data: Int32Array.of(1) }])).rejects.toThrow(
      /no input is a float/,
    );
    await expect(checkGradients((x) => x!, [{ data: [1, 2], shape: [3] }])).rejects.toThrow(
      /input 0 has 2 values, but its shape needs 3/,
    );
  });
});
