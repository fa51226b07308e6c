/** WGSL that tells NaN and infinities by their bits, and the functions that depend on it: for every kernel that needs them. */

export const specialFunctions = () => import("../../shaders/elementwise/special-functions.wgsl?raw");
