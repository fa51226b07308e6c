/** Linear least squares with an intercept, by the normal equations in float64: the minimum that gradient descent approaches. */
import { ValueError } from "../validation/errors.ts";

export interface LeastSquares {
  /** One per column, then the intercept. */
  readonly coefficients: Float64Array;
  readonly meanSquaredError: number;
}

/**
 * The linear function of `rows` with the smallest mean squared error from `targets`. Columns should be standardised, because
 * the normal equations square their scales. Throws ValueError where columns depend on each other linearly.
 */
export function leastSquares(rows: readonly ArrayLike<number>[], targets: ArrayLike<number>): LeastSquares {
  const width = (rows[0]?.length ?? 0) + 1;
  const at = (row: ArrayLike<number>, column: number) => (column < row.length ? (row[column] as number) : 1);
  // One row for each equation, its right side last.
  const equations = Array.from({ length: width }, (_, i) =>
    Float64Array.from({ length: width + 1 }, (_, j) =>
      rows.reduce((sum, row, r) => sum + at(row, i) * (j < width ? at(row, j) : (targets[r] as number)), 0),
    ),
  );
  eliminate(equations);
  const coefficients = Float64Array.from(equations, (equation) => equation[width] as number);
  const error = rows.reduce((sum, row, r) => {
    const value = coefficients.reduce((total, c, i) => total + c * at(row, i), 0);
    return sum + (value - (targets[r] as number)) ** 2;
  }, 0);
  return { coefficients, meanSquaredError: error / rows.length };
}

/** Gauss-Jordan elimination with partial pivoting; the solution is then in the last column. */
function eliminate(equations: Float64Array[]): void {
  const size = equations.length;
  for (let i = 0; i < size; i++) {
    const best = equations.reduce(
      (most, equation, k) => (k > i && Math.abs(equation[i]!) > Math.abs(equations[most]![i]!) ? k : most),
      i,
    );
    const pivot = equations[best]!;
    equations[best] = equations[i]!;
    equations[i] = pivot;
    const scale = pivot[i]!;
    if (Math.abs(scale) < 1e-9) {
      throw new ValueError(`leastSquares: column ${i} depends linearly on those before it`);
    }
    for (let j = 0; j <= size; j++) pivot[j]! /= scale;
    equations.forEach((equation, k) => {
      const factor = equation[i]!;
      if (k === i || factor === 0) return;
      for (let j = i; j <= size; j++) equation[j]! -= factor * pivot[j]!;
    });
  }
}
