/**
 * Sorting along an axis of any length: argsort, sort and topK, of any dtype. Equal elements keep their order. NaN is larger than every
 * number, as in PyTorch: last in ascending order, first in descending order.
 */
import { axisGeometry, eachRow, normalizeAxis } from "../../geometry/axis.ts";
import { type DefinedOp, defineOp, expectTensor, shapeError } from "../../graph/op.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { dtypeCode, sortKernels } from "../../kernels/reduce/axis.ts";
import { checkOptions, type OptionKinds } from "../../validation/options.ts";
import { gatherOp } from "../index/gather.ts";

interface Attrs {
  /** From 0. */
  readonly axis: number;
  readonly descending: boolean;
  /** How many of a row's indices are wanted. */
  readonly count: number;
}

/** (x) -> y i32, of x's shape but for `axis`, which has `count` indices. */
export const sortOp: DefinedOp<Attrs> = defineOp({
  name: "argsort",
  args: ["x"],
  results: ["y"],
  plan([x], { axis, descending, count: COUNT }: Attrs) {
    const { shape, dtype } = x!;
    return {
      outputs: [{ shape: shape.with(axis, COUNT), dtype: "i32" }],
      constants: { ...axisGeometry(shape, axis), descending, COUNT, DTYPE: dtypeCode(dtype) },
    };
  },
  cpu({ x, y }, { descending, COUNT, ...g }) {
    const nan = (v: number) => Number(Number.isNaN(v));
    const compare = (a: number, b: number) => nan(a) - nan(b) || (a < b ? -1 : Number(a > b));
    const sign = descending ? -1 : 1;
    eachRow(g, (positions, row) => {
      const order = [...positions.keys()].sort(
        (a, b) => sign * compare(x[positions[a]!]!, x[positions[b]!]!),
      );
      const first = Math.floor(row / g.INNER) * COUNT * g.INNER + (row % g.INNER);
      for (let k = 0; k < COUNT; k++) y[first + k * g.INNER] = order[k]!;
    });
  },
  kernels: sortKernels,
  backward: () => [undefined],
});

export interface SortOptions {
  /** Default -1, the last. */
  readonly axis?: number;
  /** Largest first. Default false. */
  readonly descending?: boolean;
}

const SORT = { axis: "number", descending: "boolean" } as const satisfies OptionKinds<SortOptions>;

export interface TopKOptions {
  /** Default -1, the last. */
  readonly axis?: number;
  /** False for the smallest. Default true. */
  readonly largest?: boolean;
}

const TOP_K = { axis: "number", largest: "boolean" } as const satisfies OptionKinds<TopKOptions>;

/** Elements in order, and where they were along the axis: i32. */
export interface Sorted {
  readonly values: Tensor;
  readonly indices: Tensor;
}

function ordered(label: string, x: Tensor, attrs: Attrs): Sorted {
  const indices = sortOp.one([x], attrs, "argsort");
  return {
    values: gatherOp.one([x, indices], { axis: attrs.axis, shared: false, distinct: true }, label),
    indices,
  };
}

function sortAttrs(who: string, x: Tensor, options: SortOptions): Attrs {
  expectTensor(who, "x", x);
  const { axis = -1, descending = false } = checkOptions(who, options, SORT);
  const along = normalizeAxis(who, x.rank, axis);
  return { axis: along, descending, count: x.shape[along]! };
}

/** The indices, i32 of x's shape, that put x in order along `axis`. No gradient. Throws ShapeError on an axis that x does not have. */
export function argsort(x: Tensor, options: SortOptions = {}): Tensor {
  return sortOp.one([x], sortAttrs("argsort", x, options));
}

/** x in order along `axis`, and the indices of `argsort`. The gradient of a value goes to where it was. Throws ShapeError. */
export function sort(x: Tensor, options: SortOptions = {}): Sorted {
  return ordered("sort", x, sortAttrs("sort", x, options));
}

/**
 * The k largest (or smallest) elements along `axis` in order, the largest first, and where they were. The gradient of a value goes to
 * where it was. Throws ShapeError where the axis has fewer than k elements.
 */
export function topK(x: Tensor, k: number, options: TopKOptions = {}): Sorted {
  expectTensor("topK", "x", x);
  const { axis = -1, largest = true } = checkOptions("topK", options, TOP_K);
  const along = normalizeAxis("topK", x.rank, axis);
  const size = x.shape[along]!;
  if (!Number.isInteger(k) || k < 1 || k > size) {
    throw shapeError("topK", `k must be a whole number from 1 to ${size}, not ${String(k)}`, [x]);
  }
  return ordered("topK", x, { axis: along, descending: largest, count: k });
}
