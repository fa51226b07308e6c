/**
 * Times the variants of a group of nodes. One node is taken out of its graph and run by itself in every variant, with the
 * inputs that a run of the graph gives it. A variant whose results differ from the default's can't be chosen.
 */

import { type GraphSpec, mutatedLeaves } from "../graph/graph.ts";
import type { KernelEnv, KernelUse } from "../graph/kernel.ts";
import { type Data, formatShape } from "../graph/spec.ts";
import { input, Node, state, type Tensor } from "../graph/tensor.ts";
import { allclose } from "../numbers/allclose.ts";
import { Random } from "../numbers/random.ts";
import type { Choose, Plan } from "../plan/plan.ts";
import type { Backend, Program, Stopwatch, TuneOptions, TuneStore } from "../runtime/backend.ts";
import { type ComparisonOptions, findFastest, type TimeComparison } from "./compare-times.ts";
import type { NodeGroup } from "./node-groups.ts";

/** A device and a graph, as tuning needs them. */
export interface TuneTarget<P extends Program> {
  readonly backend: Backend;
  /** Distinguishes the adapter from all others. */
  readonly adapter: string;
  readonly env: Omit<KernelEnv, "variant">;
  /** Variants that the user forces, by op name. */
  readonly forced: Readonly<Record<string, string>>;
  /** Where choices are stored unless the options name another store. */
  readonly store: TuneStore | undefined;
  plan(choose?: Choose): Plan;
  program(plan: Plan): Promise<P>;
  /** A backend on the same device with leaves and pipelines of its own; closing it frees only its leaves. */
  isolated(): Backend;
  /** Compiles pipelines for `isolated` concurrently. Errors are left to the compilation that needs them. */
  precompile(kernels: readonly KernelUse[]): Promise<void>;
}

/** The times of a group's variants. */
export interface Measurement extends TimeComparison {
  /** In the order of `ratios`; undefined is the default. */
  readonly variants: readonly (string | undefined)[];
  /** Variants that can't be chosen, and why. */
  readonly refused: Readonly<Record<string, string>>;
}

/** A variant must take 7 % less time to be chosen; a measurement should take 4 ms. */
const COMPARISON = { margin: 0.07, duration: 4 };
/** A variant that took this many times as long in each of the first groups is not tried in later ones. */
const FAR_BEHIND = { ratio: 10, groups: 3 };
/** Summing in another order may change a value by this share of itself and of the largest value of its tensor. */
const TOLERANCE = 1e-4;
/** This share of integer results, which depend on comparisons of floats, may differ. */
const INTEGER_MISMATCHES = 1e-3;

/** Measures `groups` of a graph whose leaves are on the device. States keep their values. */
export async function measureGroups<P extends Program>(
  target: TuneTarget<P>,
  groups: readonly NodeGroup[],
  { stopwatch, signal, onEvent }: TuneOptions & { readonly stopwatch: Stopwatch },
): Promise<Map<NodeGroup, Measurement>> {
  const measurements = new Map<NodeGroup, Measurement>();
  /** In how many groups each variant was far behind; NaN once it was not. */
  const farBehind = new Map<string, number>();
  for (const group of groups) {
    signal?.throwIfAborted();
    const { node } = group;
    onEvent?.({ event: "tuning", node: node.label, done: measurements.size, of: groups.length });
    const inputs = await inputsOf(target, node);
    const isTried = (name: string) => !((farBehind.get(name) ?? 0) >= FAR_BEHIND.groups);
    const alternatives = group.alternatives.filter(({ name }) => isTried(name));
    const backend = target.isolated();
    try {
      await target.precompile(alternatives.flatMap(({ kernels }) => kernels));
      const isolated = new IsolatedNode(backend, node, inputs);
      const names = alternatives.map(({ name }) => name);
      const measurement = await measure(isolated, names, stopwatch, { ...COMPARISON, signal });
      measurements.set(group, measurement);
      measurement.variants.forEach((name, i) => {
        if (name === undefined) return;
        const behind = (measurement.ratios[i] as number) > FAR_BEHIND.ratio;
        farBehind.set(name, behind ? (farBehind.get(name) ?? 0) + 1 : Number.NaN);
      });
    } finally {
      await backend.close();
    }
  }
  return measurements;
}

/** What `node` reads in a run of its graph. The states that the run changes are put back. */
async function inputsOf<P extends Program>({ backend, forced }: TuneTarget<P>, node: Node): Promise<Data[]> {
  const before = new Set(node.inputs.map((t) => t.node));
  for (const each of before) for (const t of each.inputs) before.add(t.node);
  const updates = [...before].filter(({ op }) => op.mutates.length > 0);
  const states = updates.flatMap(mutatedLeaves);
  const spec = { outputs: [...new Set(node.inputs)], updates };
  const program = await backend.compile(spec, { fuse: false, variants: forced });
  try {
    const values = await backend.readAll(states);
    program.run();
    states.forEach((t, i) => {
      backend.write(t, values[i] as Data);
    });
    return await Promise.all(node.inputs.map((t) => program.read(t)));
  } finally {
    program.destroy();
  }
}

