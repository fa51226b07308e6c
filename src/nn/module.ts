/**
 * Layers: anything with `forward(x)`, or a plain function from tensor to tensor. Parameters are found by walking a
 * layer's own fields, and named by the path to them as in PyTorch: `0.weight`, `block.conv1.bias`.
 */
import { GraphError } from "../errors.ts";
import { scope, Tensor } from "../tensor.ts";

/** A layer with fields: `parameter(…)` tensors and other layers are found in them, in the order they were set. */
export interface Module {
  forward(x: Tensor): Tensor;
  /** What the summary and errors call it; default the class name. */
  readonly kind?: string;
}

/** A module, or a function for what has no parameters. */
export type Layer = Module | ((x: Tensor) => Tensor);

/** Applies a layer. */
export function forward(layer: Layer, x: Tensor): Tensor {
  return typeof layer === "function" ? layer(x) : layer.forward(x);
}

/** Every trainable tensor of `layer` by its name, in order. A tensor used twice counts once, under its first name. */
export function namedParameters(layer: Layer): Map<string, Tensor> {
  return namedLeaves(layer, (t) => t.leaf?.kind === "state" && t.leaf.trainable);
}

/** States of `layer` that are saved but not trained, such as running statistics. */
export function namedBuffers(layer: Layer): Map<string, Tensor> {
  return namedLeaves(layer, (t) => t.leaf?.kind === "state" && !t.leaf.trainable);
}

function namedLeaves(layer: Layer, wanted: (t: Tensor) => boolean): Map<string, Tensor> {
  const found = new Map<string, Tensor>();
  const seen = new Set<unknown>();
  const walk = (value: unknown, path: string): void => {
    if (value === null || typeof value !== "object" || seen.has(value)) return;
    seen.add(value);
    if (value instanceof Tensor) {
      if (wanted(value)) found.set(path, value);
    } else if (Array.isArray(value)) {
      value.forEach((v, i) => {
        walk(v, join(path, String(i)));
      });
    } else if (isModule(value)) {
      // A Sequential's layers carry its own name, as in PyTorch: `0.weight`, not `layers.0.weight`.
      if (value instanceof Sequential) walk(value.layers, path);
      else for (const [key, v] of Object.entries(value)) walk(v, join(path, key));
    }
  };
  walk(layer, "");
  return found;
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
