/**
 * An optimizer out of an update rule. States are made once; updates may be built for several graphs (one per data set) over
 * the same states. What all optimizers can do is added here: clipping, schedules, parameter groups, gradient accumulation,
 * averaged weights, the alarm.
 */

import { expectTensor } from "../graph/op.ts";
import { packLayout } from "../graph/pack-layout.ts";
import { sameShape } from "../graph/spec.ts";
import { state, type Tensor } from "../graph/tensor.ts";
import { add, mul, neg, sub } from "../ops/elementwise/arithmetic.ts";
import { cast } from "../ops/elementwise/cast.ts";
import { eq, gt, le, where } from "../ops/elementwise/compare.ts";
import { fill } from "../ops/elementwise/fill.ts";
import { abs } from "../ops/elementwise/math.ts";
import { max } from "../ops/reduce/reduce.ts";
import { pack, unpack } from "../ops/shape/pack.ts";
import { reshape } from "../ops/shape/reshape.ts";
import { assign } from "../ops/state/assign.ts";
import { flagNonFinite } from "../ops/state/flag-non-finite.ts";
import { increment } from "../ops/state/increment.ts";
import { ShapeError, ValueError } from "../validation/errors.ts";
import { checkOptions, expectGiven, type OptionKinds, shown } from "../validation/options.ts";
import { checkClip, clip } from "./clip.ts";
import { optionsByElement, spread, withGradient } from "./element-options.ts";
import { AVERAGE, COMMON, type CommonOptions, checkRange, type Optimizer } from "./optimizer.ts";
import { withOwnStates } from "./own-states.ts";
import { scheduledRate, updateCount, updateIsDue } from "./scheduled-rate.ts";
import type { Schedule } from "./schedules.ts";

/** What an update rule computes with. Tensors are f32; `[words]` is the shape of the flattened parameters (`ops.pack`). */
export interface RuleValues<State extends string> {
  /** `[words]`. */
  readonly parameter: Tensor;
  /**
   * `[words]`: the direction to descend. Clipped, averaged over `accumulate` steps, negated by `maximize`; weight decay times
   * the parameter is added unless it is decoupled.
   */
  readonly gradient: Tensor;
  /** `[1]`, or `[words]` if parameter groups have factors of their own. */
  readonly learningRate: Tensor;
  /** A number, or `[words]` where it differs between parameters. */
  readonly weightDecay: Tensor | number;
  /** `[1]`: number of updates before this one. */
  readonly updateCount: Tensor;
  /** `[words]` each. */
  readonly states: Readonly<Record<State, Tensor>>;
  /** The parameters one by one, by the names that filters see, for rules that treat a matrix or a layer as a whole. */
  readonly parameters: readonly (readonly [name: string, parameter: Tensor])[];
  /** A tensor `[words]` cut into one for each parameter, of its shape. `ops.pack` joins such tensors. */
  split(x: Tensor): readonly Tensor[];
  /** `[words]`: one value per parameter, numbers or tensors of one element, for all of its elements. */
  spread(values: readonly number[] | readonly Tensor[]): Tensor;
}

/** New values of the parameters, `[words]`, and of every state, which stretch to that. */
export type RuleResult<State extends string> = { readonly parameter: Tensor } & {
  readonly [Name in State]?: Tensor;
};

export interface OptimizerDefinition<State extends string> {
  /** Shown in messages and kept in saved runs: `adam`. */
  readonly name: string;
  readonly learningRate: number | Schedule;
  /** Names of states that have a value per element of the parameters, start at 0 and are saved; or their first values. */
  readonly states?: readonly State[] | Readonly<Record<State, number>>;
  /**
   * True: weight decay shrinks the parameters by learning rate times weight decay, beside the rule. Default false: it is
   * added to the gradient. "rule": the rule applies it itself.
   */
  readonly decoupledWeightDecay?: boolean | "rule";
  /**
   * True if `rule` may give NaN for a parameter and gradient of 0, as it does where it divides by a root without an eps. What is
   * between the flattened parameters then has a gradient of 1. Default false.
   */
  readonly undefinedAtZero?: boolean;
  readonly options?: CommonOptions;
  /** The update as element-wise ops, computed by one kernel together with all that the optimizer adds to it. */
  rule(values: RuleValues<State>): RuleResult<State>;
}

