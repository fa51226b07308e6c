/** drawAffine: the same bits on both backends, maps as formulas have them, statistics of what is drawn. */
import { describe, expect, it } from "vitest";
import { constant } from "../../src/graph/tensor.ts";
import { type AffineRange, drawAffine } from "../../src/ops/random/draw-affine.ts";
import { RandomSource } from "../../src/ops/random/random.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";

const everything: AffineRange = {
  flipX: 0.5,
  flipY: 0.3,
  degrees: [-180, 180],
  scale: [0.5, 1.7],
  shear: [-50, 40],
  x: [-3.5, 3.5],
  y: [-7, 2],
};

const drawn = (name: string, ranges: readonly AffineRange[], counts: readonly number[]): OpCase[] =>
  counts.map((count) => ({
    name: `${count} of ${name}`,
    inputs: [
      { shape: [1], dtype: "u32", data: [4_000_000_000 + count] },
      { shape: [2], dtype: "u32", data: [7, 0xffffffff] },
    ],
    build: (step, key) => drawAffine(count, ranges, new RandomSource(step!, key!)),
  }));

// Whole numbers are compared exactly.
checkOp(
  "drawAffine",
  [
    ...drawn("one step", [everything], [1, 64, 67, 1000]),
    ...drawn("three steps", [everything, { degrees: [10, 20], x: [0, 4] }, everything], [65]),
    ...drawn("none", [{}], [5]),
  ],
  { gradients: false },
);

async function maps(count: number, ranges: readonly AffineRange[], seed = 3): Promise<number[][]> {
  const source = new RandomSource(constant(Uint32Array.of(5)), constant(Uint32Array.of(seed, 0)));
  const theta = drawAffine(count, ranges, source);
  const program = await new CpuBackend().compile({ outputs: [theta] });
  program.run();
  const values = Array.from(await program.read(theta), (v) => v / 65536);
  return Array.from({ length: count }, (_, n) => values.slice(6 * n, 6 * n + 6));
}

const radians = (degrees: number) => (degrees * Math.PI) / 180;
const close = (got: readonly number[], wanted: readonly number[]) =>
  got.forEach((v, i) => {
    expect(Math.abs(v - (wanted[i] as number)), `${got} against ${wanted}`).toBeLessThan(1e-4);
  });

describe("maps from places in the result to places in the image", () => {
  it.each([-179, -90, -45.5, -1, 0, 30, 44.9, 45.1, 90, 137, 180])("turned by %d degrees", async (angle) => {
    const [map] = await maps(1, [{ degrees: [angle, angle] }]);
    const [cos, sin] = [Math.cos(radians(angle)), Math.sin(radians(angle))];
    close(map!, [cos, sin, 0, -sin, cos, 0]);
  });
  it("sheared, scaled and moved, as torchvision's inverse matrix has it", async () => {
    const [angle, shear, scale, x, y] = [25, -35, 1.4, 3, -2];
    const [map] = await maps(1, [
      { degrees: [angle, angle], shear: [shear, shear], scale: [scale, scale], x: [x, x], y: [y, y] },
    ]);
    const [cos, sin, tan] = [Math.cos(radians(angle)), Math.sin(radians(angle)), Math.tan(radians(shear))];
    const m = [cos - sin * tan, sin + cos * tan, -sin, cos].map((v) => v / scale) as [
      number,
      number,
      number,
      number,
    ];
    close(map!, [m[0], m[1], -m[0] * x - m[1] * y, m[2], m[3], -m[2] * x - m[3] * y]);
  });
  it("one after the other", async () => {
    const [turnThenMove] = await maps(1, [{ degrees: [90, 90] }, { x: [4, 4] }]);
    close(turnThenMove!, [0, 1, 0, -1, 0, 4]);
    const [moveThenTurn] = await maps(1, [{ x: [4, 4] }, { degrees: [90, 90] }]);
    close(moveThenTurn!, [0, 1, -4, -1, 0, 0]);
    const [moveThenMirror] = await maps(1, [{ x: [4, 4] }, { flipX: 1 }]);
    expect(moveThenMirror).toEqual([-1, 0, -4, 0, 1, 0]);
  });
});

