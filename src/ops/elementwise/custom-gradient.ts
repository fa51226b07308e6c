/** A tensor whose gradient is not that of the ops that compute it. */
import { type DefinedOp, defineOp, expectTensor } from "../../graph/op.ts";
import { formatSpec, sameShape } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { ShapeError, ValueError } from "../../validation/errors.ts";
import { shown } from "../../validation/options.ts";

interface Attrs {
  /** Gradients of all inputs but the first, of that of the result. */
  backward(dy: Tensor): readonly (Tensor | undefined)[];
}

/** (y, ...xs) -> y itself, computed after xs, to which gradients go instead of to what y is computed from. */
export const redirectOp: DefinedOp<Attrs> = defineOp({
  name: "customGradient",
  args: ["...xs"],
  results: ["y"],
  view: "reshape",
  plan([y], _attrs: Attrs) {
    return { outputs: [{ shape: y!.shape, dtype: y!.dtype }], constants: {} };
  },
  cpu() {},
  backward: ({ grads: [dy], attrs }) => [undefined, ...attrs.backward(dy as Tensor)],
});

/**
 * A function with a gradient of its own. `forward` computes a tensor of its inputs; `backward` gets the gradient dy of the result,
 * the inputs and the result y, and returns the gradients of the inputs in their order, undefined for none. Both are made of ops,
 * so that gradients of gradients are those of `backward`. Only the inputs get a gradient, not what `forward` uses beside them.
 * The straight-through estimator: `customGradient((x) => ops.round(x), (dy) => [dy])`.
 *
 * Throws ValueError unless both are functions; the made function throws ShapeError on what is no tensor, and `gradients` does on
 * gradients that do not fit the inputs.
 */
export function customGradient<Inputs extends readonly Tensor[]>(
  forward: (...inputs: Inputs) => Tensor,
  backward: (dy: Tensor, inputs: Inputs, y: Tensor) => readonly (Tensor | undefined)[],
): (...inputs: Inputs) => Tensor {
  for (const given of [forward, backward] as const) {
    if (typeof given !== "function")
      throw new ValueError(`customGradient: takes two functions, got ${shown(given)}`);
  }
  return (...inputs) => {
    for (const x of inputs) expectTensor("customGradient", "every input", x);
    const y = forward(...inputs);
    expectTensor("customGradient", "the result of forward", y);
    const result: Tensor = redirectOp.one([y, ...inputs], {
      backward(dy) {
        const grads: unknown = backward(dy, inputs, result);
        if (!Array.isArray(grads) || grads.length !== inputs.length) {
          throw new ValueError(
            `customGradient: backward must return ${inputs.length} gradients in an array, got ${shown(grads)}`,
          );
        }
        grads.forEach((g, i) => {
          if (g === undefined) return;
          const x = inputs[i] as Tensor;
          expectTensor("customGradient", `gradient ${i}`, g);
          if (!sameShape(g.shape, x.shape) || g.dtype !== "f32") {
            throw new ShapeError(
              `customGradient: gradient ${i} must be f32 of the shape of ${x}, got ${formatSpec(g)}`,
            );
          }
        });
        return grads;
      },
    });
    return result;
  };
}
