/**
 * Layers: objects with `forward(x)`, or plain functions from tensor to tensor. Parameters are found by walking a layer's
 * own fields, and the arrays, plain objects, Maps and Sets in them. They are named by the path to them, as in PyTorch:
 * `0.weight`, `block.conv1.bias`. Parameters in other places (`#private` fields, closures, objects of other classes) are
 * reported when a step is traced: see train/step/step-graph.ts.
 */

import { scope, scopedLabel, Tensor } from "../graph/tensor.ts";
import { GraphError, ValueError } from "../validation/errors.ts";
import { isClass, isPromise, shown } from "../validation/options.ts";

/** A layer with fields. Tensors made by `parameter(…)` and other layers are found in them, in the order they were set. */
export interface Module {
  forward(x: Tensor): Tensor;
  /** Name of the kind of layer in summaries and errors; default the class name. */
  readonly kind?: string;
}

/** A module, or a function if there are no parameters. */
export type Layer = Module | ((x: Tensor) => Tensor);

/** Applies a layer. Throws ValueError unless `layer` is a layer, and its input and its result are tensors. */
export function forward(layer: Layer, x: Tensor): Tensor {
  if (!(x instanceof Tensor)) {
    throw new ValueError(
      `${scopedLabel("forward")}: a layer takes a tensor of a graph, got ${shown(x)}; for values, use predict(trainer, data)`,
    );
  }
  checkLayer(scopedLabel("forward"), layer);
  const y: unknown = typeof layer === "function" ? layer(x) : layer.forward(x);
  if (y instanceof Tensor) return y;
  const uncalled = typeof y === "function" || isModule(y);
  throw new ValueError(
    uncalled
      ? `${scopedLabel("forward")}: a layer gave a layer and not a tensor; call its function first, as in nn.relu() and not nn.relu`
      : `${scopedLabel("forward")}: a layer must give a tensor, got ${shown(y)}`,
  );
}

/** Throws ValueError, with advice, unless `layer` is a layer. */
export function checkLayer(who: string, layer: unknown): asserts layer is Layer {
  if (isModule(layer) || (typeof layer === "function" && !isClass(layer))) return;
  const rule = "must be a layer, an object with forward(x) or a function of a tensor";
  const hint = isClass(layer)
    ? `; make one of it: new ${(layer as { name: string }).name || "Model"}(…)`
    : Array.isArray(layer)
      ? "; write nn.sequential(first, second, …), or nn.sequential(...layers) for an array"
      : isPromise(layer)
        ? "; await it"
        : "";
  throw new ValueError(`${who}: ${rule}, got ${shown(layer)}${hint}`);
}

/**
 * The trainable tensors of `layer` by name, in order, without frozen ones. A tensor that is used twice is listed once,
 * under its first name.
 */
export function namedParameters(layer: Layer): Map<string, Tensor> {
  return namedLeaves(layer, (t) => isParameter(t) && !isFrozen(t));
}

/** The states of `layer` that are saved but not trained, such as running statistics and frozen parameters. */
export function namedBuffers(layer: Layer): Map<string, Tensor> {
  return namedLeaves(layer, (t) => t.leaf?.kind === "state" && (!isParameter(t) || isFrozen(t)));
}

/** The parameters of `layer`, frozen or not. */
export function allParameters(layer: Layer): Tensor[] {
  return [...namedLeaves(layer, isParameter).values()];
}

const frozen = new WeakSet<Tensor>();

/**
 * Excludes the parameters of `layer` from training by trainers that are made from now on; they are saved with the buffers.
 * Returns the layer.
 */
export function freeze<L extends Layer>(layer: L): L {
  for (const t of allParameters(layer)) frozen.add(t);
  return layer;
}

/** Undoes `freeze` for trainers made from now on. */
export function unfreeze<L extends Layer>(layer: L): L {
  for (const t of allParameters(layer)) frozen.delete(t);
  return layer;
}

export function isFrozen(tensor: Tensor): boolean {
  return frozen.has(tensor);
}

/** Whether `tensor` was made by `parameter`. */
export function isParameter({ leaf }: Tensor): boolean {
  return leaf?.kind === "state" && leaf.trainable;
}

function namedLeaves(layer: Layer, wanted: (t: Tensor) => boolean): Map<string, Tensor> {
  const found = new Map<string, Tensor>();
  const seen = new Set<unknown>();
  const walk = (value: unknown, path: string): void => {
    if (value === null || typeof value !== "object" || seen.has(value)) return;
    seen.add(value);
    if (value instanceof Tensor) {
      if (wanted(value)) found.set(path, value);
      return;
    }
    for (const [key, v] of partsOf(value)) {
      // As in PyTorch, the layers of a Sequential are `0.weight` and not `layers.0.weight`.
      walk(v, value instanceof Sequential && key === "layers" ? path : join(path, String(key)));
    }
  };
  walk(layer, "");
  return found;
}

/** Fields of a module, entries of an array, plain object, Map or Set; nothing for other objects. */
function partsOf(value: object): Iterable<readonly [unknown, unknown]> {
  if (value instanceof Set) return [...value].entries();
  if (Array.isArray(value) || value instanceof Map) return value.entries();
  const prototype = Object.getPrototypeOf(value);
  const isPlain = prototype === null || prototype === Object.prototype;
  return isPlain || isModule(value) ? Object.entries(value) : [];
}

/** Whether `value` has a `forward`. */
export function isModule(value: unknown): value is Module {
  return (
    typeof value === "object" && value !== null && "forward" in value && typeof value.forward === "function"
  );
}

const join = (path: string, key: string) => (path === "" ? key : `${path}.${key}`);

/** Layers one after another. */
export class Sequential implements Module {
  readonly kind = "Sequential";

  constructor(readonly layers: readonly Layer[]) {
    if (!Array.isArray(layers)) {
      throw new ValueError(
        `sequential: new nn.Sequential takes an array of layers, got ${shown(layers)}; write nn.sequential(first, second, …)`,
      );
    }
    layers.forEach((layer, i) => {
      checkLayer(`sequential: layer ${i}`, layer);
    });
    if (layers.length === 0) throw new GraphError("sequential: needs at least one layer");
  }

  forward(x: Tensor): Tensor {
    return this.layers.reduce<Tensor>((value, layer, i) => scope(String(i), () => forward(layer, value)), x);
  }
}

/** Layers one after another, named 0, 1, 2 … */
export function sequential(...layers: Layer[]): Sequential {
  return new Sequential(layers);
}
