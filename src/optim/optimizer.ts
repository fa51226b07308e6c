/**
 * What an optimizer is: states beside the parameters, and updates that change both. States are made once; updates
 * may be built for several graphs (one per data set) over the same states. What all optimizers can do is here: clipping,
 * schedules, parameter groups, gradient accumulation, averaged weights.
 */
import { ShapeError, ValueError } from "../common/errors.ts";
import { checkOptions, type OptionKinds, shown } from "../common/options.ts";
import { packLayout } from "../graph/pack-layout.ts";
import { sameShape } from "../graph/spec.ts";
import { constant, type Node, state, type Tensor } from "../graph/tensor.ts";
import { add, mul } from "../ops/elementwise/arithmetic.ts";
import { fill } from "../ops/elementwise/fill.ts";
import { pack } from "../ops/shape/pack.ts";
import { increment } from "../ops/state/increment.ts";
import { newAlarm } from "../ops/state/packed-update.ts";
import { type ClipOptions, checkClip, clip } from "./clip.ts";
import type { Schedule } from "./schedules.ts";
import { accumulateUpdate } from "./updates/accumulate.ts";
import { averageUpdate } from "./updates/average.ts";
import { scheduledRate } from "./updates/schedule.ts";

/** Says of a parameter, by its name (`0.weight`) and its tensor, whether something holds for it. */
export type ParameterFilter = (name: string, parameter: Tensor) => boolean;

export interface ParameterGroup {
  readonly filter: ParameterFilter;
  /** What the learning rate is multiplied by in this group. Default 1. */
  readonly learningRateFactor?: number;
  /** Weight decay of this group. Default the optimizer's. */
  readonly weightDecay?: number;
}

/** Options of every optimizer. */
export interface CommonOptions extends ClipOptions {
  /** Weight decay is for the parameters of which this is true. Default: for all. See `decaysWeights`. */
  readonly weightDecayFilter?: ParameterFilter;
  /** A parameter goes by the first group whose filter holds for it; by the optimizer's own options if none does. */
  readonly groups?: readonly ParameterGroup[];
  /** Gradients are averaged over this many steps, and an update follows each time. Default 1. */
  readonly accumulate?: number;
  /** Keeps an exponential moving average of the weights, with this memory in [0, 1): `Trainer.evaluate` can use it. */
  readonly averageDecay?: number;
}

export const COMMON = {
  weightDecayFilter: "function",
  groups: "array",
  accumulate: "number",
  averageDecay: "number",
  clipNorm: "any",
  clipValue: "any",
} as const satisfies OptionKinds<CommonOptions>;

export interface OptimizerStates {
  /** u32 `[1]`: steps taken so far. Each run of a graph with the optimizer's updates adds one. */
  readonly step: Tensor;
  /** f32 `[1]`: what the next step goes by; with a schedule, what it is scaled to. Written by the host. */
  readonly learningRate: Tensor;
  /**
   * u32 `[1]`: 1 after a step that began with a parameter, or had a gradient, that was NaN or infinite; `ops.record` tells and
   * resets it.
   */
  readonly alarm: Tensor;
  /** States in the layout of the packed parameters, by the names that checkpoints give them: `m`, `v`, `velocity`. */
  readonly packed: Readonly<Record<string, Tensor>>;
  /** Weight decay and rate factor of every packed value, f32 [2, words]; only where groups or a filter were given. */
  readonly groups?: Tensor;
}

export interface Optimizer {
  /** `sgd`, `adam`, `adamw`. */
  readonly name: string;
  /** The learning rate that states begin with. */
  readonly learningRate: number;
  /** What the learning rate follows, if anything. */
  readonly schedule?: Schedule;
  /** States for `parameters`; filters are asked with `names`, default the tensors' labels. */
  states(parameters: readonly Tensor[], names?: readonly string[]): OptimizerStates;
  /**
   * The updates of one step. `grads[i]` belongs to `parameters[i]`, which stays as it is where that is undefined. One
   * of the updates counts the step in `states.step`, or in another u32 `[1]` state given as `step`, unless the graph has an
   * update of its own that does (`ops.record`).
   */
  updates(
    parameters: readonly Tensor[],
    grads: readonly (Tensor | undefined)[],
    states: OptimizerStates,
    step?: Tensor,
  ): Node[];
  /** As `updates`, with what there is to watch of the step. */
  step(
    parameters: readonly Tensor[],
    grads: readonly (Tensor | undefined)[],
    states: OptimizerStates,
    step?: Tensor,
  ): OptimizerStep;
}

