/**
 * Learning-rate schedules after torch.optim.lr_scheduler, worked out on the device at every step: an optimizer takes one
 * in place of a number. Steps count the optimizer's updates from 0. `Trainer.setLearningRate` scales a whole schedule.
 */
import { ValueError } from "../errors.ts";
import { literal } from "../ops/pointwise.ts";
import type { RateFormula } from "../ops/schedule.ts";

/** The learning rate as a function of the step: `rate(step)` tells it on the host. */
export type Schedule = RateFormula;

interface Base {
  /** The rate that the schedule is built on. Above 0. */
  readonly learningRate: number;
}

function checked(who: string, base: number, whole: Readonly<Record<string, number>>): void {
  if (!(base > 0 && Number.isFinite(base))) {
    throw new ValueError(`${who}: learningRate must be a number above 0, got ${base}`);
  }
  for (const [name, value] of Object.entries(whole)) {
    if (!Number.isInteger(value) || value < 1 || value >= 2 ** 24) {
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

/** The rate times `factor` for `steps` steps, then the rate itself. Without options the rate for good. ConstantLR. */
export function constant({
  learningRate,
  factor = 1,
  steps = 1,
}: Base & { readonly factor?: number; readonly steps?: number }): Schedule {
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
export function step({
  learningRate,
  stepSize,
  gamma = 0.1,
}: Base & { readonly stepSize: number; readonly gamma?: number }): Schedule {
  checked("step", learningRate, { stepSize });
  return decaying("step", learningRate, gamma, {
    times: (t) => Math.floor(t / stepSize),
    wgsl: (t) => `timesOf(${t}, ${literal(stepSize)})`,
  });
}

/** The rate times gamma (default 0.1) at each of `milestones`, steps in ascending order. MultiStepLR. */
export function multiStep({
  learningRate,
  milestones,
  gamma = 0.1,
}: Base & { readonly milestones: readonly number[]; readonly gamma?: number }): Schedule {
  checked("multiStep", learningRate, Object.fromEntries(milestones.map((m, i) => [`milestones[${i}]`, m])));
  return decaying("multiStep", learningRate, gamma, {
    times: (t) => milestones.filter((m) => m <= t).length,
    wgsl: (t) => ["0.0", ...milestones.map((m) => `select(0.0, 1.0, ${t} >= ${literal(m)})`)].join(" + "),
  });
}

/** The rate times gamma after every step. ExponentialLR. */
export function exponential({ learningRate, gamma }: Base & { readonly gamma: number }): Schedule {
  checked("exponential", learningRate, {});
  return decaying("exponential", learningRate, gamma, { times: (t) => t, wgsl: (t) => t });
}

function decaying(
  who: string,
  learningRate: number,
  gamma: number,
  { times, wgsl }: { times(t: number): number; wgsl(t: string): string },
): Schedule {
  if (!(gamma > 0 && Number.isFinite(gamma)))
    throw new ValueError(`${who}: gamma must be above 0, got ${gamma}`);
  return {
    learningRate,
    rate: (t) => learningRate * gamma ** times(t),
    wgsl: (t) => `${literal(learningRate)} * exp(${literal(Math.log(gamma))} * (${wgsl(t)}))`,
  };
}

interface CosineOptions extends Base {
  /** Default 0. */
  readonly minLearningRate?: number;
}

/**
 * Half a cosine from the rate down to `minLearningRate` in `steps` steps, and up and down again afterwards.
 * CosineAnnealingLR.
 */
export function cosine({
  learningRate,
  minLearningRate = 0,
  steps,
}: CosineOptions & { readonly steps: number }): Schedule {
  checked("cosine", learningRate, { steps });
  finite("cosine", { minLearningRate });
  // The part of a whole period, so that the cosine's argument stays small.
  const part = (t: number) => (2 * (t % (2 * steps))) / (2 * steps);
  return {
    learningRate,
    rate: (t) => halfCosine(learningRate, minLearningRate, part(t)),
    wgsl: (t) =>
      `halfCosineOf(${literal(learningRate)}, ${literal(minLearningRate)}, 2.0 * restartOf(${t}, ${literal(2 * steps)}, 1.0))`,
  };
}

/**
 * Half a cosine from the rate down to `minLearningRate` in `period` steps, then again from the top, each time in
 * `factor` (default 1) times as many steps. CosineAnnealingWarmRestarts.
 */
export function cosineRestarts({
  learningRate,
  minLearningRate = 0,
  period,
  factor = 1,
}: CosineOptions & { readonly period: number; readonly factor?: number }): Schedule {
  checked("cosineRestarts", learningRate, { period, factor });
  finite("cosineRestarts", { minLearningRate });
  const part = (t: number) => {
    let [begun, size] = [0, period];
    if (factor === 1) return (t % period) / period;
    for (; t >= begun + size; size *= factor) begun += size;
    return (t - begun) / size;
  };
  return {
    learningRate,
    rate: (t) => halfCosine(learningRate, minLearningRate, part(t)),
    wgsl: (t) =>
      `halfCosineOf(${literal(learningRate)}, ${literal(minLearningRate)}, restartOf(${t}, ${literal(period)}, ${literal(factor)}))`,
  };
}

function halfCosine(first: number, last: number, part: number): number {
  return last + ((first - last) * (1 + Math.cos(Math.PI * part))) / 2;
}

/** From `startFactor` (default 1/3) to `endFactor` (default 1) times the rate in `steps` steps (default 5). LinearLR. */
export function linear({
  learningRate,
  startFactor = 1 / 3,
  endFactor = 1,
  steps = 5,
}: Base & { readonly startFactor?: number; readonly endFactor?: number; readonly steps?: number }): Schedule {
  checked("linear", learningRate, { steps });
  finite("linear", { startFactor, endFactor });
  const [first, grows] = [learningRate * startFactor, learningRate * (endFactor - startFactor)];
  return {
    learningRate,
    rate: (t) => first + (grows * Math.min(t, steps)) / steps,
    wgsl: (t) => `${literal(first)} + ${literal(grows)} * (min(${t}, ${literal(steps)}) / ${literal(steps)})`,
  };
}

/** The rate times (1 - t / steps)^power (default 1), 0 from `steps` on. PolynomialLR. */
export function polynomial({
  learningRate,
  steps,
  power = 1,
}: Base & { readonly steps: number; readonly power?: number }): Schedule {
  checked("polynomial", learningRate, { steps });
  if (!(power > 0 && Number.isFinite(power))) {
    throw new ValueError(`polynomial: power must be above 0, got ${power}`);
  }
  return {
    learningRate,
    rate: (t) => learningRate * (1 - Math.min(t, steps) / steps) ** power,
    wgsl: (t) =>
      `${literal(learningRate)} * powOf((${literal(steps)} - min(${t}, ${literal(steps)})) / ${literal(steps)}, ${literal(power)})`,
  };
}

export interface OneCycleOptions {
  /** The highest rate. */
  readonly learningRate: number;
  /** Length of the cycle; the lowest rate stays afterwards (PyTorch throws). */
  readonly steps: number;
  /** Share of the cycle in which the rate rises, above 0 and below 1. Default 0.3. */
  readonly riseShare?: number;
  /** The highest rate over the first. Default 25. */
  readonly startDivisor?: number;
  /** The first rate over the last. Default 1e4. */
  readonly endDivisor?: number;
  /** Shape of rise and fall. Default cosine. */
  readonly anneal?: "cosine" | "linear";
}

/** Rises to the rate, then falls far below where it began (Smith and Topin, 2017). OneCycleLR with two phases. */
export function oneCycle(options: OneCycleOptions): Schedule {
  const {
    learningRate,
    steps,
    riseShare = 0.3,
    startDivisor = 25,
    endDivisor = 1e4,
    anneal = "cosine",
  } = options;
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
  const along = (first: number, to: number, part: number) =>
    anneal === "cosine" ? halfCosine(first, to, part) : first + (to - first) * part;
  const wgslAlong = (first: number, to: number, part: string) =>
    anneal === "cosine"
      ? `halfCosineOf(${literal(first)}, ${literal(to)}, ${part})`
      : `${literal(first)} + ${literal(to - first)} * (${part})`;
  return {
    learningRate,
    rate: (t) =>
      t <= peak ? along(low, high, t / peak) : along(high, last, (Math.min(t, end) - peak) / (end - peak)),
    wgsl: (t) => {
      const falls = `(min(${t}, ${literal(end)}) - ${literal(peak)}) / ${literal(end - peak)}`;
      const rise = wgslAlong(low, high, `${t} / ${literal(peak)}`);
      return `select(${wgslAlong(high, last, falls)}, ${rise}, ${t} <= ${literal(peak)})`;
    },
  };
}

/** Schedules one after another, each from its own step 0 on; the next begins at each of `milestones`. SequentialLR. */
export function sequence(schedules: readonly Schedule[], milestones: readonly number[]): Schedule {
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

/** Rises in a line from `startFactor` (default 0) times the next schedule's first rate for `steps` steps; then `next`. */
export function warmUp(
  { steps, startFactor = 0 }: { readonly steps: number; readonly startFactor?: number },
  next: Schedule | number,
): Schedule {
  const after = typeof next === "number" ? constant({ learningRate: next }) : next;
  return sequence([linear({ learningRate: after.rate(0), startFactor, steps }), after], [steps]);
}
