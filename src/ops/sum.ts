/** Sums and means over any axes, float32. Long sums are split in parts added in a fixed order. */
import code from "../../shaders/sum.wgsl?raw";
import { ShapeError } from "../errors.ts";
import { type DefinedOp, defineOp, shapeError, spread } from "../op.ts";
import { Shader } from "../shader.ts";
import { formatShape, type Shape, sameShape, sizeOf, type Tensor } from "../tensor.ts";
import { mul } from "./arithmetic.ts";
import { expand } from "./copy.ts";
import { reshape } from "./reshape.ts";

const shader = new Shader("sum.wgsl", code);

interface Attrs {
  /** Axes that are summed over, ascending. */
  readonly axes: readonly number[];
  readonly mean: boolean;
}

/** The result keeps summed axes as 1; `sum` drops them by a reshape. */
export const sumOp: DefinedOp<Attrs> = defineOp({
  name: "sum",
  args: ["x"],
  results: ["y"],
  plan([x], attrs: Attrs) {
    if (x === undefined || x.dtype !== "f32") throw shapeError("sum", "input must be f32", x ? [x] : []);
    const kept: Axis[] = [];
    const reduced: Axis[] = [];
    let step = sizeOf(x.shape);
    x.shape.forEach((size, axis) => {
      step /= size;
      if (size > 1) pushMerged(attrs.axes.includes(axis) ? reduced : kept, { size, step });
    });
    if (kept.length > 3 || reduced.length > 3) {
      throw shapeError("sum", "axes alternate between kept and summed more than three times", [x]);
    }
    const REDUCED = reduced.reduce((n, a) => n * a.size, 1);
    const [k0, k1, k2] = three(kept);
    const [r0, r1, r2] = three(reduced);
    return {
      outputs: [{ shape: x.shape.map((d, axis) => (attrs.axes.includes(axis) ? 1 : d)), dtype: "f32" }],
      constants: {
        K1: k1.size,
        K2: k2.size,
        SK0: k0.step,
        SK1: k1.step,
        SK2: k2.step,
        R1: r1.size,
        R2: r2.size,
        SR0: r0.step,
        SR1: r1.step,
        SR2: r2.step,
        KEPT: kept.reduce((n, a) => n * a.size, 1),
        REDUCED,
        scale: attrs.mean ? 1 / REDUCED : 1,
      },
    };
  },
  cpu({ x, y }, { K1, K2, SK0, SK1, SK2, R1, R2, SR0, SR1, SR2, KEPT, REDUCED, scale }) {
    for (let k = 0; k < KEPT; k++) {
      const at = Math.floor(k / (K1 * K2)) * SK0 + (Math.floor(k / K2) % K1) * SK1 + (k % K2) * SK2;
      let sum = 0;
      for (let r = 0; r < REDUCED; r++) {
        sum += x[at + Math.floor(r / (R1 * R2)) * SR0 + (Math.floor(r / R2) % R1) * SR1 + (r % R2) * SR2]!;
      }
      y[k] = sum * scale;
    }
  },
  kernels({ KEPT, REDUCED }) {
    // Enough invocations to fill a chip, without parts shorter than 64 terms.
    const PARTS = Math.max(1, Math.min(Math.ceil(REDUCED / 64), Math.ceil(8192 / KEPT), 1024));
    const constants = { PARTS, CHUNK: Math.ceil(REDUCED / PARTS) };
    const first = { shader, entry: "sum", constants, groups: spread(Math.ceil((KEPT * PARTS) / 64)) };
    if (PARTS === 1) return { kernels: [{ ...first, bind: ["x", "y"] }] };
    return {
      scratch: { partial: KEPT * PARTS },
      kernels: [
        { ...first, bind: ["x", ["y", "partial"]] },
        { shader, entry: "combine", constants, bind: ["partial", "y"], groups: spread(Math.ceil(KEPT / 64)) },
      ],
    };
  },
  backward: ({ inputs: [x], grads: [dy], attrs }) => {
    const count = attrs.mean ? attrs.axes.reduce((n, axis) => n * (x!.shape[axis] ?? 1), 1) : 1;
    const spreadOut = expand(dy!, x!.shape);
    return [count === 1 ? spreadOut : mul(spreadOut, 1 / count)];
  },
});

interface Axis {
  readonly size: number;
  readonly step: number;
}

function pushMerged(list: Axis[], axis: Axis): void {
  const last = list.at(-1);
  if (last !== undefined && last.step === axis.step * axis.size) {
    list[list.length - 1] = { size: last.size * axis.size, step: axis.step };
  } else list.push(axis);
}

function three(list: readonly Axis[]): readonly [Axis, Axis, Axis] {
  const one = { size: 1, step: 0 };
  const [a, b, c] = [one, one, one, ...list].slice(-3);
  return [a ?? one, b ?? one, c ?? one];
}

export interface ReduceOptions {
  /** Axes to reduce over, negative ones counted from the end; default all. */
  readonly axes?: number | readonly number[];
  /** Keep reduced axes as 1; default false. */
  readonly keepDims?: boolean;
}

/** Axes as ascending numbers from 0; throws ShapeError on one that does not exist or comes twice. */
export function normalizeAxes(op: string, rank: number, axes: ReduceOptions["axes"]): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, i) => i);
  const list = (typeof axes === "number" ? [axes] : [...axes]).map((axis) => {
    if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
      throw new ShapeError(`${op}: axis ${axis} does not exist in a tensor of rank ${rank}`);
    }
    return axis < 0 ? axis + rank : axis;
  });
  if (new Set(list).size !== list.length)
    throw new ShapeError(`${op}: axes ${formatShape(list)} name one twice`);
  return list.sort((a, b) => a - b);
}

/** Sum over `axes` (default all, giving a scalar of shape []). */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(x, options, false);
}

/** Arithmetic mean over `axes` (default all, giving a scalar of shape []). */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduce(x, options, true);
}

function reduce(x: Tensor, options: ReduceOptions, isMean: boolean): Tensor {
  const name = isMean ? "mean" : "sum";
  const axes = normalizeAxes(name, x.rank, options.axes);
  const y = sumOp.one([x], { axes, mean: isMean }, name);
  return options.keepDims === true
    ? y
    : reshape(
        y,
        x.shape.filter((_, axis) => !axes.includes(axis)),
      );
}

/** Sums `x` down to `shape`, from which it could be broadcast: the gradient of broadcasting. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const lead = x.rank - shape.length;
  const axes = x.shape.flatMap((d, axis) =>
    axis < lead || (shape[axis - lead] === 1 && d !== 1) ? [axis] : [],
  );
  return reshape(sumOp.one([x], { axes, mean: false }), shape);
}
