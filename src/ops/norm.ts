/** The Euclidean norm of a whole tensor, float32: gradient clipping, monitoring. Squares above 3.4e38 overflow. */
import code from "../../shaders/norm.wgsl?raw";
import { type DefinedOp, defineOp, expectSpec } from "../op.ts";
import { Shader } from "../shader.ts";
import { sizeOf, type Tensor } from "../tensor.ts";
import { div, mul } from "./arithmetic.ts";

const shader = new Shader("norm.wgsl", code);

export const normOp: DefinedOp<Record<string, never>> = defineOp({
  name: "norm",
  args: ["x"],
  results: ["y"],
  plan([x], _attrs: Record<string, never>) {
    const { shape } = expectSpec("norm", "x", x, x?.shape.length ?? 0);
    return { outputs: [{ shape: [], dtype: "f32" }], constants: { COUNT: sizeOf(shape) } };
  },
  cpu({ x, y }, { COUNT }) {
    let sum = 0;
    for (let i = 0; i < COUNT; i++) sum += x[i]! * x[i]!;
    y[0] = Math.sqrt(sum);
  },
  kernels({ COUNT }) {
    // Sums of at least 16 vec4s each, and no more of them than the last workgroup adds quickly.
    const PARTS = Math.max(1, Math.min(Math.ceil(COUNT / 64), 8192));
    const constants = { PARTS };
    return {
      scratch: { partial: PARTS },
      kernels: [
        {
          shader,
          entry: "squares",
          constants,
          bind: ["x", ["sums", "partial"]],
          groups: [Math.ceil(PARTS / 64)],
        },
        { shader, entry: "root", constants, bind: ["partial", "y"], groups: [1] },
      ],
    };
  },
  // dx = dy x / y; at x = 0 there is no gradient, and 0 / 0 says so.
  backward: ({ inputs: [x], outputs: [y], grads: [dy] }) => [mul(x!, div(dy!, y!))],
});

/** √(sum of the squares) of all elements of `x`, shape []. Not differentiable at x = 0 (NaN there). */
export function norm(x: Tensor): Tensor {
  return normOp.one([x], {});
}
