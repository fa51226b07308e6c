// Decides whether two sets of paired times differ: the median ratio with a confidence interval from order statistics, and a sign
// test. Both hold for any distribution of the noise, provided that pairs are independent.
import { median } from "./format.mjs";

const CONFIDENCE = 0.95;

/**
 * @param {number[]} a times of the first of each pair
 * @param {number[]} b times of the second
 * @returns {{ ratio: number, low: number, high: number, pValue: number }} median of a / b, its interval at 95 % (wider
 *   where there are too few pairs for that: the whole range), and the probability of a result at least as one-sided by chance
 */
export function comparePairs(a, b) {
  const ratios = a.map((value, i) => value / b[i]).sort((x, y) => x - y);
  const n = ratios.length;
  // The interval from the k-th smallest to the k-th largest misses the median with twice the probability of fewer than k heads.
  let k = 0;
  while (k + 1 <= n / 2 && 2 * headsAtMost(k, n) <= 1 - CONFIDENCE) k++;
  const from = Math.max(0, k - 1);
  const above = ratios.filter((r) => r > 1).length;
  const below = ratios.filter((r) => r < 1).length;
  const pValue = Math.min(1, 2 * headsAtMost(Math.min(above, below), above + below));
  return { ratio: median(ratios), low: ratios[from], high: ratios[n - 1 - from], pValue };
}

/** Probability of at most k heads in n throws of a fair coin. */
function headsAtMost(k, n) {
  let chance = 0.5 ** n;
  let sum = 0;
  for (let i = 0; i <= k; i++) {
    sum += chance;
    chance *= (n - i) / (i + 1);
  }
  return sum;
}
