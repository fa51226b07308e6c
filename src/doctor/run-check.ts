/** Runs one check on a device and on the 64-bit CPU reference, and compares the results. */
import { gradients } from "../autograd.ts";
import { Graph, type GraphSpec } from "../graph/graph.ts";
import { type Data, formatShape, type Shape, sizeOf } from "../graph/spec.ts";
import { input, state, type Tensor } from "../graph/tensor.ts";
import { allclose, type Tolerance } from "../numbers/allclose.ts";
import { Random } from "../numbers/random.ts";
import type { Backend } from "../runtime/backend.ts";
import { CpuBackend } from "../runtime/cpu/backend.ts";
import { DeviceLostError } from "../validation/errors.ts";
import { type Build, type Case, type Check, type Leaf, leavesOf, nameOf, type Uses } from "./check.ts";

/** One row of the report. */
export interface DoctorResult {
  readonly op: string;
  /** `auto` is what the planner chooses on this adapter; the others are forced. */
  readonly variant: string;
  readonly cases: number;
  /** The largest error as a share of the tolerance: up to 1 is fine; infinite where a case failed to run. */
  readonly worst: number;
  readonly ok: boolean;
  readonly milliseconds: number;
  /** One line for each failure. */
  readonly failures: readonly string[];
  /** Properties of the device that are worth knowing and no failures. */
  readonly notes?: readonly string[];
}

export type OnResult = (result: DoctorResult) => void | Promise<void>;

type Variants = Readonly<Record<string, string>>;

interface Built {
  readonly name: string;
  readonly spec: GraphSpec;
  readonly leaves: readonly { readonly tensor: Tensor; readonly data: Data }[];
  /** What is compared: outputs, gradients, states after the run. */
  readonly compared: readonly { readonly what: string; readonly tensor: Tensor }[];
  /** The reference's values of `compared`. */
  readonly expected: readonly Data[];
}

/** Collects the errors of one row of the report. */
export class Errors {
  worst = 0;
  readonly failures: string[] = [];
  readonly #begun = performance.now();

  /** Adds a failure unless `actual` is `expected` within the tolerance. Integers must be equal. */
  compare(what: string, actual: Data, expected: Data, shape: Shape, { atol, rtol }: Tolerance): void {
    const floats = actual instanceof Float32Array || actual instanceof Float64Array;
    const { worst, mismatches, first } = allclose(
      actual,
      expected,
      floats ? { atol, rtol } : { atol: 0, rtol: 0 },
    );
    this.worst = Math.max(this.worst, worst);
    if (first < 0) return;
    const place = `[${coordinates(first, shape).join(", ")}] of ${formatShape(shape)}`;
    const allowed = floats ? ` (tolerated: ${atol} + ${rtol} of the value)` : "";
    this.failures.push(
      `${what}: ${mismatches} of ${expected.length} values differ, the first at ${place}: ` +
        `${actual[first]}, expected ${expected[first]}${allowed}`,
    );
  }

  /** Adds the error of something that could not be run. Throws it where the device was lost. */
  fail(error: unknown, what = ""): void {
    if (error instanceof DeviceLostError) throw error;
    this.worst = Number.POSITIVE_INFINITY;
    this.failures.push(`${what}${error instanceof Error ? error.message : String(error)}`);
  }

  /** `since`: when the row began, if earlier than this object. */
  result(op: string, variant: string, cases: number, since = this.#begun): DoctorResult {
    const { worst, failures } = this;
    const milliseconds = performance.now() - since;
    return { op, variant, cases, worst, ok: failures.length === 0, milliseconds, failures };
  }
}

/** Runs a check with every kernel variant; calls `onResult` after each. */
export async function runCheck(backend: Backend, check: Check, onResult: OnResult): Promise<void> {
  let since = performance.now();
  const { atol = 1e-6, rtol = 1e-5 } = check;
  const reference = new CpuBackend({ bits: 64 });
  const built: Built[] = [];
  for (const c of check.cases) {
    const ready = build(c, check);
    built.push({ ...ready, expected: await evaluate(reference, ready, {}, false) });
  }
  await reference.close();
  for (const { name, variants } of passes(check, built)) {
    const forced = Object.keys(variants).length > 0;
    const some = forced && backend.software ? built.slice(0, check.forcedOnSoftware) : built;
    if (some.length === 0) continue;
    const errors = new Errors();
    // All at once: compiling takes longest, and drivers compile concurrently.
    const results = await Promise.allSettled(
      some.map((b) => evaluate(backend, b, variants, check.fused === true)),
    );
    results.forEach((result, i) => {
      const { name, compared, expected } = some[i] as Built;
      if (result.status === "rejected") errors.fail(result.reason, `${name}: `);
      else {
        compared.forEach(({ what, tensor: { shape } }, k) => {
          const [a, e] = [result.value[k] as Data, expected[k] as Data];
          errors.compare(`${name}, ${what}`, a, e, shape, { atol, rtol });
        });
      }
    });
    await onResult(errors.result(check.op, name, some.length, since));
    since = performance.now();
  }
}

