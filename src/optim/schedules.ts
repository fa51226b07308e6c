/**
 * Learning-rate schedules after torch.optim.lr_scheduler, computed on the device at every step: an optimizer takes one
 * instead of a number. Steps count the optimizer's updates from 0. `Trainer.setLearningRate` scales the whole schedule.
 * The device's float32 rate is within 1e-6 of the host's float64 `rate(step)`, relative to it, up to step 2^24.
 */

import { literal } from "../kernels/elementwise/group.ts";
import { ValueError } from "../validation/errors.ts";
import { checkOptions, type OptionKinds, shown } from "../validation/options.ts";
import type { RateFormula } from "./scheduled-rate.ts";

/** The learning rate as a function of the step; `rate(step)` computes it on the host. */
export type Schedule = RateFormula;

/** Kernels hold the step as float32, which is exact below this. */
const MOST_STEPS = 2 ** 24;

interface Base {
  /** The rate that the schedule multiplies or starts from. Above 0. */
  readonly learningRate: number;
}

const RATE = { learningRate: "number" } as const satisfies OptionKinds<Base>;

function checked(who: string, base: number, whole: Readonly<Record<string, number>>): void {
  if (!(base > 0 && Number.isFinite(base))) {
    throw new ValueError(`${who}: learningRate must be a number above 0, got ${base}`);
  }
  for (const [name, value] of Object.entries(whole)) {
    if (!Number.isInteger(value) || value < 1 || value >= MOST_STEPS) {
      throw new ValueError(`${who}: ${name} must be a whole number from 1 to 2^24, got ${value}`);
    }
  }
}

function finite(who: string, numbers: Readonly<Record<string, number>>, least = 0): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (!(Number.isFinite(value) && value >= least)) {
      throw new ValueError(`${who}: ${name} must be a number of at least ${least}, got ${value}`);
    }
  }
}

/** The rate times `factor` for `steps` steps, then the rate itself. Without other options the rate is constant. ConstantLR. */
export function constant(options: Base & { readonly factor?: number; readonly steps?: number }): Schedule {
  const kinds = { ...RATE, factor: "number", steps: "number" } as const;
  const { learningRate, factor = 1, steps = 1 } = checkOptions("constant", options, kinds);
  checked("constant", learningRate, { steps });
  finite("constant", { factor });
  return {
    learningRate,
    rate: (t) => (t < steps ? learningRate * factor : learningRate),
    wgsl: (t) =>
      `select(${literal(learningRate)}, ${literal(learningRate * factor)}, ${t} < ${literal(steps)})`,
  };
}

/** The rate times gamma (default 0.1) after every `stepSize` steps. StepLR. */
export function step(options: Base & { readonly stepSize: number; readonly gamma?: number }): Schedule {
  const kinds = { ...RATE, stepSize: "number", gamma: "number" } as const;
  const { learningRate, stepSize, gamma = 0.1 } = checkOptions("step", options, kinds);
  checked("step", learningRate, { stepSize });
  return decaying("step", learningRate, gamma, {
    times: (t) => Math.floor(t / stepSize),
    wgsl: (t) => `u32(${t}) / ${stepSize}u`,
  });
}

/** The rate times gamma (default 0.1) at each of `milestones`, steps in ascending order. MultiStepLR. */
export function multiStep(
  options: Base & { readonly milestones: readonly number[]; readonly gamma?: number },
): Schedule {
  const kinds = { ...RATE, milestones: "array", gamma: "number" } as const;
  const { learningRate, milestones = [], gamma = 0.1 } = checkOptions("multiStep", options, kinds);
  checked("multiStep", learningRate, Object.fromEntries(milestones.map((m, i) => [`milestones[${i}]`, m])));
  return decaying("multiStep", learningRate, gamma, {
    times: (t) => milestones.filter((m) => m <= t).length,
    wgsl: (t) => ["0u", ...milestones.map((m) => `select(0u, 1u, u32(${t}) >= ${m}u)`)].join(" + "),
  });
}

/** The rate times gamma after every step. ExponentialLR. */
export function exponential(options: Base & { readonly gamma: number }): Schedule {
  const { learningRate, gamma } = checkOptions("exponential", options, { ...RATE, gamma: "number" });
  checked("exponential", learningRate, {});
  return decaying("exponential", learningRate, gamma, { times: (t) => t, wgsl: (t) => `u32(${t})` });
}

