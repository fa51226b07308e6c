/** Activations that other kernels can apply to their results: their numbers in WGSL, and the functions for CPU bodies. */

import { erfOf } from "../numbers/math-scalar.ts";

/** The values of the override `activation`. geluTanh is the approximation by tanh. */
export const ACTIVATION = { none: 0, relu: 1, sigmoid: 2, tanh: 3, gelu: 4, geluTanh: 5, silu: 6 } as const;
export type Activation = keyof typeof ACTIVATION;

/** What a second operand does to a result instead of the derivative of an activation: it is added. */
export const ADDED = 7;

/** Whether the derivative of an activation follows from its input, not from its output. */
export function savesInput(code: number): boolean {
  return code >= ACTIVATION.gelu && code <= ACTIVATION.silu;
}

/** √(2/π) and the factor of x³ in the approximation of gelu by tanh (Hendrycks and Gimpel, 2016). */
export const GELU_TANH = { scale: Math.sqrt(2 / Math.PI), cubic: 0.044715 } as const;

/** activation(x), for CPU bodies. */
export function activate(code: number, x: number): number {
  if (code === ACTIVATION.relu) return x <= 0 ? 0 : x;
  if (code === ACTIVATION.sigmoid) return sigmoidOf(x);
  if (code === ACTIVATION.gelu) return 0.5 * x * (1 + erfOf(x * Math.SQRT1_2));
  if (code === ACTIVATION.geluTanh) return 0.5 * x * (1 + Math.tanh(geluInner(x)));
  if (code === ACTIVATION.silu) return x * sigmoidOf(x);
  return code === ACTIVATION.tanh ? Math.tanh(x) : x;
}

/** d activation / dx from what is saved, its output or its input, for CPU bodies. */
export function derivative(code: number, saved: number): number {
  if (code === ACTIVATION.relu) return saved === 0 ? 0 : 1;
  if (code === ACTIVATION.sigmoid) return saved * (1 - saved);
  if (code === ACTIVATION.gelu) {
    const density = Math.exp(-0.5 * saved * saved) / Math.sqrt(2 * Math.PI);
    return 0.5 * (1 + erfOf(saved * Math.SQRT1_2)) + saved * density;
  }
  if (code === ACTIVATION.geluTanh) {
    const t = Math.tanh(geluInner(saved));
    // The square overflows where float32 does, and is multiplied by 0 there: NaN, as in PyTorch.
    const square = Number.isFinite(Math.fround(saved * saved)) ? saved * saved : Number.POSITIVE_INFINITY;
    const inner = GELU_TANH.scale * (1 + 3 * GELU_TANH.cubic * square);
    return 0.5 * (1 + t) + 0.5 * saved * (1 - t * t) * inner;
  }
  if (code === ACTIVATION.silu) return sigmoidOf(saved) * (1 + saved * (1 - sigmoidOf(saved)));
  return code === ACTIVATION.tanh ? 1 - saved * saved : 1;
}

function geluInner(x: number): number {
  return GELU_TANH.scale * (x + GELU_TANH.cubic * x * x * x);
}

export function sigmoidOf(x: number): number {
  // The form whose exponential can't overflow.
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}
