/** First values are stored in JSON in their shortest form, and keep every bit. */
import { expect, test } from "vitest";
import { storedValue, tensorOf } from "../../src/replay/format.ts";
import { initialData } from "../../src/runtime/initial-values.ts";

test.each([
  ["number", Float32Array.of(0.1, 0.1, 0.1)],
  ["number", Int32Array.of(-5)],
  ["string", Uint32Array.of(0, 4_294_967_295, 7, 8, 9)],
  ["string", Int32Array.of(-1, 2)],
  ["string", Float32Array.from({ length: 50 }, (_, i) => Math.sin(i))],
  ["string", Float32Array.of(Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY)],
  ["string", Float32Array.of(-0, 0)],
  ["string", Float32Array.of(0, -0)],
] as const)("%s: %o", (form, data) => {
  const value = storedValue(data);
  expect(typeof value).toBe(form);
  const initial = JSON.parse(JSON.stringify(value));
  const dtype = data instanceof Float32Array ? "f32" : data instanceof Int32Array ? "i32" : "u32";
  const tensor = tensorOf({ kind: "constant", label: "c", shape: [data.length], dtype, initial });
  const back = initialData(tensor, 0, 0);
  expect(back.constructor).toBe(data.constructor);
  expect(new Uint8Array(back.buffer)).toEqual(new Uint8Array(data.buffer));
});
