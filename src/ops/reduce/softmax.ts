/** softmax and logSoftmax along any axis, the maximum subtracted first, with gradients that have gradients. float32. */

import { type KernelEnv, type KernelPlan, spread } from "../../graph/kernel.ts";
import { type DefinedOp, defineOp, expectTensor, shapeError } from "../../graph/op.ts";
import { Shader } from "../../graph/shader.ts";
import { type Spec, sameShape, sizeOf } from "../../graph/spec.ts";
import type { BackwardContext, Tensor } from "../../graph/tensor.ts";
import { specialFunctions } from "../../kernels/special-functions.ts";
import { mul, sub } from "../elementwise/arithmetic.ts";
import { normalizeAxes, sum } from "./sum.ts";

const code = () => import("../../../shaders/reduce/softmax.wgsl?raw");

const shader = new Shader("softmax.wgsl", code, specialFunctions);

interface Attrs {
  /** From 0. */
  readonly axis: number;
}

interface Constants {
  readonly [name: string]: number;
  readonly OUTER: number;
  readonly SIZE: number;
  readonly INNER: number;
  readonly isLog: number;
}

const variants = ["lines", "vectors", "shared"];

function geometry(name: string, inputs: readonly Spec[], axis: number, isLog: boolean) {
  const [x, y = x] = inputs;
  if (x?.dtype !== "f32" || y?.dtype !== "f32") throw shapeError(name, "inputs must be f32", inputs);
  if (!sameShape(x.shape, y.shape)) throw shapeError(name, "inputs must have one shape", inputs);
  const constants: Constants = {
    OUTER: sizeOf(x.shape.slice(0, axis)),
    SIZE: x.shape[axis] ?? 1,
    INNER: sizeOf(x.shape.slice(axis + 1)),
    isLog: isLog ? 1 : 0,
  };
  return { outputs: [{ shape: x.shape, dtype: "f32" as const }], constants };
}

/** Lines are shared out over lanes where they are long, or where that lets a GPU read them in order. */
function kernels(
  entry: string,
  bind: KernelPlan["kernels"][0]["bind"],
  g: Constants,
  env: KernelEnv,
): KernelPlan {
  const shared = g.SIZE >= 1024 || (!env.software && g.INNER === 1 && g.SIZE >= 64);
  const lines = g.OUTER * g.INNER;
  const variant = env.variant ?? (shared ? "shared" : "vectors");
  if (variant === "vectors" && g.INNER === 1 && g.SIZE % 4 === 0) {
    const LANES = env.software ? 16 : 64;
    const quads = bind.map((b) =>
      typeof b === "string" ? ([`${b}4`, b] as const) : ([`${b[0]}4`, b[1]] as const),
    );
    const groups = spread(Math.ceil(lines / LANES));
    return { kernels: [{ shader, entry: `${entry}Vectors`, bind: quads, constants: { LANES }, groups }] };
  }
  if (variant !== "shared") {
    return { kernels: [{ shader, entry: `${entry}Lines`, bind, groups: spread(Math.ceil(lines / 64)) }] };
  }
  const LANES = env.software ? 16 : g.SIZE < 2048 ? 64 : 256;
  return {
    kernels: [{ shader, entry: `${entry}Shared`, bind, constants: { LANES }, groups: spread(lines) }],
  };
}

/** Calls `visit` with the places of each line's elements. */
function eachLine({ OUTER, SIZE, INNER }: Constants, visit: (places: readonly number[]) => void): void {
  for (let outer = 0; outer < OUTER; outer++) {
    for (let inner = 0; inner < INNER; inner++) {
      visit(Array.from({ length: SIZE }, (_, k) => (outer * SIZE + k) * INNER + inner));
    }
  }
}

function total(places: readonly number[], term: (at: number) => number): number {
  return places.reduce((s, at) => s + term(at), 0);
}

