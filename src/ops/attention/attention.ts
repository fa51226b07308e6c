/**
 * Fused attention with an online softmax: no tensor of L x S is stored. The forward op keeps a logarithm per query, from which the
 * backward op computes the weights again.
 */
import { type AttentionSizes, attentionWalks, vectorAt } from "../../geometry/attention.ts";
import { type DefinedOp, defineOp, expectSpec, shapeError } from "../../graph/op.ts";
import type { Data, Spec } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import {
  ATTENTION_BACKWARD_VARIANTS,
  ATTENTION_VARIANTS,
  attentionBackwardKernels,
  attentionKernels,
} from "../../kernels/attention/attention.ts";
import { lowbias32 } from "../../numbers/permutation.ts";
import { threefry2x32Into } from "../../numbers/random.ts";
import { GraphError, ShapeError } from "../../validation/errors.ts";
import { pack, unpack } from "../shape/pack.ts";
import { reshape } from "../shape/reshape.ts";

export interface AttentionAttrs extends AttentionSizes {
  readonly scale: number;
  readonly causal: "none" | "upperLeft" | "lowerRight";
  /** Whether the input `mask` holds truth values or numbers to add, and whether `lengths` are given; else they are not read. */
  readonly mask: "none" | "truth" | "added";
  readonly lengths: boolean;
  /** Probability of dropping a weight, and number of the use of the random source. */
  readonly p: number;
  readonly stream: number;
}

type Walks = ReturnType<typeof attentionWalks>;

/** Pairs of keys in all rows, the counters of dropout, must be countable in 32 bits. */
const MOST_PAIRS = 2 ** 32;

function constantsOf(attrs: AttentionAttrs, mask: Spec | undefined, walks: Walks) {
  const { N, H, KV, L, S, E, scale, causal, p } = attrs;
  if (E % 4 !== 0) throw new ShapeError(`attention: heads must have a multiple of 4 features, got ${E}`);
  if (p > 0 && N * H * L * Math.ceil(S / 2) > MOST_PAIRS)
    throw new ShapeError(`attention: dropout takes at most 2^33 weights, got ${N} · ${H} · ${L} · ${S}`);
  // Only WGSL reads these.
  const part = (name: string, w: Walks["q"]): object => ({
    [`${name}O`]: w.offset / 4,
    [`${name}N`]: w.sample / 4,
    [`${name}H`]: w.head / 4,
    [`${name}T`]: w.row / 4,
  });
  // Axes of 1 broadcast.
  const [mn = 1, mh = 1, ml = 1, ms = 1] = attrs.mask === "none" ? [] : mask!.shape;
  const stride = (size: number, inner: number) => (size === 1 ? 0 : inner);
  const ofTruth = mask?.dtype === "f32" ? 1 : 2;
  return {
    N,
    H,
    G: H / KV,
    L,
    S,
    E4: E / 4,
    STREAM: lowbias32(attrs.stream + 1),
    ...part("Q", walks.q),
    ...part("K", walks.k),
    ...part("V", walks.v),
    ...part("Y", walks.y),
    MN: stride(mn, mh * ml * ms),
    MH: stride(mh, ml * ms),
    ML: stride(ml, ms),
    MS: stride(ms, 1),
    MASK: attrs.mask === "none" ? 0 : attrs.mask === "added" ? 3 : ofTruth,
    CAUSAL: ["none", "upperLeft", "lowerRight"].indexOf(causal),
    LENGTHS: attrs.lengths,
    CHANCE: Math.round(p * 2 ** 24),
    keptScale: p === 1 ? 0 : 1 / (1 - p),
    scale,
    layout: attrs.layout,
    KV,
    E,
  };
}

type C = ReturnType<typeof constantsOf>;

