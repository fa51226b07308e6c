/** Gradient clipping: by value and by common norm, against float64, and inside an optimizer. */
import { describe, expect, it } from "vitest";
import { type Shape, sizeOf } from "../../src/graph/spec.ts";
import { input, parameter, state } from "../../src/graph/tensor.ts";
import { mul } from "../../src/ops/elementwise/arithmetic.ts";
import { pack } from "../../src/ops/shape/pack.ts";
import { adam } from "../../src/optim/adam.ts";
import { type ClipOptions, clip } from "../../src/optim/clip.ts";
import { sgd } from "../../src/optim/sgd.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { expectClose } from "../support/close.ts";
import { numbers } from "../support/update-run.ts";

const shapes: readonly Shape[] = [[3, 5], [1], [130], [61, 7, 13]];
const grads = shapes.map((shape, i) => numbers(sizeOf(shape), i, -1, 1));

function reference({ clipNorm, clipValue }: ClipOptions): Float64Array[] {
  const all = grads.map((g) =>
    Float64Array.from(g, (v) => (clipValue === undefined ? v : Math.min(clipValue, Math.max(-clipValue, v)))),
  );
  const norm = Math.sqrt(all.reduce((s, g) => s + g.reduce((t, v) => t + v * v, 0), 0));
  const factor = clipNorm === undefined ? 1 : Math.min(1, clipNorm / (norm + 1e-6));
  return all.map((g) => g.map((v) => v * factor));
}

/** The parameters after p -= clipped gradient, from 0. */
async function descend(backend: Backend, options: ClipOptions, data = grads): Promise<ArrayLike<number>[]> {
  const parameters = shapes.map((shape) => parameter(shape));
  const leaves = shapes.map((shape) => input(shape));
  const optimizer = sgd({ learningRate: 1, ...options });
  const updates = optimizer.updates(
    parameters,
    leaves.map((g) => mul(g, 1)),
    optimizer.states(parameters),
    state([1], 0, "u32"),
  );
  const program = await backend.compile({ outputs: [], updates });
  leaves.forEach((leaf, i) => {
    backend.write(leaf, data[i]!);
  });
  program.run();
  const values: ArrayLike<number>[] = [];
  for (const p of parameters) values.push((await backend.read(p)).map((v) => -v));
  return values;
}

const backends: readonly [string, () => Promise<Backend>][] = [
  ["CPU", async () => new CpuBackend()],
  ["GPU", gpuBackend],
];

for (const [name, open] of backends) {
  describe(`clipping, ${name}`, () => {
    const cases: readonly ClipOptions[] = [
      {},
      { clipNorm: 1 },
      { clipNorm: 40 },
      { clipValue: 0.25 },
      { clipValue: 0.5, clipNorm: 3 },
    ];
    for (const options of cases) {
      it(JSON.stringify(options), async () => {
        const actual = await descend(await open(), options);
        reference(options).forEach((expected, i) => {
          expectClose(`p${i}`, Array.from(actual[i]!), Array.from(expected), shapes[i] as Shape);
        });
      });
    }

    it("leaves gradients within the limits as they are, bit for bit", async () => {
      const actual = await descend(await open(), { clipNorm: 1000, clipValue: 2 });
      actual.forEach((values, i) => {
        expect(Array.from(values)).toEqual(Array.from(grads[i]!));
      });
    });

    it("by norm one NaN makes all NaN, and an infinity itself NaN and the rest 0; by value NaN stays", async () => {
      const broken = grads.map((g) => g.slice());
      broken[2]![5] = Number.NaN;
      const byNorm = await descend(await open(), { clipNorm: 1, clipValue: 0.5 }, broken);
      expect(byNorm.every((values) => Array.from(values).every(Number.isNaN))).toBe(true);
      const byValue = await descend(await open(), { clipValue: 0.5 }, broken);
      expect(byValue.flatMap((values) => Array.from(values)).filter(Number.isNaN)).toHaveLength(1);
      expect(byValue[2]![5]).toBeNaN();
      broken[2]![5] = Number.POSITIVE_INFINITY;
      const infinite = (await descend(await open(), { clipNorm: 1 }, broken)).flatMap((values) =>
        Array.from(values),
      );
      expect(infinite.filter(Number.isNaN)).toHaveLength(1);
      expect(infinite.filter((v) => Math.abs(v) > 0)).toEqual([]);
    });
  });
}

describe("refuses", () => {
  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])("a limit of %s", (limit) => {
    expect(() => adam({ clipNorm: limit })).toThrow(/adam: clipNorm must be a number above 0, got/);
    expect(() => sgd({ learningRate: 1, clipValue: limit })).toThrow(
      /sgd: clipValue must be a number above 0/,
    );
  });
});

it("clip without limits is no work", () => {
  const g = pack([parameter([3])]);
  expect(clip(g, {})).toBe(g);
});