function build(c: Case, check: Check): Omit<Built, "expected"> {
  const given = leavesOf(c).map((leaf) => ({ ...(check.range && { range: check.range }), ...leaf }));
  const tensors = given.map(({ shape, dtype = "f32", state: isState }, i) =>
    isState ? state(shape, 0, dtype, `state${i}`) : input(shape, dtype, `input${i}`),
  );
  const leaves = tensors.map((tensor, i) => ({ tensor, data: makeData(given[i] as Leaf, i) }));
  const made = c.build(...(tensors as Parameters<Build>));
  const { outputs = [], updates = [] }: Uses = "node" in made ? { outputs: [made] } : made;
  const compared = outputs.map((tensor, i) => ({ what: `result ${i}`, tensor }));
  const first = outputs[0];
  const wrt = tensors.filter((t, i) => t.dtype === "f32" && given[i]?.gradient !== false);
  if (check.gradients !== false && first?.dtype === "f32" && wrt.length > 0) {
    const seed = input(first.shape, "f32", "seed");
    leaves.push({ tensor: seed, data: makeData({ shape: seed.shape }, 100) });
    gradients(first, wrt, seed).forEach((tensor, i) => {
      compared.push({ what: `gradient of input ${tensors.indexOf(wrt[i] as Tensor)}`, tensor });
    });
  }
  const spec = { outputs: compared.map(({ tensor }) => tensor), updates };
  tensors.forEach((tensor, i) => {
    if (given[i]?.state === true) compared.push({ what: `state ${i}`, tensor });
  });
  return { name: nameOf(c), spec, leaves, compared };
}

function makeData({ shape, dtype = "f32", data, range: [low, high] = [-1, 1] }: Leaf, stream: number): Data {
  const random = new Random(20, stream);
  const values = data ?? Array.from({ length: sizeOf(shape) }, () => low + (high - low) * random.uniform());
  if (dtype === "f32") return Float32Array.from(values);
  return dtype === "i32" ? Int32Array.from(values) : Uint32Array.from(values);
}

/** The planner's choice, then as many rounds of forced variants as the op with most of them has. */
function passes({ fused, force }: Check, built: readonly Built[]): { name: string; variants: Variants }[] {
  const auto = { name: fused ? "fused" : "auto", variants: {} };
  if (force === false) return [auto];
  const nodes = built.flatMap(({ spec }) => new Graph(spec).nodes);
  const ops = (force ?? [...new Set(nodes.map((node) => node.op))]).filter((op) => op.variants.length > 0);
  const rounds = Math.max(0, ...ops.map((op) => op.variants.length));
  const forced = Array.from({ length: rounds }, (_, round) => {
    const variants = Object.fromEntries(
      ops.map((op) => [op.name, op.variants[round % op.variants.length] as string]),
    );
    return { name: [...new Set(Object.values(variants))].join("+"), variants };
  });
  return [auto, ...forced];
}

async function evaluate(
  backend: Backend,
  { spec, leaves, compared }: Omit<Built, "expected">,
  variants: Variants,
  fuse: boolean,
): Promise<Data[]> {
  const program = await backend.compile(spec, { fuse, variants });
  for (const { tensor, data } of leaves) if (backend.holds(tensor)) backend.write(tensor, data);
  program.run();
  const outputs = new Set(spec.outputs);
  return Promise.all(compared.map(({ tensor }) => (outputs.has(tensor) ? program : backend).read(tensor)));
}

function coordinates(index: number, shape: Shape): number[] {
  return shape.map((size, axis) => Math.floor(index / sizeOf(shape.slice(axis + 1))) % size);
}