const DEFINITION = {
  name: "string",
  learningRate: "any",
  states: "any",
  decoupledWeightDecay: "any",
  undefinedAtZero: "boolean",
  options: "object",
  rule: "function",
} as const satisfies OptionKinds<OptimizerDefinition<string>>;

const ACCUMULATED = "accumulated";

/**
 * An optimizer of an update rule, for any trainer or loop. For example, gradient descent along the sign of a momentum:
 *
 *     const signum = optim.defineOptimizer({
 *       name: "signum",
 *       learningRate: 1e-3,
 *       states: ["m"],
 *       rule({ parameter, gradient, learningRate, states: { m } }) {
 *         const next = ops.add(ops.mul(m, 0.9), ops.mul(gradient, 0.1));
 *         return { parameter: ops.sub(parameter, ops.mul(learningRate, ops.sign(next))), m: next };
 *       },
 *     });
 *
 * Throws ValueError on options that are missing, unknown or outside their range; `step` does on a rule that does not return
 * what it should.
 */
export function defineOptimizer<const State extends string>(
  definition: OptimizerDefinition<State>,
): Optimizer {
  checkOptions("defineOptimizer", definition, DEFINITION);
  expectGiven("defineOptimizer", definition, ["name", "rule"]);
  const { name, decoupledWeightDecay = false } = definition;
  if (![true, false, "rule"].includes(decoupledWeightDecay)) {
    throw new ValueError(
      `${name}: decoupledWeightDecay must be true, false or "rule", got ${shown(decoupledWeightDecay)}`,
    );
  }
  const options = checkOptions(name, definition.options ?? {}, COMMON);
  const { accumulate: every = 1, averageDecay, weightDecay = 0, maximize = false, skipNonFinite } = options;
  checkCommon(name, options);
  checkRate(name, definition.learningRate);
  const schedule = typeof definition.learningRate === "number" ? undefined : definition.learningRate;
  const learningRate =
    typeof definition.learningRate === "number"
      ? definition.learningRate
      : definition.learningRate.learningRate;
  checkRange(name, { learningRate });
  const own = firstValues(definition);
  const packed = {
    ...own,
    ...(every > 1 && { [ACCUMULATED]: 0 }),
    ...(averageDecay !== undefined && { [AVERAGE]: 0 }),
  };
  const optimizer: Omit<Optimizer, "minimize" | "apply"> = {
    name,
    learningRate,
    ...(schedule && { schedule }),
    states(parameters, names = parameters.map((t) => t.label)) {
      checkParameters(name, parameters);
      const { words } = packLayout(parameters.map((t) => t.size));
      const isGrouped = options.groups !== undefined || options.weightDecayFilter !== undefined;
      return {
        step: state([1], 0, "u32", `${name} step`),
        learningRate: state([1], learningRate, "f32", "learning rate"),
        alarm: state([1], 0, "u32", "alarm"),
        names,
        ...(skipNonFinite && { skipped: state([1], 0, "u32", "skipped steps") }),
        packed: Object.fromEntries(
          Object.entries(packed).map(([key, first]) => [key, state([words], first, "f32", key)]),
        ),
        ...(isGrouped && { groups: optionsByElement(name, parameters, names, options) }),
      };
    },
    updates(parameters, grads, states, step) {
      return optimizer.step(parameters, grads, states, step).updates;
    },
    step(parameters, grads, states, step = states.step) {
      checkGradients(name, parameters, grads);
      const { [ACCUMULATED]: kept, [AVERAGE]: average } = states.packed;
      const parameter = pack(parameters);
      const fresh = pack(grads.map((g, i) => g ?? fill(parameters[i]!.shape, 0)));
      const total = kept === undefined ? fresh : add(kept, mul(fresh, 1 / every));
      const clipped = clip(total, options);
      const signed = maximize ? neg(clipped) : clipped;
      const isElement = definition.undefinedAtZero
        ? spread(
            parameters,
            parameters.map(() => 1),
          )
        : undefined;
      const direction = isElement === undefined ? signed : where(isElement, signed, 1);
      const isWrittenByHost = step.leaf?.kind !== "state";
      // A counter that the host writes has to be on the device, so something has to read it.
      const isUsable = states.skipped && allFinite(fresh);
      const taken = states.skipped === undefined ? step : stepsTaken(step, states.skipped);
      const lastOfEvery = every === 1 && !isWrittenByHost ? undefined : updateIsDue(taken, every);
      const isDue = lastOfEvery && isUsable ? mul(lastOfEvery, isUsable) : (lastOfEvery ?? isUsable);
      const moves = withGradient(parameters, grads);
      const changes = isDue !== undefined && moves !== undefined ? mul(isDue, moves) : (isDue ?? moves);
      /** `value` at steps that end with an update and for parameters that have a gradient, `otherwise` at others. */
      const due = (value: Tensor, otherwise: Tensor | number) =>
        changes === undefined ? value : where(changes, value, otherwise);
      const count = updateCount(taken, every);
      const rate =
        schedule === undefined
          ? states.learningRate
          : scheduledRate(schedule, states.learningRate, taken, every);

      const { weightDecay: decay, learningRateFactor } = states.groups ?? {
        weightDecay,
        learningRateFactor: 1,
      };
      const ownRate = learningRateFactor === 1 ? rate : mul(rate, learningRateFactor);
      const decays = decay !== 0;
      const next = definition.rule({
        parameter,
        gradient: decays && !decoupledWeightDecay ? add(direction, mul(parameter, decay)) : direction,
        learningRate: ownRate,
        weightDecay: decay,
        updateCount: count,
        states: states.packed as Readonly<Record<State, Tensor>>,
        parameters: parameters.map((t, i) => [states.names?.[i] ?? t.label, t]),
        split: (x) => (x === parameter ? parameters : unpack(x, parameters)),
        spread: (values) => spread(parameters, values),
      });
      checkResult(name, Object.keys(own), next);
      if (!sameShape(next.parameter.shape, parameter.shape)) {
        throw new ShapeError(
          `${name}: rule must return a value for each parameter, ${parameter}, got ${next.parameter}`,
        );
      }
      const shrinks = decays && decoupledWeightDecay === true;
      const moved = shrinks ? sub(next.parameter, mul(parameter, mul(ownRate, decay))) : next.parameter;
      const stored = due(moved, parameter);
      const updates = [assign(parameter, stored, name)];
      for (const key of Object.keys(own)) {
        const old = states.packed[key] as Tensor;
        updates.push(assign(old, due(next[key as State] as Tensor, old), name));
      }
      // A gradient that is skipped is no alarm; a parameter is.
      const watched = due(add(parameter, direction), isUsable === undefined ? 0 : parameter);
      updates.push(flagNonFinite(states.alarm, watched));
      if (average !== undefined && averageDecay !== undefined) {
        const blended = movingAverage(average, stored, averageDecay);
        const next = where(eq(count, 0), stored, blended);
        updates.push(assign(average, isDue === undefined ? next : where(isDue, next, average), name));
      }
      if (kept !== undefined && isDue !== undefined) {
        const next = where(isDue, 0, total);
        updates.push(assign(kept, isUsable === undefined ? next : where(isUsable, next, kept), name));
      }
      if (!isWrittenByHost) updates.push(increment(step));
      if (isUsable === undefined || states.skipped === undefined) {
        return { updates, gradient: fresh, learningRate: rate };
      }
      const skipped = sub(1, isUsable);
      updates.push(assign(states.skipped, add(states.skipped, cast(skipped, "u32")), name));
      return { updates, gradient: fresh, learningRate: rate, skipped };
    },
  };
  return { ...optimizer, ...withOwnStates(optimizer) };
}