describe("what is drawn", () => {
  it("takes every whole shift equally often, and none beyond", async () => {
    const shifts = (await maps(4000, [{ x: [-2, 2], y: [-1.5, 1.5] }])).map(
      ([, , x, , , y]) => [x!, y!] as const,
    );
    const count = (axis: 0 | 1) => {
      const counts = new Map<number, number>();
      for (const shift of shifts) counts.set(shift[axis], (counts.get(shift[axis]) ?? 0) + 1);
      return counts;
    };
    expect([...count(0).keys()].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2]);
    expect([...count(1).keys()].sort((a, b) => a - b)).toEqual([-1.5, -0.5, 0.5, 1.5]);
    // Five standard deviations.
    for (const n of count(0).values()) expect(Math.abs(n - 800)).toBeLessThan(127);
    for (const n of count(1).values()) expect(Math.abs(n - 1000)).toBeLessThan(137);
  });
  it("spreads angles and sizes evenly, mirrors by its chance, and each by words of its own", async () => {
    const n = 4000;
    const drawnMaps = await maps(n, [{ flipX: 0.25, degrees: [-30, 30], scale: [0.5, 2] }]);
    const values = drawnMaps.map(([xx, xy, , yx, yy]) => {
      const mirrored = xx! * yy! - xy! * yx! < 0;
      return [
        mirrored ? 1 : 0,
        (Math.atan2(-yx!, yy!) * 180) / Math.PI / 60 + 0.5,
        (1 / Math.hypot(yx!, yy!) - 0.5) / 1.5,
      ] as const;
    });
    const mean = (of: (v: readonly number[]) => number) => values.reduce((sum, v) => sum + of(v), 0) / n;
    expect(Math.abs(mean((v) => v[0]!) - 0.25)).toBeLessThan(5 * Math.sqrt(0.1875 / n));
    const uniformError = 5 / Math.sqrt(12 * n);
    expect(Math.abs(mean((v) => v[1]!) - 0.5)).toBeLessThan(uniformError);
    expect(Math.abs(mean((v) => v[2]!) - 0.5)).toBeLessThan(uniformError);
    expect(Math.min(...values.map((v) => v[1]!), ...values.map((v) => v[2]!))).toBeGreaterThan(-1e-3);
    expect(Math.max(...values.map((v) => v[1]!), ...values.map((v) => v[2]!))).toBeLessThan(1 + 1e-3);
    // Uncorrelated: of one sample with another part, and of one sample with the next.
    expect(Math.abs(mean((v) => (v[1]! - 0.5) * (v[2]! - 0.5)) * 12)).toBeLessThan(5 / Math.sqrt(n));
    const lagged = values.slice(1).reduce((sum, v, i) => sum + (v[1]! - 0.5) * (values[i]![1]! - 0.5), 0);
    expect(Math.abs((lagged / n) * 12)).toBeLessThan(5 / Math.sqrt(n));
  });
  it("is another for every seed", async () => {
    expect(await maps(3, [everything], 3)).not.toEqual(await maps(3, [everything], 4));
  });
});

describe("refuses", () => {
  const source = new RandomSource(constant(Uint32Array.of(5)), constant(Uint32Array.of(3, 0)));
  it.each([
    ["a chance above 1", { flipX: 1.5 }, /chance must be in \[0, 1\], got 1.5/],
    ["a range backwards", { degrees: [3, -3] }, /degrees must be a range within/],
    ["more than a turn", { degrees: [-200, 200] }, /at most a turn/],
    ["images of no size", { scale: [0, 1] }, /scale must be a range within \[0.125, 8\], got \[0, 1\]/],
    ["shear to a line", { shear: [0, 90] }, /shear must be a range/],
    ["no number", { x: [Number.NaN, 1] }, /x must be a range/],
  ] as const)("%s", (_, range, message) => {
    expect(() => drawAffine(4, [range], source)).toThrow(message);
  });
});
