/**
 * The cells of recurrent layers: their numbers in WGSL, how many values each keeps, and what one computes as functions of numbers,
 * for CPU bodies. Formulas, gate order and biases are those of torch.nn.RNN, LSTM and GRU.
 */
import { sigmoidOf } from "../activation-codes.ts";

/** `gates`: rows of weights per unit. `saved`: values per unit and step that the gradient needs. `states`: planes of the state. */
export const CELLS = {
  rnnTanh: { code: 0, gates: 1, saved: 1, states: 1 },
  rnnRelu: { code: 1, gates: 1, saved: 1, states: 1 },
  lstm: { code: 2, gates: 4, saved: 5, states: 2 },
  gru: { code: 3, gates: 3, saved: 5, states: 1 },
} as const;
export type CellKind = keyof typeof CELLS;

/** What a cell makes of one step of one unit. */
export interface CellStep {
  readonly h: number;
  readonly c: number;
  readonly saved: readonly number[];
}

/** `x` and `r`: what inputs and the state contribute to each gate. `h` and `c`: the state before. */
export function cellStep(
  kind: CellKind,
  x: readonly number[],
  r: readonly number[],
  h: number,
  c: number,
): CellStep {
  const sum = (gate: number) => x[gate]! + r[gate]!;
  if (kind === "lstm") {
    const [i, f, g, o] = [sigmoidOf(sum(0)), sigmoidOf(sum(1)), Math.tanh(sum(2)), sigmoidOf(sum(3))];
    const next = f * c + i * g;
    return { h: o * Math.tanh(next), c: next, saved: [i, f, g, o, c] };
  }
  if (kind === "gru") {
    const [reset, z] = [sigmoidOf(sum(0)), sigmoidOf(sum(1))];
    const n = Math.tanh(x[2]! + reset * r[2]!);
    return { h: (1 - z) * n + z * h, c: 0, saved: [reset, z, n, r[2]!, h] };
  }
  const y = kind === "rnnTanh" ? Math.tanh(sum(0)) : sum(0) <= 0 ? 0 : sum(0);
  return { h: y, c: 0, saved: [y] };
}

/** Gradients of one step of one unit: of `x` and `r`, and of the state before, as far as it does not go through `r`. */
export interface CellGradient {
  readonly dx: readonly number[];
  readonly dr: readonly number[];
  readonly dh: number;
  readonly dc: number;
}

export function cellGradient(kind: CellKind, saved: readonly number[], dh: number, dc: number): CellGradient {
  if (kind === "lstm") {
    const [i, f, g, o, before] = saved as [number, number, number, number, number];
    const tanhC = Math.tanh(f * before + i * g);
    const d = dc + dh * o * (1 - tanhC * tanhC);
    const dx = [d * g * i * (1 - i), d * before * f * (1 - f), d * i * (1 - g * g), dh * tanhC * o * (1 - o)];
    return { dx, dr: dx, dh: 0, dc: d * f };
  }
  if (kind === "gru") {
    const [reset, z, n, r, before] = saved as [number, number, number, number, number];
    const dn = dh * (1 - z) * (1 - n * n);
    const dReset = dn * r * reset * (1 - reset);
    const dz = dh * (before - n) * z * (1 - z);
    return { dx: [dReset, dz, dn], dr: [dReset, dz, dn * reset], dh: dh * z, dc: 0 };
  }
  const y = saved[0]!;
  const dx = [kind === "rnnTanh" ? dh * (1 - y * y) : y === 0 ? 0 : dh];
  return { dx, dr: dx, dh: 0, dc: 0 };
}
