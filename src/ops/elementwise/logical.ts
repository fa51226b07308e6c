/** Logic on truth values, element by element with broadcasting: operands of any dtypes, results f32, 1 or 0. No gradient. */
import type { DType } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { specialFunctions } from "../../kernels/elementwise/wgsl-functions.ts";
import { isFalse } from "./dtypes.ts";
import { definePointwise } from "./pointwise.ts";

// @__NO_SIDE_EFFECTS__
function logical(
  name: string,
  args: readonly string[],
  wgsl: (...isFalse: string[]) => string,
  scalar: (...isTrue: boolean[]) => boolean,
) {
  return definePointwise<Record<string, never>>({
    name,
    args,
    dtype: (): DType => "f32",
    functions: [specialFunctions],
    wgsl: (operands, _, dtypes) =>
      `select(0.0, 1.0, ${wgsl(...operands.map((operand, i) => isFalse(operand, dtypes[i])))})`,
    scalar: (operands) => (scalar(...operands.map((operand) => operand !== 0)) ? 1 : 0),
    backward: () => args.map(() => undefined),
  });
}

export const logicalAndOp = logical(
  "logicalAnd",
  ["a", "b"],
  (a, b) => `!(${a} | ${b})`,
  (a, b) => a! && b!,
);
export const logicalOrOp = logical(
  "logicalOr",
  ["a", "b"],
  (a, b) => `!(${a} & ${b})`,
  (a, b) => a! || b!,
);
export const logicalXorOp = logical(
  "logicalXor",
  ["a", "b"],
  (a, b) => `${a} != ${b}`,
  (a, b) => a !== b,
);
export const logicalNotOp = logical(
  "logicalNot",
  ["a"],
  (a) => `${a}`,
  (a) => !a,
);

/** 1 where both a and b are true, else 0. Everything but 0 is true, NaN too. */
export const logicalAnd = (a: Tensor, b: Tensor): Tensor => logicalAndOp.one([a, b], {});
/** 1 where a or b is true, else 0. */
export const logicalOr = (a: Tensor, b: Tensor): Tensor => logicalOrOp.one([a, b], {});
/** 1 where one of a and b is true and the other is not, else 0. */
export const logicalXor = (a: Tensor, b: Tensor): Tensor => logicalXorOp.one([a, b], {});
/** 1 where a is 0, else 0. */
export const logicalNot = (a: Tensor): Tensor => logicalNotOp.one([a], {});
