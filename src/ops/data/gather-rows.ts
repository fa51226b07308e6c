/**
 * The op gatherRows picks samples of one column of a data set that was uploaded before. Values of 32 bits keep their bits; bytes,
 * four to a word, become numbers.
 */
import {
  type DefinedOp,
  defineOp,
  expectArray,
  expectSpec,
  expectTensor,
  shapeError,
} from "../../graph/op.ts";
import { checkShape, type DType, type Shape, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { gatherRowsKernels } from "../../kernels/data/gather-rows.ts";
import { ShapeError } from "../../validation/errors.ts";
import { checkOptions } from "../../validation/options.ts";

interface Attrs {
  readonly shape: Shape;
  readonly bytes: boolean;
  readonly dtype: DType;
  readonly scale: number;
  readonly offset: number;
}

export const gatherRowsOp: DefinedOp<Attrs> = defineOp({
  name: "gatherRows",
  args: ["data", "rows"],
  results: ["y"],
  plan([data, rows], { shape, bytes, dtype, scale, offset }: Attrs) {
    checkShape("gatherRows: sample", shape);
    const SIZE = sizeOf(shape);
    const [B] = expectSpec("gatherRows", "rows", rows, 1, "u32").shape as [number];
    const [words] = expectSpec("gatherRows", "data", data, 1, bytes ? "u32" : data?.dtype).shape as [number];
    const held = bytes ? 4 * words : words;
    if (held < SIZE || (!bytes && held % SIZE !== 0)) {
      throw shapeError("gatherRows", `data must hold whole samples of ${SIZE} values`, [data!]);
    }
    if (!Number.isFinite(scale) || !Number.isFinite(offset)) {
      throw new ShapeError(`gatherRows: scale and offset must be finite, got ${scale} and ${offset}`);
    }
    const SCALED = dtype === "f32" && (bytes || scale !== 1 || offset !== 0);
    if (dtype !== "f32" && (scale !== 1 || offset !== 0)) {
      throw new ShapeError(
        `gatherRows: only f32 can be scaled, got scale ${scale}, offset ${offset} and ${dtype}`,
      );
    }
    return {
      outputs: [{ shape: [B, ...shape], dtype }],
      constants: { SIZE, B, BYTES: bytes, SCALED, scale, offset },
    };
  },
  cpu({ data, rows, y }, { SIZE, B, BYTES, SCALED, scale, offset }) {
    for (let b = 0; b < B; b++) {
      for (let j = 0; j < SIZE; j++) {
        const at = rows[b]! * SIZE + j;
        const value = BYTES ? (data[at >>> 2]! >>> (8 * (at & 3))) & 255 : data[at]!;
        y[b * SIZE + j] = SCALED ? value * scale + offset : value;
      }
    }
  },
  kernels: gatherRowsKernels,
});

export interface GatherRowsOptions {
  /** Shape of one sample. */
  readonly shape: Shape;
  /** Whether `data` is u32 with four bytes to a word, the first one lowest. Default false. */
  readonly bytes?: boolean;
  /** Of bytes: f32 (default) or i32. Other data keep their dtype. */
  readonly as?: "f32" | "i32";
  /** y = value * scale + offset, for f32. Default 1. */
  readonly scale?: number;
  /** Default 0. */
  readonly offset?: number;
}

/**
 * Samples `rows` (u32 `[B]`, which must be in range) of `data` (f32, i32 or u32 `[count * size]`, or packed bytes):
 * `[B, …shape]`. Has no gradient. Throws ShapeError.
 */
export function gatherRows(data: Tensor, rows: Tensor, options: GatherRowsOptions): Tensor {
  expectTensor("gatherRows", "data", data);
  expectTensor("gatherRows", "rows", rows);
  const {
    shape,
    bytes = false,
    as = "f32",
    scale = 1,
    offset = 0,
  } = checkOptions("gatherRows", options, {
    shape: "array",
    bytes: "boolean",
    as: ["f32", "i32"],
    scale: "number",
    offset: "number",
  });
  expectArray("gatherRows", "shape", shape);
  return gatherRowsOp.one([data, rows], { shape, bytes, dtype: bytes ? as : data.dtype, scale, offset });
}