function decaying(
  who: string,
  learningRate: number,
  gamma: number,
  { times, wgsl }: { times(t: number): number; wgsl(t: string): string },
): Schedule {
  if (!(gamma > 0 && Number.isFinite(gamma)))
    throw new ValueError(`${who}: gamma must be above 0, got ${gamma}`);
  const exponent = Math.abs(Math.log2(gamma));
  const whole = Math.floor(exponent);
  const power = `${gamma > 1}, ${whole}u, ${fixedPoint(exponent - whole)}`;
  return {
    learningRate,
    rate: (t) => learningRate * gamma ** times(t),
    wgsl: (t) => `growthOf(${literal(learningRate)}, ${wgsl(t)}, ${power})`,
  };
}

/** WGSL of a number from 0 to 1 in fixed point: two words, 2^64 for 1, which itself becomes a little less than that. */
function fixedPoint(share: number): string {
  const fixed = BigInt(Math.min(Math.floor(share * 2 ** 64), 2 ** 64 - 2 ** 11));
  return `vec2(${fixed >> 32n}u, ${fixed & 0xffffffffn}u)`;
}

interface CosineOptions extends Base {
  /** Default 0. */
  readonly minLearningRate?: number;
}

/**
 * Half a cosine from the rate down to `minLearningRate` in `steps` steps, and up and down again afterwards.
 * CosineAnnealingLR.
 */
export function cosine(options: CosineOptions & { readonly steps: number }): Schedule {
  const kinds = { ...RATE, minLearningRate: "number", steps: "number" } as const;
  const { learningRate, minLearningRate = 0, steps } = checkOptions("cosine", options, kinds);
  checked("cosine", learningRate, { steps });
  finite("cosine", { minLearningRate });
  const ends = `${literal(learningRate)}, ${literal(minLearningRate)}`;
  return {
    learningRate,
    rate(t) {
      const within = t % (2 * steps);
      const done = Math.min(within, 2 * steps - within);
      return halfCosine(learningRate, minLearningRate, done / steps, (steps - done) / steps);
    },
    wgsl: (t) => `cosineOf(${ends}, u32(${t}), ${steps}u, ${fixedPoint(1 / steps)})`,
  };
}

/**
 * Half a cosine from the rate down to `minLearningRate` in `period` steps, then again from the top, each time in
 * `factor` (default 1) times as many steps. CosineAnnealingWarmRestarts.
 */
export function cosineRestarts(
  options: CosineOptions & { readonly period: number; readonly factor?: number },
): Schedule {
  const kinds = { ...RATE, minLearningRate: "number", period: "number", factor: "number" } as const;
  const {
    learningRate,
    minLearningRate = 0,
    period,
    factor = 1,
  } = checkOptions("cosineRestarts", options, kinds);
  checked("cosineRestarts", learningRate, { period, factor });
  finite("cosineRestarts", { minLearningRate });
  const ends = `${literal(learningRate)}, ${literal(minLearningRate)}`;
  // One expression for each period that begins while steps are exact.
  const periods: { readonly begin: number; readonly size: number }[] = [{ begin: 0, size: period }];
  for (let begin = period, size = period; factor > 1 && begin < MOST_STEPS; begin += size) {
    size *= factor;
    periods.push({ begin, size });
  }
  const shares = (t: string, size: number) => {
    const done = `shareOf(${t}, ${fixedPoint(1 / size)})`;
    // Of a period of more steps than a u32 counts, only a part near its begin is ever reached.
    const rest = size < 2 ** 32 ? `shareOf(${size}u - ${t}, ${fixedPoint(1 / size)})` : `1.0 - ${done}`;
    return `halfCosineOf(${ends}, ${done}, ${rest})`;
  };
  return {
    learningRate,
    rate(t) {
      let [begin, size] = [0, period];
      if (factor === 1) begin = t - (t % period);
      else for (; t >= begin + size; size *= factor) begin += size;
      return halfCosine(learningRate, minLearningRate, (t - begin) / size, (begin + size - t) / size);
    },
    wgsl: (t) =>
      factor === 1
        ? shares(`(u32(${t}) % ${period}u)`, period)
        : periods
            .map(({ begin, size }) => ({ begin, part: shares(`(u32(${t}) - ${begin}u)`, size) }))
            .reduce(
              (before, { begin, part }) =>
                before === "" ? part : `select(${before}, ${part}, u32(${t}) >= ${begin}u)`,
              "",
            ),
  };
}

