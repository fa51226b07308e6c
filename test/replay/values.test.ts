/** First values survive JSON with every bit, in whatever form is shortest. */
import { expect, test } from "vitest";
import { unpacked } from "../../src/replay/machine.ts";
import { packed } from "../../src/replay/squeeze.ts";

test.each([
  ["fill", Float32Array.of(0.1, 0.1, 0.1)],
  ["numbers", Uint32Array.of(0, 4_294_967_295, 7, 8, 9)],
  ["numbers", Int32Array.of(-1, 2)],
  ["base64", Float32Array.from({ length: 50 }, (_, i) => Math.sin(i))],
  ["base64", Float32Array.of(Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY)],
  ["base64", Float32Array.of(-0, 0)],
] as const)("%s: %o", (form, data) => {
  const value = packed(data);
  expect(value).toHaveProperty(form);
  const back = unpacked(JSON.parse(JSON.stringify(value)));
  expect(back.constructor).toBe(data.constructor);
  expect(new Uint8Array(back.buffer)).toEqual(new Uint8Array(data.buffer));
});
