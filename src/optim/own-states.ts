/**
 * Optimizers in loops without a trainer: the states of a set of parameters are made once and belong to the optimizer, so that all
 * graphs of a loop continue with the same moments and count the same steps.
 */
import { gradients, parametersOf } from "../autograd.ts";
import { expectTensor } from "../graph/op.ts";
import type { Tensor } from "../graph/tensor.ts";
import { isFrozen } from "../nn/module.ts";
import { GraphError, ValueError } from "../validation/errors.ts";
import { shown } from "../validation/options.ts";
import type { Optimizer, OptimizerStates, ParameterList } from "./optimizer.ts";

/** A set of parameters in the order in which its states have them. */
interface Owned {
  readonly parameters: readonly Tensor[];
  readonly states: OptimizerStates;
}

/** `minimize` and `apply` of an optimizer. */
export function withOwnStates(
  optimizer: Pick<Optimizer, "name" | "states" | "step">,
): Pick<Optimizer, "minimize" | "apply"> {
  const { name } = optimizer;
  // By the oldest parameter of each set: sets of which nothing else refers to that one can be collected.
  const owned = new WeakMap<Tensor, readonly Owned[]>();
  const ownedBy = (parameters: readonly Tensor[], names?: readonly string[]): Owned => {
    const different = new Set(parameters);
    const oldest = byAge(parameters)[0] as Tensor;
    const sets = owned.get(oldest) ?? [];
    const known = sets.find(
      (set) =>
        set.parameters.length === parameters.length &&
        different.size === parameters.length &&
        set.parameters.every((t) => different.has(t)),
    );
    if (known !== undefined) return known;
    const made = { parameters, states: optimizer.states(parameters, names) };
    owned.set(oldest, [...sets, made]);
    return made;
  };
  return {
    minimize(loss, list) {
      expectTensor(`${name}.minimize`, "loss", loss);
      const reached = parametersOf(loss);
      const trainable = byAge([...reached.keys()].filter((t) => !isFrozen(t)));
      const [given, names] = list === undefined ? [trainable] : listed(`${name}.minimize`, list);
      if (!given.some((t) => reached.has(t))) {
        const which = list === undefined ? "no parameter that is not frozen" : "none of the parameters";
        throw new GraphError(`${name}.minimize: ${loss} depends on ${which}; there is nothing to train`);
      }
      const { parameters, states } = ownedBy(given, names);
      const trained = parameters.filter((t) => reached.has(t));
      const computed = gradients(loss, trained);
      const grads = parameters.map((t) => computed[trained.indexOf(t)]);
      return { ...optimizer.step(parameters, grads, states), states, parameters, gradients: grads };
    },
    apply(list, grads) {
      const [given, names] = listed(`${name}.apply`, list);
      if (given.length !== grads?.length) {
        throw new ValueError(
          `${name}.apply: needs one gradient per parameter, got ${grads?.length ?? shown(grads)} for ${given.length}`,
        );
      }
      const { parameters, states } = ownedBy(given, names);
      const sorted = parameters.map((t) => grads[given.indexOf(t)]);
      return { ...optimizer.step(parameters, sorted, states), states };
    },
  };
}

const byAge = (parameters: readonly Tensor[]) => [...parameters].sort((a, b) => a.node.id - b.node.id);

/** Parameters, and their names where they have any. */
function listed(who: string, list: ParameterList): [readonly Tensor[], (readonly string[])?] {
  const names: readonly string[] | undefined = list instanceof Map ? [...list.keys()] : undefined;
  const parameters: readonly Tensor[] =
    list instanceof Map ? [...list.values()] : (list as readonly Tensor[]);
  if (!Array.isArray(parameters) || parameters.length === 0) {
    throw new ValueError(
      `${who}: parameters must be an array or a Map, as nn.namedParameters gives it, with at least one, got ${shown(list)}`,
    );
  }
  for (const t of parameters) expectTensor(who, "every parameter", t);
  return names === undefined ? [parameters] : [parameters, names];
}