/** first (1 + cos(π done))/2 + last (1 - cos(π done))/2, in a form without cancellation; done + rest = 1. */
function halfCosine(first: number, last: number, done: number, rest: number): number {
  return first * Math.sin((Math.PI / 2) * rest) ** 2 + last * Math.sin((Math.PI / 2) * done) ** 2;
}

/** From `startFactor` (default 1/3) to `endFactor` (default 1) times the rate in `steps` steps (default 5). LinearLR. */
export function linear(
  options: Base & { readonly startFactor?: number; readonly endFactor?: number; readonly steps?: number },
): Schedule {
  const kinds = { ...RATE, startFactor: "number", endFactor: "number", steps: "number" } as const;
  const {
    learningRate,
    startFactor = 1 / 3,
    endFactor = 1,
    steps = 5,
  } = checkOptions("linear", options, kinds);
  checked("linear", learningRate, { steps });
  finite("linear", { startFactor, endFactor });
  const [first, last] = [learningRate * startFactor, learningRate * endFactor];
  const inverse = fixedPoint(1 / steps);
  return {
    learningRate,
    rate: (t) => (first * Math.max(0, steps - t) + last * Math.min(t, steps)) / steps,
    wgsl(t) {
      const done = `min(u32(${t}), ${steps}u)`;
      const shares = `shareOf(${done}, ${inverse}), shareOf(${steps}u - ${done}, ${inverse})`;
      return `lineOf(${literal(first)}, ${literal(last)}, ${shares})`;
    },
  };
}

/** The rate times (1 - t / steps)^power (default 1), 0 from `steps` on. PolynomialLR. */
export function polynomial(options: Base & { readonly steps: number; readonly power?: number }): Schedule {
  const kinds = { ...RATE, steps: "number", power: "number" } as const;
  const { learningRate, steps, power = 1 } = checkOptions("polynomial", options, kinds);
  checked("polynomial", learningRate, { steps });
  if (!(power > 0 && Number.isFinite(power))) {
    throw new ValueError(`polynomial: power must be above 0, got ${power}`);
  }
  const whole = Math.floor(power);
  const inverse = fixedPoint(1 / steps);
  return {
    learningRate,
    rate: (t) => learningRate * (Math.max(0, steps - t) / steps) ** power,
    wgsl(t) {
      const rest = `${steps}u - min(u32(${t}), ${steps}u)`;
      if (power === 1) return `${literal(learningRate)} * shareOf(${rest}, ${inverse})`;
      const fixed = `${Math.min(whole, 2 ** 24)}u, ${Math.floor((power - whole) * 2 ** 32)}u`;
      return `shareToPower(${literal(learningRate)}, ${rest}, ${inverse}, ${fixed})`;
    },
  };
}

export interface OneCycleOptions {
  /** The highest rate. */
  readonly learningRate: number;
  /** Length of the cycle. Afterwards the rate stays at its lowest value (PyTorch throws). */
  readonly steps: number;
  /** Share of the cycle in which the rate rises, above 0 and below 1. Default 0.3. */
  readonly riseShare?: number;
  /** The highest rate divided by the first. Default 25. */
  readonly startDivisor?: number;
  /** The first rate divided by the last. Default 1e4. */
  readonly endDivisor?: number;
  /** Shape of rise and fall. Default cosine. */
  readonly anneal?: "cosine" | "linear";
}

const ONE_CYCLE = {
  learningRate: "number",
  steps: "number",
  riseShare: "number",
  startDivisor: "number",
  endDivisor: "number",
  anneal: ["cosine", "linear"],
} as const satisfies OptionKinds<OneCycleOptions>;