/** One step of an optimizer as graph nodes. */
export interface OptimizerStep {
  readonly updates: Node[];
  /** The gradients of this step as one pack, before clipping and accumulation. */
  readonly gradient: Tensor;
  /** f32 [1]: the rate of this step. */
  readonly learningRate: Tensor;
}

/** What an update of packed parameters is built from. */
export interface UpdateParts extends OptimizerStates {
  readonly every: number;
}

/** The parts that optimizers differ in; `defineOptimizer` does the rest. */
export interface OptimizerParts {
  readonly name: string;
  readonly learningRate: number | Schedule;
  readonly weightDecay: number;
  /** Names of packed states, or with what they begin. */
  readonly packed: readonly string[] | Readonly<Record<string, number>>;
  readonly options: CommonOptions;
  update(p: Tensor, g: Tensor, parts: UpdateParts): Node;
}

/** Names of the packed states that are not the optimizer's own. */
export const AVERAGE = "average";
const ACCUMULATED = "accumulated";

/** An optimizer out of its parts: packs parameters and gradients, so that an update is one dispatch over everything. */
export function defineOptimizer(parts: OptimizerParts): Optimizer {
  const { name, options } = parts;
  const { accumulate: every = 1, averageDecay, groups } = options;
  groups?.forEach((group, i) => {
    const kinds = { filter: "function", learningRateFactor: "number", weightDecay: "number" } as const;
    checkOptions(`${name}: groups[${i}]`, group, kinds);
    if (group?.filter === undefined) throw new ValueError(`${name}: groups[${i}] needs a filter`);
  });
  checkRate(name, parts.learningRate);
  const schedule = typeof parts.learningRate === "number" ? undefined : parts.learningRate;
  const learningRate =
    typeof parts.learningRate === "number" ? parts.learningRate : parts.learningRate.learningRate;
  checkClip(name, options);
  checkRange(name, "learningRate", learningRate, 0, Number.POSITIVE_INFINITY);
  checkRange(name, "weightDecay", parts.weightDecay, 0, Number.POSITIVE_INFINITY);
  if (averageDecay !== undefined) checkRange(name, "averageDecay", averageDecay, 0, 1);
  if (!Number.isInteger(every) || every < 1) {
    throw new ValueError(`${name}: accumulate must be a whole number of at least 1, got ${every}`);
  }
  const own = Array.isArray(parts.packed)
    ? Object.fromEntries((parts.packed as readonly string[]).map((key) => [key, 0]))
    : (parts.packed as Readonly<Record<string, number>>);
  const packed = {
    ...own,
    ...(every > 1 ? { [ACCUMULATED]: 0 } : {}),
    ...(averageDecay === undefined ? {} : { [AVERAGE]: 0 }),
  };
  return {
    name,
    learningRate,
    ...(schedule === undefined ? {} : { schedule }),
    states(parameters, names = parameters.map((t) => t.label)) {
      checkParameters(name, parameters);
      const { words } = packLayout(parameters.map((t) => t.size));
      const grouped = options.groups !== undefined || options.weightDecayFilter !== undefined;
      return {
        step: state([1], 0, "u32", `${name} step`),
        learningRate: state([1], learningRate, "f32", "learning rate"),
        alarm: newAlarm(),
        packed: Object.fromEntries(
          Object.entries(packed).map(([key, first]) => [key, state([words], first, "f32", key)]),
        ),
        ...(grouped ? { groups: groupsOf(parameters, names, parts) } : {}),
      };
    },
    updates(parameters, grads, states, step) {
      return this.step(parameters, grads, states, step).updates;
    },
    step(parameters, grads, states, step = states.step) {
      if (parameters.length !== grads.length) {
        throw new ValueError(
          `${name}: needs one gradient per parameter, got ${grads.length} for ${parameters.length}`,
        );
      }
      checkParameters(name, parameters);
      parameters.forEach((p, i) => {
        const g = grads[i];
        if (g === undefined || sameShape(g.shape, p.shape)) return;
        throw new ShapeError(`${name}: the gradient of ${p} must have its shape, got ${g}`);
      });
      const { [ACCUMULATED]: kept, [AVERAGE]: average } = states.packed;
      const [p, fresh] = [pack(parameters), pack(grads.map((g, i) => g ?? fill(parameters[i]!.shape, 0)))];
      const total = kept === undefined ? fresh : add(kept, mul(fresh, 1 / every));
      const rate =
        schedule === undefined
          ? states.learningRate
          : scheduledRate(schedule, states.learningRate, step, every);
      const groups = stillGroups(parameters, grads, states.groups, parts.weightDecay);
      const use = { ...states, ...groups, learningRate: rate, step, every };
      const updates = [parts.update(p, clip(total, options), use)];
      if (kept !== undefined) updates.push(accumulateUpdate({ kept, total, step }, every));
      if (average !== undefined && averageDecay !== undefined) {
        updates.push(averageUpdate({ average, p, step }, { decay: averageDecay, every }));
      }
      // A counter that the host writes is an input.
      if (step.leaf?.kind === "state") updates.push(increment(step));
      return { updates, gradient: fresh, learningRate: rate };
    },
  };
}