function forwardOp(name: string, isLog: boolean, backward: () => DefinedOp<Attrs>): DefinedOp<Attrs> {
  return defineOp({
    name,
    args: ["x"],
    results: ["y"],
    variants,
    plan: (inputs, { axis }: Attrs) => geometry(name, inputs, axis, isLog),
    cpu({ x, y }, g) {
      eachLine(g, (places) => {
        const m = places.reduce((most, at) => Math.max(most, x[at]!), Number.NEGATIVE_INFINITY);
        const s = total(places, (at) => Math.exp(x[at]! - m));
        for (const at of places) y[at] = isLog ? x[at]! - m - Math.log(s) : Math.exp(x[at]! - m) / s;
      });
    },
    kernels: (g, env) => kernels("forward", ["x", "y"], g, env),
    backward: ({ outputs: [y], grads: [dy], attrs }) => [backward().one([dy!, y!], attrs)],
  });
}

function backwardOp(
  name: string,
  isLog: boolean,
  backward: (context: BackwardContext<Attrs>) => readonly (Tensor | undefined)[],
): DefinedOp<Attrs> {
  return defineOp({
    name,
    args: ["dy", "y"],
    results: ["dx"],
    variants,
    plan: (inputs, { axis }: Attrs) => geometry(name, inputs, axis, isLog),
    cpu({ dy, y, dx }, g) {
      eachLine(g, (places) => {
        const s = total(places, (at) => (isLog ? dy[at]! : dy[at]! * y[at]!));
        for (const at of places) dx[at] = isLog ? dy[at]! - Math.exp(y[at]!) * s : y[at]! * (dy[at]! - s);
      });
    },
    kernels: (g, env) => kernels("backward", ["dy", ["out", "y"], "dx"], g, env),
    backward,
  });
}

/** (dy, y) -> dx = y (dy - sum dy y). */
export const softmaxBackwardOp: DefinedOp<Attrs> = backwardOp("softmaxBackward", false, (context) => {
  const { inputs, grads, needs, attrs } = context;
  const [dy, y, d] = [inputs[0]!, inputs[1]!, grads[0]!];
  const along = (t: Tensor) => sum(t, { axes: attrs.axis, keepDims: true });
  return [
    needs[0] ? softmaxBackwardOp.one([d, y], attrs) : undefined,
    // d (dy - sum dy y) - dy sum d y
    needs[1] ? sub(mul(d, sub(dy, along(mul(dy, y)))), mul(dy, along(mul(d, y)))) : undefined,
  ];
});

/** (dy, y) -> dx = dy - exp(y) sum dy. */
export const logSoftmaxBackwardOp: DefinedOp<Attrs> = backwardOp("logSoftmaxBackward", true, (context) => {
  const { inputs, outputs, grads, needs, attrs } = context;
  const [dy, y, dx, d] = [inputs[0]!, inputs[1]!, outputs[0]!, grads[0]!];
  // exp(y), since the line of exp(y) adds up to 1.
  const share = () => softmaxOp.one([y], attrs);
  return [
    needs[0] ? sub(d, sum(mul(d, share()), { axes: attrs.axis, keepDims: true })) : undefined,
    // -d exp(y) sum dy
    needs[1] ? mul(d, sub(dx, dy)) : undefined,
  ];
});

export const softmaxOp: DefinedOp<Attrs> = forwardOp("softmax", false, () => softmaxBackwardOp);
export const logSoftmaxOp: DefinedOp<Attrs> = forwardOp("logSoftmax", true, () => logSoftmaxBackwardOp);

/**
 * exp(x) / sum exp(x) along `axis`, default the last. A line that holds NaN, +Infinity or nothing but -Infinity becomes
 * NaN. Throws ShapeError on an axis that x does not have.
 */
export function softmax(x: Tensor, axis = -1): Tensor {
  return softmaxOp.one([x], { axis: axisOf("softmax", x, axis) });
}

/** log softmax(x) along `axis`, default the last, without the loss of small shares that a log of softmax has. */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  return logSoftmaxOp.one([x], { axis: axisOf("logSoftmax", x, axis) });
}

function axisOf(op: string, x: Tensor, axis: number): number {
  expectTensor(op, "x", x);
  return normalizeAxes(op, x.rank, axis)[0] as number;
}
