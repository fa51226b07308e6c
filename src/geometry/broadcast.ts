/**
 * Broadcasting by NumPy's rules: shapes are aligned at the right, axes of 1 stretch. Also the loop over the result, with as few
 * axes as possible and strides per input, that element-wise kernels and their CPU bodies run.
 */
import { shapeError } from "../graph/op.ts";
import type { Shape, Spec } from "../graph/spec.ts";

export interface BroadcastLoop {
  /** Sizes of the loops, outermost first; neighbours that one stride walks in every input are merged. */
  readonly dims: readonly number[];
  /** Strides of each input, one per loop; 0 where it stretches. */
  readonly strides: readonly (readonly number[])[];
}

/** The shape that all inputs stretch to; throws ShapeError, naming `op`, if there is none. */
export function broadcastShape(op: string, inputs: readonly Spec[]): number[] {
  const rank = Math.max(...inputs.map((s) => s.shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = inputs.map((s) => s.shape[axis - rank + s.shape.length] ?? 1);
    const size = Math.max(...sizes);
    if (sizes.some((d) => d !== 1 && d !== size)) throw shapeError(op, "shapes do not broadcast", inputs);
    return size;
  });
}

export function broadcastLoop(out: Shape, inputs: readonly Shape[]): BroadcastLoop {
  const full = inputs.map((shape) => broadcastStrides(out, shape));
  const dims: number[] = [];
  const strides: number[][] = inputs.map(() => []);
  out.forEach((size, axis) => {
    if (size === 1) return;
    const last = dims.length - 1;
    // Mergeable: in every input, one step of the previous axis equals all steps of this one.
    const merges = last >= 0 && full.every((s, i) => strides[i]?.[last] === (s[axis] as number) * size);
    if (merges) {
      dims[last] = (dims[last] as number) * size;
      full.forEach((s, i) => {
        (strides[i] as number[])[last] = s[axis] as number;
      });
    } else {
      dims.push(size);
      full.forEach((s, i) => {
        strides[i]?.push(s[axis] as number);
      });
    }
  });
  return { dims, strides };
}

function broadcastStrides(out: Shape, shape: Shape): number[] {
  const lead = out.length - shape.length;
  let step = 1;
  const strides = new Array<number>(out.length).fill(0);
  for (let axis = out.length - 1; axis >= lead; axis--) {
    const size = shape[axis - lead] as number;
    strides[axis] = size === 1 ? 0 : step;
    step *= size;
  }
  return strides;
}