/** Refuses what is neither a number nor a schedule. */
function checkRate(name: string, rate: unknown): void {
  if (typeof rate === "number") return;
  if (typeof rate === "object" && rate !== null && "rate" in rate && "wgsl" in rate) return;
  const hint = typeof rate === "function" ? "; call the schedule, as in optim.cosine({ … })" : "";
  throw new ValueError(`${name}: learningRate must be a number or a schedule, got ${shown(rate)}${hint}`);
}

/** Refuses none, and one twice. */
function checkParameters(who: string, parameters: readonly Tensor[]): void {
  if (parameters.length === 0) throw new ValueError(`${who}: needs at least one parameter`);
  const seen = new Set<Tensor>();
  const twice = parameters.find((t) => seen.size === seen.add(t).size);
  if (twice !== undefined) throw new ValueError(`${who}: ${twice} is there twice; name it once`);
}

function groupsOf(
  parameters: readonly Tensor[],
  names: readonly string[],
  { name, weightDecay, options }: OptimizerParts,
): Tensor {
  const { groups = [], weightDecayFilter } = options;
  const { offsets, words } = packLayout(parameters.map((t) => t.size));
  const values = new Float64Array(2 * words);
  parameters.forEach((t, i) => {
    const key = names[i] ?? t.label;
    const group = groups.find((g) => g.filter(key, t));
    const decays = weightDecayFilter === undefined || weightDecayFilter(key, t);
    const decay = decays ? (group?.weightDecay ?? weightDecay) : 0;
    const factor = group?.learningRateFactor ?? 1;
    checkRange(name, "groups: weightDecay", decay, 0, Number.POSITIVE_INFINITY);
    checkRange(name, "groups: learningRateFactor", factor, 0, Number.POSITIVE_INFINITY);
    const at = offsets[i] as number;
    values.fill(decay, at, at + t.size);
    values.fill(factor, words + at, words + at + t.size);
  });
  return constant(values, [2, words], "parameter groups");
}

/** `groups` in which parameters without a gradient neither decay nor move; nothing where all have one. */
function stillGroups(
  parameters: readonly Tensor[],
  grads: readonly (Tensor | undefined)[],
  groups: Tensor | undefined,
  weightDecay: number,
): { readonly groups?: Tensor } {
  if (!grads.includes(undefined)) return {};
  const { offsets, words } = packLayout(parameters.map((t) => t.size));
  const given = groups?.leaf;
  const values =
    given?.kind === "constant"
      ? Float64Array.from(given.data)
      : new Float64Array(2 * words).fill(weightDecay, 0, words).fill(1, words);
  parameters.forEach(({ size }, i) => {
    const at = offsets[i] as number;
    for (const from of grads[i] === undefined ? [at, words + at] : []) values.fill(0, from, from + size);
  });
  return { groups: constant(values, [2, words], "parameter groups") };
}

/** A `weightDecayFilter` as most training recipes have it: true for weights, false for biases and norms' vectors. */
export function decaysWeights(_name: string, parameter: Tensor): boolean {
  return parameter.rank > 1;
}

/** Refuses a hyper-parameter outside [low, high), or that is not finite. */
export function checkRange(who: string, name: string, value: number, low: number, high: number): void {
  if (Number.isFinite(value) && value >= low && value < high) return;
  const range = high === Number.POSITIVE_INFINITY ? `at least ${low}` : `in [${low}, ${high})`;
  throw new ValueError(`${who}: ${name} must be a number ${range}, got ${shown(value)}`);
}
