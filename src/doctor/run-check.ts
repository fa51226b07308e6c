/** Runs one check on a device and on the 64-bit CPU reference, and measures how far they are apart. */
import { gradients } from "../autograd.ts";
import { DeviceLostError } from "../common/errors.ts";
import { Random } from "../common/random.ts";
import { Graph, type GraphSpec } from "../graph/graph.ts";
import { type Data, sizeOf } from "../graph/spec.ts";
import { input, state, type Tensor } from "../graph/tensor.ts";
import type { Backend } from "../runtime/backend.ts";
import { CpuBackend } from "../runtime/cpu/backend.ts";
import type { Case, Check, Leaf, Uses } from "./check.ts";
import { compare } from "./compare.ts";

/** One row of the report. */
export interface DoctorResult {
  readonly op: string;
  /** `auto` is what the planner chooses on this adapter; the others are forced. */
  readonly variant: string;
  readonly cases: number;
  /** The largest error as a share of what is tolerated: 1 and less is fine, infinite where nothing came out. */
  readonly worst: number;
  readonly ok: boolean;
  readonly milliseconds: number;
  /** One line for each case that failed. */
  readonly failures: readonly string[];
  /** What is worth knowing of the device, and no fault. */
  readonly notes?: readonly string[];
}

type Variants = Readonly<Record<string, string>>;

interface Built {
  readonly name: string;
  readonly spec: GraphSpec;
  readonly leaves: readonly { readonly tensor: Tensor; readonly data: Data }[];
  /** What is compared: outputs, gradients, states after the run. */
  readonly wanted: readonly { readonly what: string; readonly tensor: Tensor }[];
  /** What the reference says of each of `wanted`. */
  readonly expected: readonly Data[];
}

/** Runs a check with every kernel variant there is; calls `onResult` after each. */
export async function runCheck(
  backend: Backend,
  check: Check,
  onResult: (result: DoctorResult) => void | Promise<void>,
): Promise<void> {
  const begun = performance.now();
  const reference = new CpuBackend({ bits: 64 });
  const built: Built[] = [];
  for (const c of check.cases) {
    const ready = build(c, check.gradients !== false);
    built.push({ ...ready, expected: await evaluate(reference, ready, {}, false) });
  }
  await reference.close();
  let since = begun;
  for (const { name, variants } of passes(check, built)) {
    const forced = Object.keys(variants).length > 0;
    const some = forced && backend.software ? built.slice(0, check.forcedOnSoftware) : built;
    if (some.length === 0) continue;
    const { worst, failures } = await runPass(backend, check, some, variants);
    const now = performance.now();
    const counts = { cases: some.length, worst, ok: failures.length === 0, milliseconds: now - since };
    since = now;
    await onResult({ op: check.op, variant: name, ...counts, failures });
  }
}

function build(c: Case, withGradients: boolean): Omit<Built, "expected"> {
  const tensors = c.leaves.map(makeLeaf);
  const leaves = tensors.map((tensor, i) => ({ tensor, data: makeData(c.leaves[i] as Leaf, i) }));
  const made = c.build(...tensors);
  const { outputs = [], updates = [] }: Uses = "node" in made ? { outputs: [made] } : made;
  const wanted = outputs.map((tensor, i) => ({ what: `result ${i}`, tensor }));
  const first = outputs[0];
  const wrt = tensors.filter((t, i) => t.dtype === "f32" && c.leaves[i]?.gradient !== false);
  if (withGradients && first?.dtype === "f32" && wrt.length > 0) {
    const seed = input(first.shape, "f32", "seed");
    leaves.push({ tensor: seed, data: makeData({ shape: seed.shape }, 100) });
    gradients(first, wrt, seed).forEach((tensor, i) => {
      wanted.push({ what: `gradient of input ${tensors.indexOf(wrt[i] as Tensor)}`, tensor });
    });
  }
  const states = tensors.filter((_, i) => c.leaves[i]?.state === true);
  const spec = { outputs: wanted.map((w) => w.tensor), updates };
  const after = states.map((tensor) => ({ what: `state ${tensors.indexOf(tensor)}`, tensor }));
  return { name: c.name, spec, leaves, wanted: [...wanted, ...after] };
}

function makeLeaf(leaf: Leaf, i: number): Tensor {
  const { shape, dtype = "f32" } = leaf;
  return leaf.state ? state(shape, 0, dtype, `state${i}`) : input(shape, dtype, `input${i}`);
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

async function runPass(
  backend: Backend,
  check: Check,
  built: readonly Built[],
  variants: Variants,
): Promise<{ worst: number; failures: string[] }> {
  const failures: string[] = [];
  let worst = 0;
  // All at once: compiling takes longest, and drivers compile side by side.
  const results = await Promise.allSettled(
    built.map((b) => evaluate(backend, b, variants, check.fused === true)),
  );
  results.forEach((result, c) => {
    const { name, wanted, expected } = built[c] as Built;
    if (result.status === "rejected") {
      if (result.reason instanceof DeviceLostError) throw result.reason;
      worst = Number.POSITIVE_INFINITY;
      failures.push(
        `${name}: ${result.reason instanceof Error ? result.reason.message : String(result.reason)}`,
      );
      return;
    }
    wanted.forEach(({ what, tensor }, i) => {
      const found = compare(result.value[i] as Data, expected[i] as Data, tensor.shape, check);
      worst = Math.max(worst, found.worst);
      if (found.difference !== undefined) failures.push(`${name}, ${what}: ${found.difference}`);
    });
  });
  return { worst, failures };
}

async function evaluate(
  backend: Backend,
  { spec, leaves, wanted }: Omit<Built, "expected">,
  variants: Variants,
  fuse: boolean,
): Promise<Data[]> {
  const program = await backend.compile(spec, { fuse, variants });
  for (const { tensor, data } of leaves) if (backend.holds(tensor)) backend.write(tensor, data);
  program.run();
  const outputs = new Set(spec.outputs);
  return Promise.all(wanted.map(({ tensor }) => (outputs.has(tensor) ? program : backend).read(tensor)));
}
