/**
 * Layers: objects with `forward(x)`, or plain functions from tensor to tensor. A model is a layer or any object that holds some.
 * Parameters are found by walking its own fields, and the arrays, objects, Maps and Sets in them. They are named by the path
 * to them, as in PyTorch: `0.weight`, `block.conv1.bias`. Parameters in other places (`#private` fields, closures) are
 * reported when a step is traced: see train/step/check-states.ts.
 */

import { scope, scopedLabel, Tensor } from "../graph/tensor.ts";
import { GraphError, ValueError } from "../validation/errors.ts";
import { isClass, isPromise, shown } from "../validation/options.ts";

/**
 * A layer with fields. Tensors made by `parameter(…)` and other layers are found in them, in the order they were set. It may
 * take and give several tensors, as a record or an array of them.
 */
export interface Module<In = Tensor, Out = Tensor> {
  forward(x: In): Out;
  /** Name of the kind of layer in summaries and errors; default the class name. */
  readonly kind?: string;
}

/** A module, or a function if there are no parameters. */
export type Layer<In = Tensor, Out = Tensor> = Module<In, Out> | ((x: In) => Out);

/**
 * Applies a layer. Throws ValueError unless `layer` is a layer, and its input and its result are tensors, or records or arrays
 * of tensors.
 */
export function forward<In, Out>(layer: Layer<In, Out>, x: In): Out {
  if (!holdsTensors(x)) {
    throw new ValueError(
      `${scopedLabel("forward")}: a layer takes a tensor of a graph, got ${shown(x)}; for values, use predict(trainer, data)`,
    );
  }
  checkLayer(scopedLabel("forward"), layer);
  const y = typeof layer === "function" ? layer(x) : layer.forward(x);
  if (holdsTensors(y)) return y;
  const uncalled = typeof y === "function" || isModule(y);
  throw new ValueError(
    uncalled
      ? `${scopedLabel("forward")}: a layer gave a layer and not a tensor; call its function first, as in nn.relu() and not nn.relu`
      : `${scopedLabel("forward")}: a layer must give a tensor, got ${shown(y)}`,
  );
}

/** Whether `value` is a tensor, or an array or plain object of nothing but such. */
function holdsTensors(value: unknown): boolean {
  if (value instanceof Tensor) return true;
  if (typeof value !== "object" || value === null || isModule(value)) return false;
  const parts = Array.isArray(value) || isPlain(value) ? Object.values(value) : [];
  return parts.length > 0 && parts.every((part) => part === undefined || holdsTensors(part));
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/** Throws ValueError, with advice, unless `layer` is a layer. */
export function checkLayer(who: string, layer: unknown): asserts layer is Layer<never, unknown> {
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
 * The trainable tensors of `model` by name, in order, without frozen ones. A tensor that is used twice is listed once,
 * under its first name.
 */
export function namedParameters(model: object): Map<string, Tensor> {
  return namedLeaves(model, (t) => isParameter(t) && !isFrozen(t));
}

/** The states of `model` that are saved but not trained, such as running statistics and frozen parameters. */
export function namedBuffers(model: object): Map<string, Tensor> {
  return namedLeaves(model, (t) => t.leaf?.kind === "state" && (!isParameter(t) || isFrozen(t)));
}

/** The parameters of `model`, frozen or not. */
export function allParameters(model: object): Tensor[] {
  return [...namedLeaves(model, isParameter).values()];
}

const frozen = new WeakSet<Tensor>();

/**
 * Excludes the parameters of `model` from training by trainers that are made from now on; they are saved with the buffers.
 * Returns the model.
 */
export function freeze<M extends object>(model: M): M {
  for (const t of allParameters(model)) frozen.add(t);
  return model;
}

/** Undoes `freeze` for trainers made from now on. */
export function unfreeze<M extends object>(model: M): M {
  for (const t of allParameters(model)) frozen.delete(t);
  return model;
}

export function isFrozen(tensor: Tensor): boolean {
  return frozen.has(tensor);
}

/** Whether `tensor` was made by `parameter`. */
export function isParameter({ leaf }: Tensor): boolean {
  return leaf?.kind === "state" && leaf.trainable;
}

function namedLeaves(model: object, wanted: (t: Tensor) => boolean): Map<string, Tensor> {
  return namedObjects(model, (value): value is Tensor => value instanceof Tensor && wanted(value));
}

/** The objects in `model` that `wanted` accepts, by the path to them; one that is there twice has the first one. */
export function namedObjects<T extends object>(
  model: object,
  wanted: (value: object) => value is T,
): Map<string, T> {
  const found = new Map<string, T>();
  const seen = new Set<unknown>();
  const walk = (value: unknown, path: string): void => {
    if (value === null || typeof value !== "object" || seen.has(value)) return;
    seen.add(value);
    if (wanted(value)) found.set(path, value);
    if (value instanceof Tensor) return;
    for (const [key, v] of partsOf(value)) {
      // As in PyTorch, the layers of a Sequential are `0.weight` and not `layers.0.weight`.
      walk(v, value instanceof Sequential && key === "layers" ? path : join(path, String(key)));
    }
  };
  walk(model, "");
  return found;
}

/**
 * Entries of an array, Map or Set, and own fields of any other object, whatever its class. Not of devices, trainers and
 * programs, nor of what the host provides (numbers, promises, parts of a page), which has a tag of its own.
 */
function partsOf(value: object): Iterable<readonly [unknown, unknown]> {
  if (value instanceof Set) return [...value].entries();
  if (Array.isArray(value) || value instanceof Map) return value.entries();
  const holdsLayers = Object.prototype.toString.call(value) === "[object Object]";
  return holdsLayers && !("compile" in value) && !("finished" in value) ? Object.entries(value) : [];
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
