/** Where the rows of queries, keys and values lie: strides and offsets, in words, of the layouts that attention reads. */
import { packLayout } from "../graph/pack-layout.ts";

/**
 * `heads`: [N, H, L, E]; `rows`: [N, L, H · E]; `packed`: [N, T, (H + 2 KV) E], queries, keys and values of a row one after
 * another. Results are laid out like queries, or as rows.
 */
export type AttentionLayout = "heads" | "rows" | "packed";

export interface AttentionSizes {
  readonly N: number;
  /** Query heads, and heads of keys and values. */
  readonly H: number;
  readonly KV: number;
  readonly L: number;
  readonly S: number;
  readonly E: number;
  readonly layout: AttentionLayout;
}

interface Walk {
  /** From the start of the buffer. */
  readonly offset: number;
  /** From sample to sample, head to head, row to row. */
  readonly sample: number;
  readonly head: number;
  readonly row: number;
}

function walkOf(layout: "heads" | "rows", heads: number, rows: number, E: number, offset = 0): Walk {
  const sample = heads * rows * E;
  return layout === "heads"
    ? { offset, sample, head: rows * E, row: E }
    : { offset, sample, head: E, row: heads * E };
}

/** Walks over q, k, v and y. `flattened`: q, k and v lie in one buffer as `pack` lays them out. */
export function attentionWalks(sizes: AttentionSizes, flattened: boolean) {
  const { N, H, KV, L, S, E, layout } = sizes;
  if (layout === "packed") {
    const row = (H + 2 * KV) * E;
    const walk = (offset: number): Walk => ({ offset, sample: L * row, head: E, row });
    return {
      q: walk(0),
      k: walk(H * E),
      v: walk((H + KV) * E),
      y: walkOf("rows", H, L, E),
    };
  }
  const keys = N * KV * S * E;
  const [, kOffset, vOffset] = flattened ? packLayout([N * H * L * E, keys, keys]).offsets : [0, 0, 0];
  return {
    q: walkOf(layout, H, L, E),
    k: walkOf(layout, KV, S, E, kOffset),
    v: walkOf(layout, KV, S, E, vOffset),
    y: walkOf(layout, H, L, E),
  };
}

/** Where the vector of sample n, head h and row t begins. */
export const vectorAt = ({ offset, sample, head, row }: Walk, n: number, h: number, t: number): number =>
  offset + n * sample + h * head + t * row;
