/**
 * One helper checks any op: every kernel variant against the CPU body, forward and backward, and the CPU body's
 * gradients against float64 central differences. totals-reporter.ts counts them.
 */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { type Data, type DType, type Shape, sizeOf } from "../../src/graph/spec.ts";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import { Random } from "../../src/numbers/random.ts";
import { add, mul } from "../../src/ops/elementwise/arithmetic.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "./backend.ts";
import { NUMERIC_CHECK } from "./check-names.ts";
import { expectClose, type Tolerance } from "./close.ts";
import { inPage } from "./in-page.ts";

export interface InputCase {
  readonly shape: Shape;
  readonly dtype?: DType;
  /** Values; default: seeded uniform numbers in `range`. */
  readonly data?: Data | readonly number[];
  /** Default [-1, 1]. */
  readonly range?: readonly [number, number];
  /** Set to false to leave its gradient out. Default true for f32. */
  readonly gradient?: boolean;
}

export interface OpCase {
  readonly name: string;
  readonly inputs: readonly InputCase[];
  /** Builds the use of the op. Non-f32 results are compared exactly and take no part in gradients. */
  build(...inputs: Tensor[]): Tensor | readonly Tensor[];
}

export interface CheckOptions extends Tolerance {
  /** Kernel variants to force, each a full pass; default one pass with the planner's choice. */
  readonly variants?: readonly Readonly<Record<string, string>>[];
  /** Set to false for ops without a gradient. */
  readonly gradients?: boolean;
  /** Set to false where the function has kinks that the sample points may hit. */
  readonly numeric?: boolean;
  /** Run with fusions on. Default false: ops one by one. */
  readonly fuse?: boolean;
}

/**
 * Registers one test per case and variant. A page, whose kernels are those that Node has compiled, runs each case once and
 * each variant once, and no numeric gradients.
 */
export function checkOp(title: string, cases: readonly OpCase[], options: CheckOptions = {}): void {
  describe(title, () => {
    const variants = options.variants ?? [{}];
    for (const [i, c] of cases.entries()) {
      const small = c.inputs.every((spec) => sizeOf(spec.shape) <= NUMERIC_LIMIT);
      if (small && !inPage && options.numeric !== false && options.gradients !== false) {
        it(`${c.name}: ${NUMERIC_CHECK}`, () => checkNumeric(c));
      }
      for (const [k, v] of variants.entries()) {
        if (inPage && k !== i % variants.length && i !== k % cases.length) continue;
        const suffix = Object.values(v).join(" ");
        it(`${c.name}${suffix === "" ? "" : ` (${suffix})`}`, () => checkKernels(title, c, v, options));
      }
    }
  });
}

interface Built {
  readonly leaves: readonly Tensor[];
  readonly data: readonly Data[];
  readonly results: readonly Tensor[];
  readonly loss: Tensor | undefined;
  readonly wrt: readonly number[];
  readonly grads: readonly Tensor[];
}

function build(c: OpCase, withGradients: boolean): Built {
  const leaves = c.inputs.map((spec, i) => input(spec.shape, spec.dtype ?? "f32", `input${i}`));
  const data = c.inputs.map((spec, i) => makeInput(spec, i));
  const made = c.build(...leaves);
  const results = Array.isArray(made) ? (made as readonly Tensor[]) : [made as Tensor];
  if (!withGradients) return { leaves, data, results, loss: undefined, wrt: [], grads: [] };
  const floats = results.filter((t) => t.dtype === "f32");
  const seeds = floats.map((t, i) => input(t.shape, "f32", `seed${i}`));
  const seedData = floats.map((t, i) => makeInput({ shape: t.shape }, 100 + i));
  const loss = floats.map((t, i) => sum(mul(t, seeds[i] as Tensor))).reduce((a, b) => add(a, b));
  const wrt = leaves.flatMap((t, i) => (t.dtype === "f32" && c.inputs[i]?.gradient !== false ? [i] : []));
  const grads = gradients(
    loss,
    wrt.map((i) => leaves[i] as Tensor),
  );
  return { leaves: [...leaves, ...seeds], data: [...data, ...seedData], results, loss, wrt, grads };
}

