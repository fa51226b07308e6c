/**
 * Elements of any dtype by index and float32 sums by index, with i32 indices: gather, scatterAdd, embedding, oneHot. Sums are added
 * in a fixed order, without atomics: same input, same bits. A GPU can't throw on an index that does not exist: such an index gathers
 * NaN, the smallest i32 or the largest u32, and adds nothing.
 */

import { axisGeometry, normalizeAxis } from "../../geometry/axis.ts";
import {
  type DefinedOp,
  defineOp,
  expectSpec,
  expectTensor,
  expectWhole,
  shapeError,
} from "../../graph/op.ts";
import { type Shape, type Spec, sameShape, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { gatherKernels, scatterKernels } from "../../kernels/index/gather.ts";
import { ShapeError } from "../../validation/errors.ts";
import { checkOptions, type OptionKinds } from "../../validation/options.ts";
import { add } from "../elementwise/arithmetic.ts";
import { eq, where } from "../elementwise/compare.ts";
import { detach } from "../elementwise/detach.ts";
import { ones } from "../elementwise/fill.ts";
import { expandDims, reshape } from "../shape/reshape.ts";
import { slice } from "../shape/slice.ts";

interface Attrs {
  readonly axis: number;
  /** True: one index of any shape for all rows along the axis. False: every row has indices of its own. */
  readonly shared: boolean;
  /** Negative indices count from the end. Default false. */
  readonly fromEnd?: boolean;
  /** No row has an index twice. Default false. */
  readonly distinct?: boolean;
}

const MISSING = { f32: Number.NaN, i32: -(2 ** 31), u32: 2 ** 32 - 1 };
const MISSING_BITS = { f32: 0x7fc00000, i32: 2 ** 31, u32: 2 ** 32 - 1 };

interface ScatterAttrs extends Attrs {
  /** Length of the axis of the result. */
  readonly size: number;
}

/** `whole`: the shape that is gathered from or scattered to. IO, IK, II: strides of the indices. */
function geometry(whole: Shape, index: Spec, { axis, shared, fromEnd = false, distinct = false }: Attrs) {
  const { OUTER, SIZE: V, INNER } = axisGeometry(whole, axis);
  const K = shared ? sizeOf(index.shape) : index.shape[axis]!;
  const strides = shared ? { IO: 0, IK: 1, II: 0 } : { IO: K * INNER, IK: INNER, II: 1 };
  return {
    OUTER,
    V,
    INNER,
    K,
    ...strides,
    INDEX_ROWS: shared ? 1 : OUTER * INNER,
    fromEnd,
    distinct,
    MISSING: 0,
  };
}

/** The place that index i means; V or more, or negative, for none. */
const placeOf = (i: number, { V, fromEnd }: { readonly V: number; readonly fromEnd: boolean }): number =>
  fromEnd && i < 0 ? i + V : i;

/** (x, index) -> y: x with the axis replaced by the index's own, or, if not shared, of the index's shape. */
export const gatherOp: DefinedOp<Attrs> = defineOp({
  name: "gather",
  args: ["x", "index"],
  results: ["y"],
  plan([x, index], attrs: Attrs) {
    const { dtype } = x!;
    expectSpec("gather", "index", index, attrs.shared ? index!.shape.length : x!.shape.length, "i32");
    const shape = attrs.shared ? x!.shape.toSpliced(attrs.axis, 1, ...index!.shape) : index!.shape;
    const constants = {
      ...geometry(x!.shape, index!, attrs),
      MISSING: MISSING_BITS[dtype],
      missing: MISSING[dtype],
    };
    return { outputs: [{ shape, dtype }], constants };
  },
  cpu({ x, index, y }, constants) {
    const { OUTER, V, INNER, K, IO, IK, II, missing } = constants;
    for (let outer = 0; outer < OUTER; outer++) {
      for (let k = 0; k < K; k++) {
        for (let inner = 0; inner < INNER; inner++) {
          const v = placeOf(index[outer * IO + k * IK + inner * II]!, constants);
          const known = v >= 0 && v < V;
          y[(outer * K + k) * INNER + inner] = known ? x[(outer * V + v) * INNER + inner]! : missing;
        }
      }
    }
  },
  kernels: gatherKernels,
  backward: ({ inputs: [x, index], grads: [dy], attrs }) => [
    scatterOp.one([dy!, index!], { ...attrs, size: x!.shape[attrs.axis]! }, "gatherBackward"),
    undefined,
  ],
});

/** (x, index) -> y: the elements of x added at the positions that gather reads, 0 elsewhere. */
export const scatterOp: DefinedOp<ScatterAttrs> = defineOp({
  name: "scatter",
  args: ["x", "index"],
  results: ["y"],
  variants: ["rows", "lists"],
  plan([x, index], attrs: ScatterAttrs) {
    const { axis, shared, size } = attrs;
    expectWhole("scatter", "size", size, 1);
    expectSpec("scatter", "x", x, x?.shape.length ?? 0);
    expectSpec("scatter", "index", index, index?.shape.length ?? 0, "i32");
    const chosen = shared ? x!.shape.slice(axis, axis + index!.shape.length) : x!.shape;
    if (!sameShape(chosen, index!.shape)) {
      throw shapeError("scatterAdd", "there must be an index for every value", [x!, index!]);
    }
    const shape = x!.shape.toSpliced(axis, shared ? index!.shape.length : 1, size);
    return { outputs: [{ shape, dtype: "f32" }], constants: geometry(shape, index!, attrs) };
  },
  cpu({ x, index, y }, constants) {
    const { OUTER, V, INNER, K, IO, IK, II } = constants;
    y.fill(0);
    for (let outer = 0; outer < OUTER; outer++) {
      for (let inner = 0; inner < INNER; inner++) {
        const sums = new Float64Array(V);
        for (let k = 0; k < K; k++) {
          const v = placeOf(index[outer * IO + k * IK + inner * II]!, constants);
          if (v >= 0 && v < V) sums[v]! += x[(outer * K + k) * INNER + inner]!;
        }
        for (let v = 0; v < V; v++) y[(outer * V + v) * INNER + inner] = sums[v]!;
      }
    }
  },
  kernels: scatterKernels,
  backward: ({ inputs: [, index], grads: [d], attrs: { size, ...attrs } }) => [
    gatherOp.one([d!, index!], attrs, "scatterBackward"),
    undefined,
  ],
});

/**
 * y[i, k, j] = x[i, index[i, k, j], j] along `axis`, of the index's shape: torch.gather. x has any dtype; `index` is i32 of x's rank and
 * may be smaller than x along the other axes. Throws ShapeError.
 */
export function gather(x: Tensor, index: Tensor, axis: number): Tensor {
  expectTensor("gather", "x", x);
  expectTensor("gather", "index", index);
  const along = normalizeAxis("gather", x.rank, axis);
  return gatherOp.one([cutTo("gather", x, index, along), index], { axis: along, shared: false });
}

/** x, along the other axes only as long as the index. */
function cutTo(op: string, x: Tensor, index: Tensor, axis: number): Tensor {
  const fits = index.rank === x.rank && index.shape.every((d, i) => i === axis || d <= x.shape[i]!);
  if (!fits) throw shapeError(op, `index must be no larger than x beside axis ${axis}`, [x, index]);
  const ends = index.shape.map((d, i) => (i === axis ? x.shape[i]! : d));
  return slice(x, [], ends);
}

/**
 * x with values[i, k, j] added at [i, index[i, k, j], j] along `axis`: torch.scatter_add, the same bits every time.
 * `index` (i32) and `values` have one shape, x's but for `axis`. Throws ShapeError.
 */
export function scatterAdd(x: Tensor, index: Tensor, values: Tensor, axis: number): Tensor {
  expectTensor("scatterAdd", "x", x);
  expectTensor("scatterAdd", "index", index);
  expectTensor("scatterAdd", "values", values);
  const along = normalizeAxis("scatterAdd", x.rank, axis);
  const fits = values.rank === x.rank && values.shape.every((d, i) => i === along || d === x.shape[i]);
  if (!fits) throw shapeError("scatterAdd", `values must be as x beside axis ${along}`, [x, values]);
  const attrs = { axis: along, shared: false, size: x.shape[along]! };
  return add(x, scatterOp.one([values, index], attrs, "scatterAdd"));
}

/**
 * Slices of x, of any dtype, along `axis` by an i32 index of any shape; the axes of the index replace `axis`. Negative indices count
 * from the end, as in NumPy.
 */
export function take(x: Tensor, index: Tensor, axis = 0): Tensor {
  expectTensor("take", "x", x);
  expectTensor("take", "index", index);
  const attrs = { axis: normalizeAxis("take", x.rank, axis), shared: true, fromEnd: true };
  return gatherOp.one([x, index], attrs, "take");
}

export interface EmbeddingOptions {
  /** A row whose gradient is 0, so that training does not change it; negative ones count from the end. Default none. */
  readonly paddingIdx?: number;
}

const EMBEDDING = { paddingIdx: "number" } as const satisfies OptionKinds<EmbeddingOptions>;

/**
 * Rows of `weight` [V, D] by i32 `indices` […]: […, D]. A row that is taken several times gets the sum of the gradients, the row
 * `paddingIdx` none. Throws ShapeError on other dtypes and on a `paddingIdx` that is no row.
 */
export function embedding(indices: Tensor, weight: Tensor, options: EmbeddingOptions = {}): Tensor {
  expectTensor("embedding", "indices", indices);
  const [V = 0] = expectSpec("embedding", "weight", weight, 2).shape;
  const { paddingIdx } = checkOptions("embedding", options, EMBEDDING);
  const padding = paddingRow("embedding", paddingIdx, V);
  const rows = gatherOp.one([weight, indices], { axis: 0, shared: true }, "embedding");
  if (padding === undefined) return rows;
  const isPadding = eq(expandDims(indices, -1), padding);
  return where(isPadding, detach(rows), rows);
}

/** `paddingIdx` from 0 on. Throws ShapeError, naming `who`, on what is no row of `rows`. */
export function paddingRow(who: string, paddingIdx: number | undefined, rows: number): number | undefined {
  if (paddingIdx === undefined) return undefined;
  if (!Number.isInteger(paddingIdx) || paddingIdx < -rows || paddingIdx >= rows) {
    throw new ShapeError(`${who}: paddingIdx must be one of the ${rows} rows, got ${paddingIdx}`);
  }
  return paddingIdx < 0 ? paddingIdx + rows : paddingIdx;
}

/** f32 […, classes] of i32 labels […]: 1 at the label, else 0; only zeros for a label outside 0 … classes - 1. */
export function oneHot(labels: Tensor, classes: number): Tensor {
  expectTensor("oneHot", "labels", labels);
  expectSpec("oneHot", "labels", labels, labels.rank, "i32");
  expectWhole("oneHot", "classes", classes, 1);
  const attrs = { axis: labels.rank, shared: false, size: classes };
  const shape = [...labels.shape, 1];
  return scatterOp.one([ones(shape), reshape(labels, shape)], attrs, "oneHot");
}
