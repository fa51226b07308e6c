/**
 * One node taken out of its graph, with numbers like those it reads there, run by itself in each of its variants: what comes out
 * must agree with what the op's own choice gives, and the fastest beyond noise wins.
 */

import { Random } from "../common/random.ts";
import type { GraphSpec } from "../graph/graph.ts";
import type { Data } from "../graph/spec.ts";
import { input, Node, state, type Tensor } from "../graph/tensor.ts";
import type { Backend, Program, Stopwatch } from "../runtime/backend.ts";
import { describeDifference } from "./agreement.ts";
import type { Contest } from "./candidates.ts";
import { type RaceOptions, type RaceResult, race } from "./race.ts";

export interface Trial extends RaceResult {
  /** Who ran, in the order of `ratios`; undefined is the op's own choice. */
  readonly variants: readonly (string | undefined)[];
  /** Variants that can't be chosen, and why. */
  readonly refused: Readonly<Record<string, string>>;
}

/** `inputs`: what the node of `contest` reads, in its order. `bench` keeps the leaves that this makes. */
export async function tryVariants(
  bench: Backend,
  { node, others }: Contest,
  inputs: readonly Data[],
  stopwatch: Stopwatch,
  options: RaceOptions,
): Promise<Trial> {
  const specimen = new Specimen(bench, node, inputs);
  const usual = await specimen.compile(undefined);
  const running: { readonly variant: string | undefined; readonly program: Program }[] = [
    { variant: undefined, program: usual },
  ];
  const refused: Record<string, string> = {};
  try {
    const expected = await specimen.results(usual);
    for (const { name: variant } of others) {
      options.signal?.throwIfAborted();
      let program: Program;
      try {
        program = await specimen.compile(variant);
      } catch (error) {
        refused[variant] = (error as Error).message;
        continue;
      }
      const difference = describeDifference(specimen.watched, await specimen.results(program), expected);
      if (difference === undefined) running.push({ variant, program });
      else {
        refused[variant] = difference;
        program.destroy();
      }
    }
    const runners = running.map(
      ({ program }) =>
        (times: number) =>
          stopwatch(program, times),
    );
    const result = await race(runners, options);
    return { ...result, variants: running.map(({ variant }) => variant), refused };
  } finally {
    for (const { program } of running) program.destroy();
  }
}

/**
 * `data` with every number between half and one and a half of itself: sums that cancel out, such as the gradient of a bias
 * before batch normalisation, are nothing but rounding and could not be compared. Zeros alone would show nothing either.
 */
function blurred(data: Data, random: Random): Data {
  const empty = data.every((v) => v === 0);
  return Float32Array.from(data, (v) => (empty ? 2 * random.uniform() - 1 : v * (0.5 + random.uniform())));
}

class Specimen {
  /** What is compared: outputs, and states that the node changes. */
  readonly watched: readonly Tensor[];
  readonly #spec: GraphSpec;
  readonly #mutated: readonly Tensor[];
  readonly #values = new Map<Tensor, Data>();

  constructor(
    readonly bench: Backend,
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
      this.#values.set(leaf, mutated || t.dtype !== "f32" ? data : blurred(data, random));
    });
    this.#mutated = [...leaves.values()].filter((leaf) => leaf.leaf?.kind === "state");
    const args = node.inputs.map((t) => leaves.get(t) as Tensor);
    const alone = new Node(op, args, node.attrs, node.plan, node.label);
    this.#spec = { outputs: alone.outputs, updates: op.mutates.length > 0 ? [alone] : [] };
    this.watched = [...alone.outputs, ...this.#mutated];
  }

  async compile(variant: string | undefined): Promise<Program> {
    const variants = variant === undefined ? {} : { [this.node.op.name]: variant };
    const program = await this.bench.compile(this.#spec, { fuse: false, variants });
    for (const [leaf, data] of this.#values) this.bench.write(leaf, data);
    return program;
  }

  /** What one run makes of the given numbers. */
  async results(program: Program): Promise<Data[]> {
    for (const leaf of this.#mutated) this.bench.write(leaf, this.#values.get(leaf) as Data);
    program.run();
    const outputs = await Promise.all(this.#spec.outputs.map((t) => program.read(t)));
    const states = this.#mutated.length === 0 ? [] : await this.bench.readAll(this.#mutated);
    return [...outputs, ...states];
  }
}
