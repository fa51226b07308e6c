/** Activations that other kernels can apply to their results: their numbers in WGSL, and the functions for CPU bodies. */

/** The values of the override `activation`. */
export const ACTIVATION = { none: 0, relu: 1, sigmoid: 2, tanh: 3 } as const;
export type Activation = keyof typeof ACTIVATION;

/** activation(x), for CPU bodies. */
export function activate(code: number, x: number): number {
  if (code === ACTIVATION.relu) return x <= 0 ? 0 : x;
  if (code === ACTIVATION.sigmoid) return sigmoidOf(x);
  return code === ACTIVATION.tanh ? Math.tanh(x) : x;
}

/** d activation / dx from its output y, for CPU bodies. */
export function derivative(code: number, y: number): number {
  if (code === ACTIVATION.relu) return y === 0 ? 0 : 1;
  if (code === ACTIVATION.sigmoid) return y * (1 - y);
  return code === ACTIVATION.tanh ? 1 - y * y : 1;
}

export function sigmoidOf(x: number): number {
  // The form whose exponential can't overflow.
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}