/** Scores of one query, -Infinity where it does not see the key, and NaN throughout if one of them is not finite. */
function scoresOf(
  { mask, lengths }: { readonly mask: Data; readonly lengths: Data },
  c: C,
  [n, h, i]: readonly [number, number, number],
  product: (j: number) => number,
): number[] {
  const length = c.LENGTHS ? Math.min(Math.max(lengths[n]!, 0), c.S) : c.S;
  const shift = c.CAUSAL === 2 ? length - c.L : 0;
  const limit = c.CAUSAL === 0 ? length : Math.min(length, i + 1 + shift);
  const scores = Array.from({ length: c.S }, (_, j) => {
    if (j >= limit) return Number.NEGATIVE_INFINITY;
    const s = product(j) * c.scale;
    const finite = Number.isFinite(s) ? s : Number.NaN;
    if (c.MASK === 0) return finite;
    const m = mask[n * c.MN + h * c.MH + i * c.ML + j * c.MS]!;
    if (c.MASK === 3)
      return m === Number.POSITIVE_INFINITY ? Number.NaN : m === Number.NEGATIVE_INFINITY ? m : s + m;
    if (m === 0) return Number.NEGATIVE_INFINITY;
    return c.MASK === 1 && m !== 1 ? Number.NaN : finite;
  });
  return scores.some(Number.isNaN) ? scores.map(() => Number.NaN) : scores;
}

const words = new Uint32Array(2);

/** What dropout multiplies the weight of key j by. */
function keptOf(seeds: Data, c: C, n: number, h: number, i: number, j: number): number {
  if (c.CHANCE === 0) return 1;
  const pair = ((n * c.H + h) * c.L + i) * Math.ceil(c.S / 2) + Math.floor(j / 2);
  threefry2x32Into(words, 0, (seeds[0]! ^ c.STREAM) >>> 0, seeds[1]!, pair, seeds[2]!);
  return words[j % 2]! >>> 8 < c.CHANCE ? 0 : c.keptScale;
}

function eachQuery({ N, H, L }: C, visit: (n: number, h: number, i: number) => void): void {
  for (let n = 0; n < N; n++) for (let h = 0; h < H; h++) for (let i = 0; i < L; i++) visit(n, h, i);
}

function dot(E: number, a: Data, at: number, b: Data, bt: number): number {
  let sum = 0;
  for (let e = 0; e < E; e++) sum += a[at + e]! * b[bt + e]!;
  return sum;
}

/** (q, k, v, mask, lengths i32 [N], seeds u32 [3]: key and step) -> y, lse [N, H, L] to base 2. Packed q, k and v are one tensor. */
export const attentionOp: DefinedOp<AttentionAttrs> = defineOp({
  name: "attention",
  args: ["q", "k", "v", "mask", "lengths", "seeds"],
  results: ["y", "lse"],
  variants: ATTENTION_VARIANTS,
  plan(inputs, attrs: AttentionAttrs) {
    for (const t of inputs.slice(0, 3)) expectSpec("attention", "q, k and v", t, t.shape.length);
    const { N, H, L, E, layout } = attrs;
    const y = layout === "heads" ? [N, H, L, E] : [N, L, H * E];
    return {
      outputs: [y, [N, H, L]].map((shape) => ({ shape, dtype: "f32" as const })),
      constants: constantsOf(attrs, inputs[3], attentionWalks(attrs, false)),
    };
  },
  cpu({ q, k, v, mask, lengths, seeds, y, lse }, c) {
    const walks = attentionWalks(c, false);
    eachQuery(c, (n, h, i) => {
      const kv = Math.floor(h / c.G);
      const at = vectorAt(walks.q, n, h, i);
      const scores = scoresOf({ mask, lengths }, c, [n, h, i], (j) =>
        dot(c.E, q, at, k, vectorAt(walks.k, n, kv, j)),
      );
      const m = scores.reduce((a, b) => Math.max(a, b), -Number.MAX_VALUE);
      const weights = scores.map((s) => Math.exp(s - m));
      const sum = weights.reduce((a, b) => a + b, 0);
      lse[(n * c.H + h) * c.L + i] = sum === 0 ? 0 : (m + Math.log(sum)) * Math.LOG2E;
      const to = vectorAt(walks.y, n, h, i);
      for (let e = 0; e < c.E; e++) {
        let total = 0;
        weights.forEach((w, j) => {
          // Hidden keys may hold anything.
          if (w !== 0) total += w * keptOf(seeds, c, n, h, i, j) * v[vectorAt(walks.v, n, kv, j) + e]!;
        });
        y[to + e] = sum === 0 ? 0 : total / sum;
      }
    });
  },
  kernels: attentionKernels,
  backward: ({ inputs, outputs: [y, lse], grads: [dy, dLse], needs, attrs }) => {
    const [q, k, v, mask, lengths, seeds] = inputs as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
    if (dLse !== undefined) throw new GraphError("gradients: the sums that attention keeps have no gradient");
    if (needs[3] && attrs.mask === "added") throw noGradient("of scoreBias");
    const isPacked = attrs.layout === "packed";
    const all = isPacked ? reshape(q, [q.size]) : pack([q, k, v]);
    const rest = [mask, lengths, seeds].filter((t) => t !== undefined);
    const d = attentionBackwardOp.one([all, dy!, y!, lse!, ...rest], attrs);
    return isPacked ? [reshape(d, q.shape)] : unpack(d, [q, k, v]);
  },
});

