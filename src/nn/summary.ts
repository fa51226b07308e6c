/**
 * Summarises a model as a table, like Keras's `summary()`: each layer with its output shape and number of parameters. The
 * model is applied once to an input without data; nothing is computed.
 */
import type { DType, Shape } from "../graph/spec.ts";
import { input, Tensor } from "../graph/tensor.ts";
import { build } from "./build-mode.ts";
import {
  checkLayer,
  forward,
  isModule,
  type Layer,
  type Module,
  namedBuffers,
  namedParameters,
  Sequential,
} from "./module.ts";

export interface LayerSummary {
  /** Path to the layer as in the names of its parameters: `0`, `4.main.1`. */
  readonly name: string;
  /** Kind of module, such as `Conv2d`; for plain functions their ops, such as `maxPool2d`. */
  readonly kind: string;
  /** For a batch of one sample. */
  readonly outputShape: Shape;
  /** Number of trained values of the layer itself. A tensor that is used twice counts for the first layer that uses it. */
  readonly parameters: number;
}

export interface ModelSummary {
  readonly layers: readonly LayerSummary[];
  readonly outputShape: Shape;
  /** Number of trained values. */
  readonly parameters: number;
  /** Number of values that are saved but not trained, such as running statistics. */
  readonly buffers: number;
}

/** Summarises `model` for samples of `inputShape` (without the batch axis) and `dtype`. Throws what the model throws for this input. */
export function summary(model: Layer, inputShape: Shape, dtype: DType = "f32"): ModelSummary {
  checkLayer("nn.summary", model);
  const recorder = new Recorder();
  try {
    const recording = recorder.around(model, "") as Layer;
    const { result } = build({ training: false }, () => forward(recording, input([1, ...inputShape], dtype)));
    return {
      layers: recorder.layers,
      outputShape: result.shape,
      parameters: totalSize(namedParameters(model).values()),
      buffers: totalSize(namedBuffers(model).values()),
    };
  } finally {
    recorder.end();
  }
}

/** The summary as lines of text: a row per layer, then the totals. */
export function summaryText({ layers, parameters, buffers }: ModelSummary): string {
  const count = (n: number) => n.toLocaleString("en-US");
  const rows = layers.map(({ name, kind, outputShape, parameters: own }) => [
    `${name === "" ? "" : `${name} `}${kind}`,
    `[N${outputShape
      .slice(1)
      .map((d) => `, ${d}`)
      .join("")}]`,
    own === 0 ? "" : count(own),
  ]);
  const head = ["Layer", "Output", "Parameters"];
  const widths = head.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => (row[i] as string).length)),
  );
  const line = ([name, shape, own]: readonly string[]) =>
    `${name?.padEnd(widths[0] ?? 0)}  ${shape?.padEnd(widths[1] ?? 0)}  ${own?.padStart(widths[2] ?? 0)}`.trimEnd();
  const rule = "-".repeat(widths.reduce((sum, width) => sum + width + 2, -2));
  const kept = buffers === 0 ? "" : ` and ${count(buffers)} kept values`;
  return [line(head), rule, ...rows.map(line), rule, `${count(parameters)} parameters${kept}`].join("\n");
}

/** Records when the layers of a model are applied, by temporarily replacing their `forward`; `end` restores them. */
class Recorder {
  readonly layers: LayerSummary[] = [];
  readonly #undo: (() => void)[] = [];
  readonly #seen = new Set<unknown>();
  readonly #counted = new Set<Tensor>();

  /** Returns `value` with recording: functions and lists of layers are replaced by copies, modules are changed in place. */
  around(value: unknown, name: string): unknown {
    if (typeof value === "function") return this.#recorded(name, value as (...args: unknown[]) => unknown);
    if (Array.isArray(value)) return value.map((v, i) => this.around(v, join(name, String(i))));
    if (!isModule(value) || this.#seen.has(value)) return value;
    this.#seen.add(value);
    for (const [key, field] of Object.entries(value)) {
      const recording = this.around(field, value instanceof Sequential ? name : join(name, key));
      if (recording !== field) this.#replace(value, key, recording);
    }
    // A layer without own parameters that contains others has no row of its own.
    if (!Object.values(value).flat().some(isModule) || ownParameters(value).length > 0) {
      this.#replace(value, "forward", this.#recorded(name, value.forward.bind(value), value));
    }
    return value;
  }

  end(): void {
    for (const undo of this.#undo.reverse()) undo();
  }

  #recorded(name: string, apply: (...args: never[]) => unknown, module?: Module) {
    return (...args: never[]) => {
      const y = apply(...args);
      const [x] = args as readonly unknown[];
      if (x instanceof Tensor && y instanceof Tensor) this.#add(name, x, y, module);
      return y;
    };
  }

  #add(name: string, x: Tensor, y: Tensor, module: Module | undefined): void {
    const own = module === undefined ? [] : ownParameters(module).filter((t) => !this.#counted.has(t));
    for (const t of own) this.#counted.add(t);
    const kind = module === undefined ? opsBetween(x, y) : (module.kind ?? module.constructor.name);
    this.layers.push({ name, kind, outputShape: y.shape, parameters: totalSize(own) });
  }

  #replace(holder: object, key: string, value: unknown): void {
    const before = Object.getOwnPropertyDescriptor(holder, key);
    Object.defineProperty(holder, key, { value, configurable: true, enumerable: key !== "forward" });
    this.#undo.push(() => {
      if (before === undefined) Reflect.deleteProperty(holder, key);
      else Object.defineProperty(holder, key, before);
    });
  }
}

const join = (path: string, key: string) => (path === "" ? key : `${path}.${key}`);
const totalSize = (tensors: Iterable<Tensor>) => [...tensors].reduce((sum, t) => sum + t.size, 0);

function ownParameters(module: Module): Tensor[] {
  const tensors = Object.values(module).filter((field) => field instanceof Tensor);
  return tensors.filter((t) => t.leaf?.kind === "state" && t.leaf.trainable);
}

/** Names of the ops between `x` and `y`, in order. */
function opsBetween(x: Tensor, y: Tensor): string {
  const names: string[] = [];
  for (
    let t: Tensor | undefined = y;
    t !== undefined && t !== x && t.leaf === undefined;
    t = t.node.inputs[0]
  ) {
    names.unshift(t.node.op.name);
  }
  return names.length === 0 ? "identity" : names.join(" + ");
}
