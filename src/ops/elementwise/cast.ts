/** Conversion between dtypes, the same on every backend. */
import { expectTensor } from "../../graph/op.ts";
import { checkDType, type DType } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { specialFunctions, toIntegers } from "../../kernels/elementwise/wgsl-functions.ts";
import { wrapped } from "./dtypes.ts";
import { definePointwise } from "./pointwise.ts";

const LIMITS = { i32: [-(2 ** 31), 2 ** 31 - 1], u32: [0, 2 ** 32 - 1] } as const;

function converted(x: number, from: DType | undefined, to: DType): number {
  if (to === "f32") return x;
  if (from !== "f32") return wrapped(x, to);
  const [low, high] = LIMITS[to];
  return Number.isNaN(x) ? 0 : Math.trunc(Math.min(Math.max(x, low), high));
}

export const castOp = definePointwise<{ to: DType }>({
  name: "cast",
  args: ["x"],
  functions: [specialFunctions, toIntegers],
  dtype: (_, { to }) => to,
  wgsl: ([x], { to }, [from]) => (from === "f32" && to !== "f32" ? `${to}Of(${x})` : `${to}(${x})`),
  scalar: ([x], { to }, [from]) => converted(x!, from, to),
  backward: () => [undefined],
});

/**
 * x as `dtype`: `"f32"`, `"i32"` or `"u32"`. Floats are cut off towards 0; beyond the integers' range they become its end, and NaN
 * becomes 0. Between i32 and u32 the bits stay, so that -1 is 4294967295. Integers beyond 2^24 are rounded to f32. No gradient,
 * unless x has the dtype already: then it is returned itself. Throws ShapeError on another dtype.
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  expectTensor("cast", "x", x);
  checkDType("cast", dtype);
  return x.dtype === dtype ? x : castOp.one([x], { to: dtype });
}