/** f32 `[1]`: 1 if no element of `x` is NaN or infinite, else 0. */
function allFinite(x: Tensor): Tensor {
  return reshape(le(max(abs(x)), 2 ** 128 - 2 ** 104), [1]);
}

/** Steps that were not skipped. A trainer that loads a file of fewer steps than it has skipped counts from 0. */
function stepsTaken(step: Tensor, skipped: Tensor): Tensor {
  return where(gt(step, skipped), sub(step, skipped), 0);
}

/**
 * decay old + (1 - decay) fresh, in the form that adds the smaller part: in float32, `decay` and 1 - `decay` do not add up to
 * 1.
 */
export function movingAverage(old: Tensor, fresh: Tensor, decay: number): Tensor {
  if (decay > 0.5) return add(old, mul(sub(fresh, old), 1 - decay));
  return sub(fresh, mul(sub(fresh, old), decay));
}

/** First values of the states of a rule by name. */
function firstValues({ name, states = [] }: OptimizerDefinition<string>): Readonly<Record<string, number>> {
  const names: readonly unknown[] = Array.isArray(states) ? states : Object.keys(states);
  const wrong = names.find((key, i) => typeof key !== "string" || names.indexOf(key) < i);
  if (wrong !== undefined) {
    throw new ValueError(`${name}: states must be different names, got ${shown(wrong)}`);
  }
  const values = Array.isArray(states)
    ? Object.fromEntries((states as readonly string[]).map((key) => [key, 0]))
    : (states as Readonly<Record<string, number>>);
  const reserved = ["parameter", AVERAGE, ACCUMULATED].find((key) => key in values);
  if (reserved === undefined) return values;
  throw new ValueError(`${name}: a state may not be called ${reserved}, which the optimizer uses itself`);
}

