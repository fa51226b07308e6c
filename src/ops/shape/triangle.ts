/** The lower or upper triangle of matrices, zeros elsewhere: torch.tril and triu. float32. */
import { expectTensor, expectWhole, shapeError } from "../../graph/op.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";
import { where } from "../elementwise/compare.ts";

/** x […, R, C] where column - row <= `diagonal` (default 0), else 0. */
export function tril(x: Tensor, diagonal = 0): Tensor {
  return triangle("tril", x, diagonal, (distance) => distance <= diagonal);
}

/** x […, R, C] where column - row >= `diagonal` (default 0), else 0. */
export function triu(x: Tensor, diagonal = 0): Tensor {
  return triangle("triu", x, diagonal, (distance) => distance >= diagonal);
}

function triangle(op: string, x: Tensor, diagonal: number, keeps: (distance: number) => boolean): Tensor {
  expectTensor(op, "x", x);
  if (x.rank < 2) throw shapeError(op, "needs a tensor of rank 2 or more", [x]);
  expectWhole(op, "diagonal", diagonal, Number.NEGATIVE_INFINITY);
  const [R, C] = x.shape.slice(-2) as [number, number];
  const mask = Float32Array.from({ length: R * C }, (_, i) => Number(keeps((i % C) - Math.floor(i / C))));
  return where(constant(mask, [R, C], op), x, 0);
}
