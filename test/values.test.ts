/** Numbers from the host: one rule for what device.write, constants and first values take, on every backend. */
import { describe, expect, it } from "vitest";
import { compare } from "../src/checks/compare.ts";
import type { Data, DType } from "../src/graph/spec.ts";
import { constant, type Draw, input, parameter, state, type Tensor } from "../src/graph/tensor.ts";
import type { Values } from "../src/graph/values.ts";
import { add } from "../src/ops/elementwise/arithmetic.ts";
import type { Backend } from "../src/runtime/backend.ts";
import { CpuBackend } from "../src/runtime/cpu/backend.ts";
import { ShapeError, ValueError } from "../src/validation/errors.ts";
import { gpuBackend } from "./support/backend.ts";

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["GPU", gpuBackend],
  ["CPU reference", async () => new CpuBackend()],
  ["CPU reference in 64 bits", async () => new CpuBackend({ bits: 64 })],
];

const placed = async (backend: Backend, leaf: Tensor): Promise<Tensor> => {
  await backend.compile({ outputs: [leaf] });
  return leaf;
};

const four = [1, 0, 3, 120];
/** The dtype that a kind of array belongs to; undefined for those that every dtype takes. */
function dtypeOf(values: Values): DType | undefined {
  if (values instanceof Int32Array) return "i32";
  if (values instanceof Uint32Array) return "u32";
  return /^Float/.test(values.constructor.name) ? "f32" : undefined;
}
const takes = (dtype: DType, values: Values) => [undefined, dtype].includes(dtypeOf(values));
const kinds: readonly Values[] = [
  four,
  [
    [1, 0],
    [3, 120],
  ],
  four.map(BigInt),
  Float32Array.from(four),
  Float64Array.from(four),
  Int8Array.from(four),
  Uint8Array.from(four),
  Uint8ClampedArray.from(four),
  Int16Array.from(four),
  Uint16Array.from(four),
  Int32Array.from(four),
  Uint32Array.from(four),
  BigInt64Array.from(four.map(BigInt)),
  BigUint64Array.from(four.map(BigInt)),
  ...("Float16Array" in globalThis
    ? [(globalThis as unknown as { Float16Array: typeof Float32Array }).Float16Array.from(four)]
    : []),
];