async function measure(
  isolated: IsolatedNode,
  names: readonly string[],
  stopwatch: Stopwatch,
  options: ComparisonOptions,
): Promise<Measurement> {
  const reference = await isolated.compile(undefined);
  const running: { readonly variant: string | undefined; readonly program: Program }[] = [
    { variant: undefined, program: reference },
  ];
  const refused: Record<string, string> = {};
  try {
    const expected = await isolated.results(reference);
    for (const variant of names) {
      options.signal?.throwIfAborted();
      let program: Program;
      try {
        program = await isolated.compile(variant);
      } catch (error) {
        refused[variant] = (error as Error).message;
        continue;
      }
      const difference = describeDifference(isolated.compared, await isolated.results(program), expected);
      if (difference === undefined) running.push({ variant, program });
      else {
        refused[variant] = difference;
        program.destroy();
      }
    }
    const timed = running.map(
      ({ program }) =>
        (times: number) =>
          stopwatch(program, times),
    );
    const comparison = await findFastest(timed, options);
    return { ...comparison, variants: running.map(({ variant }) => variant), refused };
  } finally {
    for (const { program } of running) program.destroy();
  }
}

/** A graph of a single node, with inputs and states in place of the tensors that it reads. */
class IsolatedNode {
  /** Tensors whose values the variants must agree on: outputs, and states that the node changes. */
  readonly compared: readonly Tensor[];
  readonly #spec: GraphSpec;
  readonly #states: readonly Tensor[];
  readonly #values = new Map<Tensor, Data>();

  constructor(
    readonly backend: Backend,
    readonly node: Node,
    inputs: readonly Data[],
  ) {
    const { op } = node;
    const random = new Random(0, 0);
    const leaves = new Map<Tensor, Tensor>();
    node.inputs.forEach((t, i) => {
      if (leaves.has(t)) return;
      const mutated = op.mutates.includes(op.args[i] ?? "");
      const leaf = mutated ? state(t.shape, 0, t.dtype, t.label) : input(t.shape, t.dtype, t.label);
      leaves.set(t, leaf);
      const data = inputs[i] as Data;
      this.#values.set(leaf, mutated || t.dtype !== "f32" ? data : perturbed(data, random));
    });
    this.#states = [...leaves.values()].filter((leaf) => leaf.leaf?.kind === "state");
    const args = node.inputs.map((t) => leaves.get(t) as Tensor);
    const copy = new Node(op, args, node.attrs, node.plan, node.label);
    this.#spec = { outputs: copy.outputs, updates: op.mutates.length > 0 ? [copy] : [] };
    this.compared = [...copy.outputs, ...this.#states];
  }

  async compile(variant: string | undefined): Promise<Program> {
    const variants = variant === undefined ? {} : { [this.node.op.name]: variant };
    const program = await this.backend.compile(this.#spec, { fuse: false, variants });
    for (const [leaf, data] of this.#values) this.backend.write(leaf, data);
    return program;
  }

  /** The values of `compared` after one run from the given inputs and states. */
  async results(program: Program): Promise<Data[]> {
    for (const leaf of this.#states) this.backend.write(leaf, this.#values.get(leaf) as Data);
    program.run();
    const outputs = await Promise.all(this.#spec.outputs.map((t) => program.read(t)));
    const states = this.#states.length === 0 ? [] : await this.backend.readAll(this.#states);
    return [...outputs, ...states];
  }
}

/**
 * `data` with every number multiplied by 0.5 to 1.5. Sums that cancel out, such as the gradient of a bias before batch
 * normalisation, would be rounding errors only and not comparable. Zeros alone are replaced by random numbers.
 */
function perturbed(data: Data, random: Random): Data {
  const empty = data.every((v) => v === 0);
  return Float32Array.from(data, (v) => (empty ? 2 * random.uniform() - 1 : v * (0.5 + random.uniform())));
}

/** The first tensor whose values differ, as a sentence; undefined if all agree. */
function describeDifference(
  tensors: readonly Tensor[],
  actual: readonly Data[],
  expected: readonly Data[],
): string | undefined {
  for (const [i, { dtype, size, shape }] of tensors.entries()) {
    const [a, e] = [actual[i] as Data, expected[i] as Data];
    let largest = 0;
    for (const value of e) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
    const isFloat = dtype === "f32";
    const tolerance = isFloat ? { atol: TOLERANCE * largest, rtol: TOLERANCE } : { atol: 0, rtol: 0 };
    const { mismatches, first } = allclose(a, e, tolerance);
    if (mismatches > (isFloat ? 0 : Math.floor(INTEGER_MISMATCHES * size))) {
      return `${mismatches} of ${size} values of ${formatShape(shape)} differ from the default's: ${a[first]} instead of ${e[first]}`;
    }
  }
  return undefined;
}
