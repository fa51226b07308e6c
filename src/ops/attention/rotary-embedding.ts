/** Rotary position embeddings (Su et al., 2021, "RoFormer"), in the layout of LLaMA: element e of a head turns with e + E / 2. */

import {
  type DefinedOp,
  defineOp,
  expectSpec,
  expectTensor,
  expectWhole,
  shapeError,
} from "../../graph/op.ts";
import type { Spec } from "../../graph/spec.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";
import { rotaryKernels } from "../../kernels/attention/rotary.ts";
import { ValueError } from "../../validation/errors.ts";
import { checkOptions, expectGiven, type OptionKinds, shown } from "../../validation/options.ts";

interface Attrs {
  readonly heads: number;
  readonly base: number;
  readonly inverse: boolean;
}

export interface RotaryOptions {
  /** How many heads are turned, from column 0 on. */
  readonly heads: number;
  /** Columns of a head, an even number. */
  readonly headSize: number;
  /** i32 [N, T]: the position of each token, below `maxPositions`; others give NaN. Default 0, 1, … T - 1 in each sequence. */
  readonly positions?: Tensor | undefined;
  /** Number of different positions; needed with `positions`. Default T. */
  readonly maxPositions?: number | undefined;
  /** Pair i of a head turns by position · base^(-2 i / headSize). Default 10,000. */
  readonly base?: number | undefined;
}

const ROTARY = {
  heads: "number",
  headSize: "number",
  positions: "tensor",
  maxPositions: "number",
  base: "number",
} as const satisfies OptionKinds<RotaryOptions>;

/** (x [N, T, COLUMNS], table [P, E / 2, 2] of cos and sin, positions [N, T]?) -> y like x. */
export const rotaryOp: DefinedOp<Attrs> = defineOp({
  name: "rotaryEmbedding",
  args: ["x", "table", "positions"],
  results: ["y"],
  plan([x, table, positions], { heads: HEADS, base, inverse: INVERSE }: Attrs) {
    const { shape } = expectSpec("rotaryEmbedding", "x", x, 3);
    const [N, T, COLUMNS] = shape as [number, number, number];
    const [P, half] = (table as Spec).shape as [number, number];
    if (HEADS * 2 * half > COLUMNS) {
      throw shapeError("rotaryEmbedding", `x must have the columns of ${HEADS} heads of ${2 * half}`, [x!]);
    }
    if (positions !== undefined) {
      const [n, t] = expectSpec("rotaryEmbedding", "positions", positions, 2, "i32").shape;
      if (n !== N || t !== T)
        throw shapeError("rotaryEmbedding", "positions must be [N, T] of x", [x!, positions]);
    }
    const GIVEN = positions !== undefined;
    const constants = { COUNT: N * T * COLUMNS, COLUMNS, T, HEADS, E: 2 * half, P, GIVEN, INVERSE, base };
    return { outputs: [{ shape, dtype: "f32" }], constants };
  },
  // The table is for the kernels: angles are computed anew, without its rounding.
  cpu({ x, positions, y }, { COUNT, COLUMNS, T, HEADS, E, P, GIVEN, INVERSE, base }) {
    const half = E / 2;
    y.set(x);
    for (let row = 0; row < COUNT / COLUMNS; row++) {
      const p = GIVEN ? positions[row]! : row % T;
      const known = p >= 0 && p < P ? 1 : Number.NaN;
      for (let h = 0; h < HEADS; h++) {
        for (let e = 0; e < half; e++) {
          const [a, b] = [row * COLUMNS + h * E + e, row * COLUMNS + h * E + e + half];
          const angle = known * p * base ** (-e / half) * (INVERSE ? -1 : 1);
          const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
          y[a] = x[a]! * cos - x[b]! * sin;
          y[b] = x[b]! * cos + x[a]! * sin;
        }
      }
    }
  },
  kernels: rotaryKernels,
  backward: ({ inputs: [, table, positions], grads: [dy], attrs }) => {
    const rest = positions === undefined ? [table!] : [table!, positions];
    return [rotaryOp.one([dy!, ...rest], { ...attrs, inverse: !attrs.inverse }, "rotaryBackward"), undefined];
  },
});

/** One table for all uses of the same sizes, computed in float64: drivers' sin and cos are inexact. */
const tables = new Map<string, WeakRef<Tensor>>();

function tableOf(P: number, E: number, base: number): Tensor {
  const key = `${P} ${E} ${base}`;
  const half = E / 2;
  const table =
    tables.get(key)?.deref() ??
    constant(
      Float32Array.from({ length: P * E }, (_, i) => {
        const angle = Math.floor(i / E) * base ** ((-(i >> 1) % half) / half);
        return i % 2 === 0 ? Math.cos(angle) : Math.sin(angle);
      }),
      [P, half, 2],
      "rotaryTable",
    );
  tables.set(key, new WeakRef(table));
  return table;
}

/**
 * x f32 [N, T, columns], whose first `heads` · `headSize` columns are heads, such as the queries and keys that `selfAttention` takes
 * with their values: (a, b) = elements (i, i + headSize / 2) of a head become (a cos θ - b sin θ, b cos θ + a sin θ), θ = position ·
 * base^(-2 i / headSize). Other columns stay. The function `apply_rotary_pos_emb` of Hugging Face's LLaMA. Throws ShapeError,
 * ValueError.
 */
export function rotaryEmbedding(x: Tensor, options: RotaryOptions): Tensor {
  const who = "rotaryEmbedding";
  expectTensor(who, "x", x);
  const checked = checkOptions(who, options, ROTARY);
  expectGiven(who, checked, ["heads", "headSize"]);
  const { positions, base = 10_000 } = checked;
  if (positions !== undefined) expectGiven(who, checked, ["maxPositions"]);
  const T = expectSpec(who, "x", x, 3).shape[1]!;
  const P = expectWhole(who, "maxPositions", checked.maxPositions ?? T, positions === undefined ? T : 1);
  const heads = expectWhole(who, "heads", checked.heads, 1);
  const E = expectWhole(who, "headSize", checked.headSize, 2);
  if (E % 2 !== 0) throw new ValueError(`${who}: headSize must be even, got ${E}`);
  if (!(base > 0 && Number.isFinite(base)))
    throw new ValueError(`${who}: base must be above 0 and finite, got ${shown(base)}`);
  const table = tableOf(P, E, base);
  return rotaryOp.one([x, table, ...(positions === undefined ? [] : [positions])], {
    heads,
    base,
    inverse: false,
  });
}