describe.each(backends)("on the %s", (_, open) => {
  it.each(["f32", "i32", "u32"] as const)(
    "%s takes its own arrays and those of no dtype, and refuses those of another",
    async (dtype) => {
      const backend = await open();
      for (const leaf of [input([2, 2], dtype), state([2, 2], 0, dtype)]) {
        await placed(backend, leaf);
        for (const values of kinds) {
          backend.write(leaf, new Uint8Array(4));
          const written = () => backend.write(leaf, values);
          if (takes(dtype, values)) written();
          else {
            expect(written).toThrow(ValueError);
            expect(() => backend.write(leaf, values, 0)).toThrow(
              new RegExp(
                `${dtype}\\[2, 2\\]: needs .* got ${values.constructor.name}, which holds ${dtypeOf(values)}`,
              ),
            );
          }
          expect([...(await backend.read(leaf))]).toEqual(takes(dtype, values) ? four : [0, 0, 0, 0]);
        }
        backend.write(leaf, four);
        backend.write(leaf, Uint8Array.of(7, 8), 1);
        expect([...(await backend.read(leaf))]).toEqual([1, 7, 8, 120]);
      }
    },
  );

  it("a tensor starts with numbers of any kind", async () => {
    const backend = await open();
    for (const values of kinds) {
      for (const dtype of ["f32", "i32", "u32"] as const) {
        const start = state([2, 2], 0, dtype);
        const drawn = state([4], (() => values) as unknown as Draw, dtype);
        if (takes(dtype, values)) {
          backend.starts.set(start, values as Data);
          for (const leaf of [
            start,
            state([2, 2], values, dtype),
            ...(Array.isArray(values[0]) ? [] : [drawn]),
          ])
            expect([...(await backend.read(await placed(backend, leaf)))]).toEqual(four);
        } else {
          expect(() => state([2, 2], values, dtype)).toThrow(/which holds/);
          expect(() => backend.starts.set(start, values as Data)).toThrow(/which holds/);
          await expect(placed(backend, drawn)).rejects.toThrow(/which holds/);
        }
      }
      if (takes("f32", values))
        expect([...(await backend.read(await placed(backend, parameter([2, 2], values))))]).toEqual(four);
      else expect(() => parameter([2, 2], values)).toThrow(/which holds f32|which holds [iu]32/);
      const program = await backend.compile({ outputs: [constant(values, [2, 2])] });
      program.run();
    }
    const drawn = parameter([4], (() => four) as unknown as () => Float32Array);
    expect([...(await backend.read(await placed(backend, drawn)))]).toEqual(four);
  });

  const refused: readonly (readonly [DType, unknown, RegExp])[] = [
    [
      "i32",
      Float32Array.of(1, 2, 3, 4),
      /x i32\[4\]: needs Int32Array or an array of numbers, got Float32Array, which holds f32/,
    ],
    ["i32", [1, 2, 3.5, 4], /x i32\[4\]: needs Int32Array or numbers that convert, got 3.5 at 2/],
    [
      "f32",
      Int32Array.of(1, 2, 3, 4),
      /x f32\[4\]: needs Float32Array or an array of numbers, got Int32Array, which holds i32/,
    ],
    ["i32", [1, 2, 3, Number.NaN], /got NaN at 3, not a whole number in i32's range/],
    ["i32", [1, 2, 3, Number.POSITIVE_INFINITY], /got Infinity at 3/],
    ["i32", [2 ** 31, 0, 0, 0], /got 2147483648 at 0/],
    ["i32", BigInt64Array.of(0n, 2n ** 40n, 0n, 0n), /got 1099511627776 at 1/],
    ["i32", BigUint64Array.of(0n, 2n ** 31n, 0n, 0n), /got 2147483648 at 1/],
    ["u32", Int16Array.of(1, -1, 3, 4), /x u32\[4\]: needs Uint32Array .* got -1 at 1/],
    ["u32", [0.5, 0, 0, 0], /got 0.5 at 0/],
    ["u32", [2 ** 32, 0, 0, 0], /got 4294967296 at 0/],
    [
      "f32",
      [1e39, 0, 0, 0],
      /x f32\[4\]: needs Float32Array .* got 1e\+39 at 0, not a number that float32 can hold/,
    ],
    ["f32", Float64Array.of(0, -1e300, 0, 0), /got -1e\+300 at 1/],
    ["f32", ["1", "2", "3", "4"], /got text at 0/],
    ["f32", [1, undefined, 3, 4], /got undefined at 1/],
    ["f32", [1, null, 3, 4], /got null at 1/],
    ["f32", new ArrayBuffer(16), /or an array of numbers, got ArrayBuffer/],
    ["i32", new DataView(new ArrayBuffer(16)), /got DataView/],
    ["f32", "1234", /got text/],
    ["f32", 1, /got 1/],
    ["f32", null, /got null/],
    ["f32", undefined, /got undefined/],
    ["f32", { 0: 1, length: 4 }, /got Object/],
  ];
  it.each(refused)("%s refuses %s", async (dtype, values, message) => {
    const backend = await open();
    const leaf = await placed(backend, state([4], [1, 2, 3, 4], dtype, "x"));
    for (const write of [
      () => backend.write(leaf, values as Values),
      () => backend.write(leaf, values as Values, 0),
    ]) {
      expect(write).toThrow(ValueError);
      expect(write).toThrow(message);
    }
    expect([...(await backend.read(leaf))]).toEqual([1, 2, 3, 4]);
    if (typeof values !== "number" && values !== undefined) {
      expect(() => state([4], values as Values, dtype, "x")).toThrow(message);
    }
  });

  it("NaN and infinity are numbers to f32, and rounding to it is no fault", async () => {
    const backend = await open();
    const leaf = await placed(backend, input([4]));
    const values = [Number.NaN, Number.NEGATIVE_INFINITY, 0.1, 16777217];
    for (const given of [values, Float64Array.from(values)]) {
      backend.write(leaf, given);
      const read = Float32Array.from(await backend.read(leaf));
      expect([...read]).toEqual([...Float32Array.from(values)]);
    }
  });

  it("another length or nesting is refused whatever the kind", async () => {
    const backend = await open();
    const leaf = await placed(backend, input([2, 3], "i32", "x"));
    for (const values of [[1, 2], new Int8Array(7), new Int32Array(0), BigInt64Array.of(1n)]) {
      expect(() => backend.write(leaf, values)).toThrow(ShapeError);
    }
    expect(() =>
      backend.write(leaf, [
        [1, 2],
        [3, 4],
        [5, 6],
      ]),
    ).toThrow(/x i32\[2, 3\]: got nested arrays of \[3, 2\]/);
    expect(() =>
      backend.write(leaf, [
        [1, 2, 3],
        [4, 5],
      ]),
    ).toThrow(/nested arrays must all have one length/);
    expect(() => backend.write(leaf, [[1, 2, 3], 4, 5, 6])).toThrow(ShapeError);
    expect(() => backend.write(leaf, [1, 2], 5)).toThrow(ShapeError);
    expect(() => backend.write(leaf, [1, 2], -1)).toThrow(ShapeError);
    backend.write(leaf, [
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect([...(await backend.read(leaf))]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  // Browsers define SharedArrayBuffer only in cross-origin isolated pages, which the Chromium project's is not. Runs in Node.
  it.skipIf(typeof SharedArrayBuffer === "undefined")(
    "takes views of shared memory, and parts of arrays",
    async () => {
      const backend = await open();
      for (const dtype of ["f32", "i32"] as const) {
        const leaf = await placed(backend, input([2], dtype));
        const memory = new SharedArrayBuffer(16);
        const shared = dtype === "f32" ? new Float32Array(memory) : new Int32Array(memory);
        shared.set([1, 2, 3, 4]);
        backend.write(leaf, shared.subarray(1, 3));
        expect([...(await backend.read(leaf))]).toEqual([2, 3]);
      }
    },
  );

  it("a tensor that no graph has put on the device is refused alike", async () => {
    const backend = await open();
    expect(() => backend.write(input([1], "f32", "stranger"), [1])).toThrow(
      /stranger: is not on this device; compile a graph that uses it first/,
    );
  });
});

it("TypeScript refuses an array of another dtype too", async () => {
  const backend = new CpuBackend();
  const [f, i, u] = [input([2]), input([2], "i32"), state([2], 0, "u32")];
  await backend.compile({ outputs: [f, i, u] });
  const wrong = [
    // @ts-expect-error floats for i32
    () => backend.write(i, Float32Array.of(1, 2)),
    // @ts-expect-error i32 for f32
    () => backend.write(f, Int32Array.of(1, 2)),
    // @ts-expect-error i32 for u32
    () => backend.write(u, Int32Array.of(1, 2)),
    // @ts-expect-error floats for u32
    () => state([2], Float64Array.of(1, 2), "u32"),
    // @ts-expect-error u32 for a parameter
    () => parameter([2], Uint32Array.of(1, 2)),
  ];
  for (const write of wrong) expect(write).toThrow(/which holds/);
  const anyDType: Tensor = f;
  const anyData: Data = Float32Array.of(1, 2);
  backend.write(anyDType, anyData);
  backend.write(f, anyData);
  backend.write(i, [1, 2]);
  backend.write(u, Uint8Array.of(1, 2));
});

it("values of a comparison are checked like those of a write", async () => {
  const x = input([2], "i32", "x");
  const values = new Map<Tensor, Data>([[x, Float32Array.of(1, 2)]]);
  await expect(compare(await gpuBackend(), { outputs: [add(x, 1)] }, values)).rejects.toThrow(
    /x i32\[2\]: needs Int32Array .* got Float32Array, which holds f32/,
  );
});

describe("leaves", () => {
  it("are refused with a dtype that does not exist", () => {
    for (const make of [
      () => input([2], "float32" as DType),
      () => state([2], 0, "bool" as DType),
      () => state([2], () => new Float32Array(2), "f16" as DType),
    ]) {
      expect(make).toThrow(ShapeError);
      expect(make).toThrow(/dtype must be "f32", "i32" or "u32", got "?(float32|bool|f16)/);
    }
  });

  it("are refused with values that they can't hold when they are made", () => {
    expect(() => state([2], Number.NaN, "i32", "n")).toThrow(/n i32\[2\]: .* got NaN/);
    expect(() => state([], -1, "u32")).toThrow(ValueError);
    expect(() => state([], 0.5, "i32")).toThrow(ValueError);
    expect(() => parameter([2], 1e39)).toThrow(ValueError);
    expect(() => parameter([2], Number.NaN)).not.toThrow();
    expect(() => parameter([2], [1, 2, 3], "w")).toThrow(/w f32\[2\]: holds 2 values, got 3/);
    expect(() => constant(5 as unknown as Values)).toThrow(ValueError);
    expect(() => constant(undefined as unknown as Values)).toThrow(ValueError);
    expect(() => constant([1, 2], [3])).toThrow(ShapeError);
  });

  it("constants take the type of their numbers, and the shape of nested arrays", () => {
    expect(
      constant([
        [1, 2, 3],
        [4, 5, 6],
      ]).shape,
    ).toEqual([2, 3]);
    expect(constant(BigInt64Array.of(1n)).dtype).toBe("i32");
    expect(constant(BigUint64Array.of(1n)).dtype).toBe("u32");
    expect(constant(Uint8Array.of(1)).dtype).toBe("f32");
    expect(() => constant(BigInt64Array.of(2n ** 60n))).toThrow(ValueError);
  });
});
