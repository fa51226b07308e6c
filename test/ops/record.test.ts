/** record: rows, marks, the step counter, many steps per submit, and numbers that are none. */
import { describe, expect, it } from "vitest";
import type { Data } from "../../src/graph/spec.ts";
import { input, state, type Tensor } from "../../src/graph/tensor.ts";
import { MAX_RECORDED, record, recordedSteps } from "../../src/ops/data/record.ts";
import { mul } from "../../src/ops/elementwise/arithmetic.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";

const backends: readonly [string, () => Promise<Backend>][] = [
  ["CPU", async () => new CpuBackend()],
  ["GPU", gpuBackend],
];

async function setUp(open: () => Promise<Backend>, rows: number, values: number, marks: boolean, at = 0) {
  const backend = await open();
  const ring = state([rows, values + (marks ? 1 : 0)], 0, "f32", "ring");
  const step = state([1], Uint32Array.of(at), "u32", "step");
  const numbers = Array.from({ length: values }, (_, i) => input([], "f32", `value${i}`));
  const program = await backend.compile({ outputs: [], updates: [record(ring, step, numbers)] });
  const write = (...data: number[]) => {
    data.forEach((v, i) => {
      backend.write(numbers[i] as Tensor, Float32Array.of(v));
    });
  };
  return { backend, ring, step, program, write };
}

for (const [name, open] of backends) {
  describe(`record, ${name}`, () => {
    for (let values = 1; values <= MAX_RECORDED; values++) {
      it(`writes ${values} values and a mark into the row of its step, and moves on`, async () => {
        const { backend, ring, step, program, write } = await setUp(open, 3, values, true, 7);
        const numbers = Array.from({ length: values }, (_, i) => i + 0.5);
        write(...numbers);
        program.run();
        const expected = [...Array<number>(values + 1).fill(0), ...numbers, 8];
        expect(Array.from(await backend.read(ring))).toEqual([
          ...expected,
          ...Array<number>(values + 1).fill(0),
        ]);
        expect(Array.from(await backend.read(step))).toEqual([8]);
      });
    }

    it("goes without marks where the ring has no column for them", async () => {
      const { backend, ring, program, write } = await setUp(open, 2, 2, false);
      write(1, 2);
      program.run(3);
      expect(Array.from(await backend.read(ring))).toEqual([1, 2, 1, 2]);
    });

    it("keeps the latest rows of many steps in one run, in the order of their steps", async () => {
      const { backend, ring, step, program, write } = await setUp(open, 5, 1, true);
      write(4);
      program.run(1003);
      const rows = recordedSteps(await backend.read(ring), 2, 1002);
      expect(rows.map((r) => r.step)).toEqual([998, 999, 1000, 1001, 1002]);
      expect((await backend.read(step))[0]).toBe(1003);
    });

    it("knows steps past 2^24 and where the counter of 32 bits ends", async () => {
      for (const first of [2 ** 24 - 3, 2 ** 31 + 5, 2 ** 32 - 2]) {
        const { backend, ring, step, program } = await setUp(open, 4, 1, true, first);
        program.run(2);
        const rows = recordedSteps(await backend.read(ring), 2, first + 100);
        expect(rows.map((r) => r.step)).toEqual([first, first + 1]);
        expect((await backend.read(step))[0]).toBe((first + 2) % 2 ** 32);
      }
    });

    it("writes values of many elements one after another", async () => {
      const backend = await open();
      const [ring, step] = [state([3, 206]), state([1], Uint32Array.of(4), "u32")];
      const [loss, matrix, rest] = [input([]), input([10, 20]), input([4])];
      const program = await backend.compile({
        outputs: [],
        updates: [record(ring, step, [loss, matrix, rest])],
      });
      const numbers = Float32Array.from({ length: 200 }, (_, i) => i + 0.25);
      backend.write(loss, Float32Array.of(-1));
      backend.write(matrix, numbers);
      backend.write(rest, Float32Array.of(5, 6, 7, 8));
      program.run(2);
      const row = (mark: number) => [-1, ...numbers, 5, 6, 7, 8, mark];
      const values = Array.from(await backend.read(ring));
      expect(values.slice(206, 412)).toEqual(row(5));
      expect(values.slice(412)).toEqual(row(6));
      expect(values.slice(0, 206)).toEqual(Array(206).fill(0));
      expect((await backend.read(step))[0]).toBe(6);
    });

    it("keeps NaN and infinities", async () => {
      const { backend, ring, program, write } = await setUp(open, 1, 3, true);
      write(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);
      program.run();
      const values = await backend.read(ring);
      expect(Array.from(values)).toEqual([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1]);
    });

    it("comes after everything that reads the step or a state, on computed values too", async () => {
      const backend = await open();
      const [ring, step, x] = [state([2, 2]), state([1], 0, "u32"), input([1])];
      const program = await backend.compile({
        outputs: [],
        updates: [record(ring, step, [mul(x, 2), mul(x, 3)])],
      });
      backend.write(x, Float32Array.of(5));
      program.run(2);
      expect(Array.from(await backend.read(ring))).toEqual([10, 15, 10, 15]);
    });
  });
}

describe("record refuses", () => {
  const [ring, step, v] = [state([4, 2]), state([1], 0, "u32"), input([])];
  it("a ring of another width", () => {
    expect(() => record(ring, step, [v, v, v])).toThrow(/record: ring must have a column per value/);
  });
  it("values that do not fill a row, or of another type", () => {
    expect(() => record(ring, step, [input([2]), v])).toThrow(/record: ring must have a column per value/);
    expect(() => record(ring, step, [input([], "i32"), v])).toThrow(/record: values must be f32/);
  });
  it("a step that is no counter", () => {
    expect(() => record(ring, state([1]), [v, v])).toThrow(
      /record: step must be u32 of rank 1, got f32\[1\]/,
    );
    expect(() => record(ring, state([2], 0, "u32"), [v, v])).toThrow(
      /record: step must be u32\[1\], got u32\[2\]/,
    );
  });
  it("more than six values", () => {
    expect(() => record(state([4, 7]), step, [v, v, v, v, v, v, v])).toThrow(
      /record: takes at most 8 inputs, got 9/,
    );
  });
});

it("recordedSteps skips rows never written", () => {
  const data: Data = Float32Array.of(1.5, 3, 0, 0);
  expect(recordedSteps(data, 2, 9)).toEqual([{ step: 2, values: [1.5] }]);
});
