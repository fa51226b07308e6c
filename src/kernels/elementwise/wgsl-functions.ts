/** WGSL functions that kernels of any folder append to their code. */

/** NaN, infinities and zeros told apart by their bits, and functions that keep NaN. */
export const specialFunctions = () => import("../../../shaders/elementwise/special-functions.wgsl?raw");

/** Conversion of f32 to integers; they need `specialFunctions`. */
export const toIntegers = () => import("../../../shaders/elementwise/to-integers-functions.wgsl?raw");

/** Mathematical functions that WGSL lacks or leaves inexact; they need `specialFunctions`. */
export const mathFunctions = () => import("../../../shaders/elementwise/math-functions.wgsl?raw");
