/** Spirals and noise: what they look like, the same every time. */
import { expect, test } from "vitest";
import { noise, spirals } from "../../src/data/synthetic/toy-sets.ts";
import { ValueError } from "../../src/validation/errors.ts";

test("spirals lie on their arms", () => {
  const { inputs, labels, classes } = spirals({ count: 300, classes: 3, noise: 0 });
  expect(classes).toBe(3);
  expect([...labels.subarray(0, 4)]).toEqual([0, 1, 2, 0]);
  for (let i = 0; i < 300; i++) {
    const [x, y] = [inputs.data[2 * i] as number, inputs.data[2 * i + 1] as number];
    const radius = Math.hypot(x, y);
    const turn = Math.atan2(y, x) / (2 * Math.PI) - radius * 1.5 - (labels[i] as number) / 3;
    expect(Math.abs(turn - Math.round(turn))).toBeLessThan(1e-4);
    expect(radius).toBeLessThanOrEqual(1.00001);
  }
  // The same numbers on every host.
  expect([...spirals({ seed: 7 }).inputs.data.subarray(0, 2)].map((value) => value.toFixed(6))).toEqual([
    "-0.629034",
    "0.692515",
  ]);
  expect(() => spirals({ count: 0 })).toThrow(ValueError);
  expect(() => spirals({ noise: Number.NaN })).toThrow(ValueError);
});

test("noise fills all bytes and classes evenly", () => {
  const { inputs, labels } = noise({ count: 500, shape: [3, 5, 7], classes: 4, seed: 3 });
  expect(inputs.data).toHaveLength(500 * 105);
  const mean = (values: ArrayLike<number>) =>
    Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
  expect(Math.abs(mean(inputs.data) - 127.5)).toBeLessThan(2);
  expect(Math.abs(mean(labels) - 1.5)).toBeLessThan(0.2);
  expect(noise({ count: 2, shape: [1] })).toEqual(noise({ count: 2, shape: [1] }));
  expect(noise({ count: 9, shape: [5], seed: 2 }).inputs.data).not.toEqual(
    noise({ count: 9, shape: [5] }).inputs.data,
  );
  expect(() => noise({ shape: [0] })).toThrow(ValueError);
});
