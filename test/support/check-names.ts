/** Names that checks of ops give their tests, so that reports can count them. */

export const NUMERIC_CHECK = "CPU gradients against float64 differences";