function checkCommon(name: string, options: CommonOptions): void {
  const { accumulate = 1, averageDecay, weightDecay = 0, groups } = options;
  groups?.forEach((group, i) => {
    const kinds = { filter: "function", learningRateFactor: "number", weightDecay: "number" } as const;
    checkOptions(`${name}: groups[${i}]`, group, kinds);
    if (group?.filter === undefined) throw new ValueError(`${name}: groups[${i}] needs a filter`);
  });
  checkClip(name, options);
  checkRange(name, { weightDecay });
  if (averageDecay !== undefined) checkRange(name, { averageDecay }, 1);
  if (!Number.isInteger(accumulate) || accumulate < 1) {
    throw new ValueError(`${name}: accumulate must be a whole number of at least 1, got ${accumulate}`);
  }
}

/** Refuses what is neither a number nor a schedule. */
function checkRate(name: string, rate: unknown): void {
  if (typeof rate === "number") return;
  if (typeof rate === "object" && rate !== null && "rate" in rate && "wgsl" in rate) return;
  const hint = typeof rate === "function" ? "; call the schedule, as in optim.cosine({ … })" : "";
  throw new ValueError(`${name}: learningRate must be a number or a schedule, got ${shown(rate)}${hint}`);
}

/** Refuses an empty list, and a parameter that is listed twice. */
function checkParameters(who: string, parameters: readonly Tensor[]): void {
  if (parameters.length === 0) throw new ValueError(`${who}: needs at least one parameter`);
  const seen = new Set<Tensor>();
  const twice = parameters.find((t) => seen.size === seen.add(t).size);
  if (twice !== undefined) throw new ValueError(`${who}: ${twice} is there twice; name it once`);
}

function checkGradients(
  name: string,
  parameters: readonly Tensor[],
  grads: readonly (Tensor | undefined)[],
): void {
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
}

/** Refuses a rule that leaves a state out, names one that it has not declared, or returns anything but tensors. */
function checkResult(name: string, states: readonly string[], result: object): void {
  const wanted = ["parameter", ...states];
  const given = Object.keys(result ?? {});
  if (given.length === wanted.length && wanted.every((key) => given.includes(key))) {
    for (const [key, value] of Object.entries(result))
      expectTensor(name, `${key}, which rule returns,`, value);
    return;
  }
  throw new ValueError(
    `${name}: rule must return new values of ${wanted.join(", ")}, got ${given.join(", ") || shown(result)}`,
  );
}
