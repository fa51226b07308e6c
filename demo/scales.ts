/** Scales of a chart's axes, and the round numbers that label them. */

export interface Scale {
  readonly least: number;
  readonly most: number;
  readonly logarithmic: boolean;
}

/** A scale from `least` to `most`, which is widened where both are equal. */
export function scale(least: number, most: number, logarithmic = false): Scale {
  if (logarithmic) return { least: least * 0.9, most: most * 1.1, logarithmic };
  return { least, most: most > least ? most : least + 1, logarithmic };
}

/** Smallest and largest finite value, with `positive` only of those above 0; without any, 0 to 1 or 0.1 to 1. */
export function extent(
  lists: readonly (readonly (number | null)[])[],
  positive = false,
): readonly [number, number] {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const values of lists) {
    for (const value of values) {
      if (value === null || !Number.isFinite(value) || (positive && value <= 0)) continue;
      if (value < least) least = value;
      if (value > most) most = value;
    }
  }
  return least <= most ? [least, most] : [positive ? 0.1 : 0, 1];
}

/** 0 for the scale's smallest value, 1 for its largest. */
export function shareOf({ least, most, logarithmic }: Scale, value: number): number {
  return logarithmic ? Math.log(value / least) / Math.log(most / least) : (value - least) / (most - least);
}

/** At most about `wanted` round values on the scale; `whole`: integers only. */
export function ticks(to: Scale, wanted: number, whole = false): readonly number[] {
  return (to.logarithmic ? decades(to, wanted) : undefined) ?? evenly(to, wanted, whole);
}

/** 1, 2, 2.5 or 5 times a power of ten apart. */
function evenly({ least, most }: Scale, wanted: number, whole: boolean): readonly number[] {
  const apart = (most - least) / Math.max(1, wanted);
  const power = Math.floor(Math.log10(apart));
  // The tolerance is for divisions that end just above a round number.
  const digits = whole && power === 0 ? [1, 2, 5] : [1, 2, 2.5, 5];
  const digit = digits.find((d) => decimal(d, power) >= apart * (1 - 1e-9)) ?? 10;
  const [step, exponent] = whole && power < 0 ? [1, 0] : [digit, power];
  const first = Math.ceil(least / decimal(step, exponent) - 1e-9);
  const last = Math.floor(most / decimal(step, exponent) + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => decimal((first + i) * step, exponent));
}

/** 1, 2 and 5 times powers of ten, or fewer where these are too many; undefined where fewer than two are in the range. */
function decades({ least, most }: Scale, wanted: number): readonly number[] | undefined {
  const from = Math.floor(Math.log10(least));
  const powers = Array.from({ length: Math.ceil(Math.log10(most)) - from + 1 }, (_, i) => from + i);
  const inRange = (digits: readonly number[], every: number) =>
    powers
      .filter((power) => power % every === 0)
      .flatMap((power) => digits.map((digit) => decimal(digit, power)))
      .filter((value) => value >= least && value <= most);
  const fits = (values: readonly number[]) => values.length <= Math.max(1, wanted);
  const all = [inRange([1, 2, 5], 1), inRange([1, 3], 1), inRange([1], 1)];
  const found = all.find(fits) ?? inRange([1], Math.ceil(powers.length / Math.max(1, wanted)));
  return found.length < 2 ? undefined : found;
}

/** `digits` times a power of ten, correctly rounded: 3 times 0.1 is 0.3. */
const decimal = (digits: number, power: number) => Number(`${digits}e${power}`);