function makeInput(spec: InputCase, stream: number): Data {
  const size = sizeOf(spec.shape);
  const dtype = spec.dtype ?? "f32";
  if (spec.data !== undefined) {
    if (dtype === "f32") return Float32Array.from(spec.data);
    return dtype === "i32" ? Int32Array.from(spec.data) : Uint32Array.from(spec.data);
  }
  const [low, high] = spec.range ?? [-1, 1];
  const random = new Random(1234, stream);
  return Float32Array.from({ length: size }, () => low + (high - low) * random.uniform());
}

async function evaluate(
  backend: Backend,
  built: Built,
  wanted: readonly Tensor[],
  options: CheckOptions & { variants0?: Readonly<Record<string, string>> },
): Promise<Data[]> {
  const program = await backend.compile(
    { outputs: wanted },
    { fuse: options.fuse ?? false, variants: options.variants0 ?? {} },
  );
  const used = new Set(built.leaves);
  built.leaves.forEach((leaf, i) => {
    if (used.has(leaf)) writeIfUsed(backend, leaf, built.data[i] as Data);
  });
  program.run();
  const values: Data[] = [];
  for (const t of wanted) values.push(await program.read(t));
  return values;
}

/** A seed or input whose value no output depends on is not on the device. */
function writeIfUsed(backend: Backend, leaf: Tensor, data: Data): void {
  try {
    backend.write(leaf, data);
  } catch (error) {
    if (!(error instanceof Error && /is not on this device/.test(error.message))) throw error;
  }
}

async function checkKernels(
  title: string,
  c: OpCase,
  variant: Readonly<Record<string, string>>,
  options: CheckOptions,
): Promise<void> {
  const built = build(c, options.gradients !== false);
  const wanted = [...built.results, ...built.grads];
  const expected = await evaluate(new CpuBackend({ bits: 64 }), built, wanted, {});
  const gpu = await gpuBackend();
  const actual = await evaluate(gpu, built, wanted, { ...options, variants0: variant });
  wanted.forEach((t, i) => {
    const what =
      i < built.results.length ? `result ${i}` : `gradient of input ${built.wrt[i - built.results.length]}`;
    const name = `${title}, ${c.name}, ${JSON.stringify(variant)}, ${what}`;
    expectClose(name, actual[i] as Data, expected[i] as Data, t.shape, options);
  });
}

/** Differences cost two runs of the naive CPU body per sample: cases beyond this many elements are left to kernels. */
const NUMERIC_LIMIT = 4096;
const SAMPLES = 12;

/** Central differences at a few seeded places of every input, in float64. */
async function checkNumeric(c: OpCase): Promise<void> {
  const built = build(c, true);
  const loss = built.loss as Tensor;
  const cpu = new CpuBackend({ bits: 64 });
  const analytic = await evaluate(cpu, built, [...built.grads], {});
  const program = await cpu.compile({ outputs: [loss] });
  const lossAt = async (leaf: Tensor, data: Data): Promise<number> => {
    cpu.write(leaf, data);
    program.run();
    return (await program.read(loss))[0] as number;
  };
  const random = new Random(99, 0);
  for (const [g, i] of built.wrt.entries()) {
    const leaf = built.leaves[i] as Tensor;
    const data = Float64Array.from(built.data[i] as Data);
    const places = new Set<number>();
    for (let s = 0; s < Math.min(SAMPLES, data.length); s++)
      places.add(Math.floor(random.uniform() * data.length));
    for (const at of places) {
      const h = 1e-5;
      const middle = data[at] as number;
      data[at] = middle + h;
      const above = await lossAt(leaf, data);
      data[at] = middle - h;
      const below = await lossAt(leaf, data);
      data[at] = middle;
      await lossAt(leaf, data);
      const numeric = (above - below) / (2 * h);
      const got = (analytic[g] as Data)[at] as number;
      // Rounding of the loss over 2h, plus the h² term of central differences.
      const limit = 1e-6 + 1e-6 * Math.abs(numeric);
      expect(
        Math.abs(numeric - got),
        `${c.name}: input ${i}[${at}]: numeric ${numeric}, analytic ${got}`,
      ).toBeLessThan(limit);
    }
  }
}