/** Rises to the rate, then falls far below its first value (Smith and Topin, 2017). OneCycleLR with two phases. */
export function oneCycle(options: OneCycleOptions): Schedule {
  const {
    learningRate,
    steps,
    riseShare = 0.3,
    startDivisor = 25,
    endDivisor = 1e4,
    anneal = "cosine",
  } = checkOptions("oneCycle", options, ONE_CYCLE);
  checked("oneCycle", learningRate, { steps });
  finite("oneCycle", { startDivisor, endDivisor }, 1);
  if (!(riseShare > 0 && riseShare < 1 && riseShare * steps > 1)) {
    throw new ValueError(
      `oneCycle: riseShare of ${steps} steps must be in (0, 1) and more than one step, got ${riseShare}`,
    );
  }
  const [low, high, last] = [
    learningRate / startDivisor,
    learningRate,
    learningRate / startDivisor / endDivisor,
  ];
  const [peak, end] = [riseShare * steps - 1, steps - 1];
  // Of the lower rate the share need not be exact: it is 1 less that of the higher one.
  const along = (first: number, to: number, done: number, rest: number) =>
    anneal === "cosine" ? halfCosine(first, to, done, rest) : first * rest + to * done;
  const name = anneal === "cosine" ? "halfCosineOf" : "lineOf";
  return {
    learningRate,
    rate(t) {
      if (t <= peak) return along(low, high, t / peak, 1 - t / peak);
      const rest = Math.max(0, end - t) / (end - peak);
      return along(high, last, 1 - rest, rest);
    },
    wgsl(t) {
      const done = `shareOf(min(u32(${t}), ${Math.floor(peak)}u), ${fixedPoint(1 / peak)})`;
      const rest = `shareOf(${end}u - min(u32(${t}), ${end}u), ${fixedPoint(1 / (end - peak))})`;
      const rise = `${name}(${literal(low)}, ${literal(high)}, ${done}, 1.0 - ${done})`;
      const fall = `${name}(${literal(high)}, ${literal(last)}, 1.0 - ${rest}, ${rest})`;
      return `select(${fall}, ${rise}, u32(${t}) <= ${Math.floor(peak)}u)`;
    },
  };
}

/** Schedules one after another, each counting from its own step 0. The next begins at each of `milestones`. SequentialLR. */
export function sequence(schedules: readonly Schedule[], milestones: readonly number[]): Schedule {
  if (!Array.isArray(schedules) || !Array.isArray(milestones)) {
    throw new ValueError("sequence: takes an array of schedules and one of milestones");
  }
  const [first] = schedules;
  if (first === undefined || milestones.length !== schedules.length - 1) {
    throw new ValueError(
      `sequence: ${schedules.length} schedules need one milestone less, got ${milestones.length}`,
    );
  }
  if (milestones.some((m, i) => !Number.isInteger(m) || m <= (milestones[i - 1] ?? 0))) {
    throw new ValueError(
      `sequence: milestones must be whole, above 0 and ascending, got ${milestones.join(", ")}`,
    );
  }
  const begins = [0, ...milestones];
  const from = (i: number) => begins[i] as number;
  return {
    learningRate: Math.max(...schedules.map((s) => s.learningRate)),
    rate(t) {
      const i = begins.findLastIndex((b) => b <= t);
      return (schedules[i] as Schedule).rate(t - from(i));
    },
    wgsl: (t) =>
      schedules
        .slice(1)
        .reduce(
          (before, s, i) =>
            `select(${before}, ${s.wgsl(`(${t} - ${literal(from(i + 1))})`)}, ${t} >= ${literal(from(i + 1))})`,
          first.wgsl(t),
        ),
  };
}

/** Rises linearly from `startFactor` (default 0) times the first rate of `next` for `steps` steps; then follows `next`. */
export function warmUp(
  options: { readonly steps: number; readonly startFactor?: number },
  next: Schedule | number,
): Schedule {
  const kinds = { steps: "number", startFactor: "number" } as const;
  const { steps, startFactor = 0 } = checkOptions("warmUp", options, kinds);
  if (typeof next !== "number" && typeof next?.rate !== "function") {
    throw new ValueError(`warmUp: next must be a schedule or a rate, got ${shown(next)}`);
  }
  const after = typeof next === "number" ? constant({ learningRate: next }) : next;
  return sequence([linear({ learningRate: after.rate(0), startFactor, steps }), after], [steps]);
}