const noGradient = (what: string) =>
  new GraphError(`gradients: fused attention has no gradient ${what}; with { composed: true } it has`);

/** (qkv flattened, dy, y, lse, mask, lengths, seeds) -> dqkv like qkv. */
export const attentionBackwardOp: DefinedOp<AttentionAttrs> = defineOp({
  name: "attentionBackward",
  args: ["qkv", "dy", "y", "lse", "mask", "lengths", "seeds"],
  results: ["dqkv"],
  variants: ATTENTION_BACKWARD_VARIANTS,
  plan(inputs, attrs: AttentionAttrs) {
    const [qkv, dy, y, , mask] = inputs;
    const { shape } = expectSpec("attentionBackward", "qkv", qkv, 1);
    if (dy?.shape.join() !== y?.shape.join())
      throw shapeError("attentionBackward", "dy must be like y", inputs);
    return {
      outputs: [{ shape, dtype: "f32" }],
      constants: constantsOf(attrs, mask, attentionWalks(attrs, true)),
    };
  },
  cpu({ qkv, dy, y, lse, mask, lengths, seeds, dqkv }, c) {
    const walks = attentionWalks(c, true);
    dqkv.fill(0);
    eachQuery(c, (n, h, i) => {
      const kv = Math.floor(h / c.G);
      const [at, from] = [vectorAt(walks.q, n, h, i), vectorAt(walks.y, n, h, i)];
      const delta = dot(c.E, dy, from, y, from);
      const log = lse[(n * c.H + h) * c.L + i]! * Math.LN2;
      const scores = scoresOf({ mask, lengths }, c, [n, h, i], (j) =>
        dot(c.E, qkv, at, qkv, vectorAt(walks.k, n, kv, j)),
      );
      scores.forEach((s, j) => {
        const p = Math.exp(s - log);
        if (p === 0) return;
        const [kAt, vAt] = [vectorAt(walks.k, n, kv, j), vectorAt(walks.v, n, kv, j)];
        const kept = keptOf(seeds, c, n, h, i, j);
        const ds = p * (kept * dot(c.E, dy, from, qkv, vAt) - delta) * c.scale;
        for (let e = 0; e < c.E; e++) {
          dqkv[vAt + e]! += p * kept * dy[from + e]!;
          dqkv[at + e]! += ds * qkv[kAt + e]!;
          dqkv[kAt + e]! += ds * qkv[at + e]!;
        }
      });
    });
  },
  kernels: attentionBackwardKernels,
  backward() {
    throw noGradient("of its gradient");
  },
});
