/** gatherRows: the kernels against the CPU body for all dtypes, whole numbers and bits unchanged, bytes as f32 and i32. */
import { describe, expect, it } from "vitest";
import { type Data, type Shape, sizeOf } from "../../src/graph/spec.ts";
import { input } from "../../src/graph/tensor.ts";
import { Random } from "../../src/numbers/random.ts";
import { type GatherRowsOptions, gatherRows } from "../../src/ops/data/gather-rows.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";

const random = new Random(5);
const COUNT = 23;

type Kind = "f32" | "i32" | "u32" | "bytes";

function dataOf(kind: Kind, values: number): Data {
  const word = () => random.u32();
  if (kind === "f32") return Float32Array.from({ length: values }, () => random.uniform(-9, 9));
  if (kind === "i32") return Int32Array.from({ length: values }, word);
  return Uint32Array.from({ length: kind === "bytes" ? Math.ceil(values / 4) : values }, word);
}

function caseOf(kind: Kind, shape: Shape, rows: readonly number[], options: Partial<GatherRowsOptions> = {}) {
  const data = dataOf(kind, COUNT * sizeOf(shape));
  const { as = "" } = options;
  return {
    name: `${kind} [${shape}] ${as}, ${rows.length} rows${"scale" in options ? ", scaled" : ""}`,
    inputs: [
      { shape: [data.length], dtype: kind === "bytes" ? "u32" : kind, data },
      { shape: [rows.length], dtype: "u32", data: rows },
    ],
    build: (all, at) => gatherRows(all!, at!, { shape, bytes: kind === "bytes", ...options }),
  } satisfies OpCase;
}

const some = [22, 0, 7, 7, 13];
const shapes: readonly Shape[] = [[], [1], [3], [13], [64], [65], [2, 3, 5], [1, 28, 28]];

checkOp(
  "gatherRows",
  [
    ...(["f32", "i32", "u32", "bytes"] as const).flatMap((kind) =>
      shapes.map((shape) => caseOf(kind, shape, some)),
    ),
    ...shapes.map((shape) => caseOf("bytes", shape, some, { as: "i32" })),
    caseOf("bytes", [5], some, { scale: 1 / 255, offset: -0.5 }),
    caseOf("f32", [5], some, { scale: -3, offset: 1.5 }),
    caseOf("i32", [17], [4]),
    caseOf(
      "f32",
      [31],
      Array.from({ length: 4099 }, (_, i) => (i * 7) % COUNT),
    ),
  ],
  { gradients: false },
);

it("keeps whole numbers of 32 bits, NaN, infinities and -0", async () => {
  const rows = input([3], "u32");
  const values = {
    f32: Float32Array.of(Number.NaN, -0, Number.POSITIVE_INFINITY, 1e-40),
    i32: Int32Array.of(-(2 ** 31), 2 ** 31 - 1, 16_777_217, -100),
    u32: Uint32Array.of(2 ** 32 - 1, 2 ** 31, 16_777_217, 0),
  };
  for (const backend of [new CpuBackend(), await gpuBackend()]) {
    for (const dtype of ["f32", "i32", "u32"] as const) {
      const data = input([4], dtype);
      const y = gatherRows(data, rows, { shape: [] });
      const program = await backend.compile({ outputs: [y] });
      backend.write(data, values[dtype]);
      for (const at of [
        [0, 1, 2],
        [3, 2, 0],
      ]) {
        backend.write(rows, Uint32Array.from(at));
        program.run();
        const found = Array.from(await program.read(y));
        expect(found).toEqual(at.map((i) => values[dtype][i]));
      }
    }
  }
});

describe("refuses", () => {
  const rows = input([2], "u32");
  it("data of broken samples, and rows that are no u32", () => {
    expect(() => gatherRows(input([7]), rows, { shape: [3] })).toThrow(
      /gatherRows: data must hold whole samples of 3 values, got f32\[7\]/,
    );
    expect(() => gatherRows(input([7], "u32"), rows, { shape: [40], bytes: true })).toThrow(/whole samples/);
    expect(() => gatherRows(input([6]), input([2], "i32"), { shape: [3] })).toThrow(/gatherRows: rows/);
    expect(() => gatherRows(input([6]), rows, { shape: [3], bytes: true })).toThrow(/gatherRows: data/);
  });
  it("scaled whole numbers, and scales that are not finite", () => {
    expect(() => gatherRows(input([6], "i32"), rows, { shape: [3], scale: 2 })).toThrow(
      /gatherRows: only f32 can be scaled, got scale 2, offset 0 and i32/,
    );
    expect(() => gatherRows(input([6]), rows, { shape: [3], offset: Number.POSITIVE_INFINITY })).toThrow(
      /scale and offset must be finite/,
    );
  });
});
