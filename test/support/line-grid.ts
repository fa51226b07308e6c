/** Shapes and axes for reductions of lines: neighbours and far apart, one part and several, vectors and what is over. */
import type { Shape } from "../../src/graph/spec.ts";

export const lineGrid: readonly (readonly [Shape, number[]])[] = [
  [[7], [0]],
  [[5, 1], [0]],
  [[3, 63], [1]],
  [[3, 65], [0]],
  [
    [4, 3, 5],
    [0, 2],
  ],
  [
    [2, 3, 5, 7],
    [1, 3],
  ],
  [[129], [0]],
  [[3, 641], [1]],
  [[5, 644], [1]],
  [
    [3, 4, 2, 6],
    [0, 3],
  ],
  [
    [8, 6, 14, 14],
    [0, 2, 3],
  ],
];
