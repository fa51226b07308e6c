/**
 * Runs the cases of test/fixtures/golden/<folder> on the float64 CPU reference and on the GPU: forward values and
 * gradients against numbers that neither of them made.
 */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import type { Data, DType } from "../../src/graph/spec.ts";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "./backend.ts";
import { expectClose, type Tolerance } from "./close.ts";
import { listFixtures, readFixture, readJsonFixture } from "./fixtures.ts";

export interface GoldenTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "float32" | "float64" | "int32";
  readonly data?: readonly (number | string)[];
  readonly bin?: string;
}

export interface GoldenCase {
  readonly name: string;
  readonly op: string;
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly inputs: readonly GoldenTensor[];
  readonly outputs: readonly GoldenTensor[];
  readonly output_grads: readonly GoldenTensor[];
  readonly input_grads: readonly GoldenTensor[];
}

export interface GoldenOptions extends Tolerance {
  /** Kernel variants to force, each a full pass; default one pass with the planner's choice. */
  readonly variants?: readonly Readonly<Record<string, string>>[];
  /** More variants, which take long to compile, for every fourth case. */
  readonly slow?: readonly Readonly<Record<string, string>>[];
}

/**
 * Registers a test per case of `folder` whose op is in `builders`, which make the output from the inputs by name. Fails when
 * an op has no case there.
 */
export function checkGoldens(
  folder: string,
  builders: Readonly<
    Record<string, (inputs: Readonly<Record<string, Tensor>>, golden: GoldenCase) => Tensor>
  >,
  options: GoldenOptions = {},
): void {
  describe(`golden values: ${folder}`, () => {
    const found = new Set<string>();
    for (const [i, path] of listFixtures(`golden/${folder}`, ".json").entries()) {
      it(path.slice(path.lastIndexOf("/") + 1), async () => {
        const golden = await readJsonFixture<GoldenCase>(path);
        found.add(golden.op);
        const builder = builders[golden.op];
        const { variants = [{}], slow = [] } = options;
        const tried = { ...options, variants: i % 4 === 0 ? [...variants, ...slow] : variants };
        if (builder !== undefined) await check(`golden/${folder}`, golden, builder, tried);
      });
    }
    it("has a case for every op", () => {
      expect([...Object.keys(builders)].filter((op) => !found.has(op))).toEqual([]);
    });
  });
}

/** Registers a test per case of test/fixtures/torch/<name>.json, as `checkGoldens` does; the script beside it wrote it. */
export function checkTorch(
  name: string,
  builders: Readonly<
    Record<string, (inputs: Readonly<Record<string, Tensor>>, golden: GoldenCase) => Tensor>
  >,
  options: Tolerance = {},
): void {
  describe(`PyTorch: ${name}`, async () => {
    const cases = await readJsonFixture<readonly GoldenCase[]>(`torch/${name}.json`);
    it("has cases for the ops that are tested here, and no others", () => {
      expect([...new Set(cases.map((c) => c.op))].sort()).toEqual(Object.keys(builders).sort());
    });
    it.each(cases)("$name", (golden) => check("torch", golden, builders[golden.op]!, options));
  });
}

async function check(
  folder: string,
  golden: GoldenCase,
  builder: (inputs: Readonly<Record<string, Tensor>>, golden: GoldenCase) => Tensor,
  options: GoldenOptions,
): Promise<void> {
  const leaves = golden.inputs.map((t) => input(t.shape, dtypeOf(t), t.name));
  const y = builder(Object.fromEntries(leaves.map((leaf) => [leaf.label, leaf])), golden);
  const seed = input(y.shape, "f32", "d_out");
  const wrt = golden.input_grads.map((g) => leaves.find((leaf) => `d_${leaf.label}` === g.name) as Tensor);
  const wanted = [y, ...gradients(y, wrt, seed)];
  const expected = [...golden.outputs, ...golden.input_grads];
  expect(y.shape).toEqual(golden.outputs[0]?.shape);
  const values = await Promise.all([...golden.inputs, ...golden.output_grads].map((t) => load(folder, t)));
  const truth = await Promise.all(expected.map((t) => load(folder, t)));
  const run = async (backend: Backend, variants: Readonly<Record<string, string>>, tolerance: Tolerance) => {
    const program = await backend.compile({ outputs: wanted }, { fuse: false, variants });
    [...leaves, seed].forEach((leaf, i) => {
      backend.write(leaf, values[i] as Data);
    });
    program.run();
    for (const [i, t] of wanted.entries()) {
      const name = `${golden.name}, ${backend.kind} ${JSON.stringify(variants)}, ${expected[i]?.name}`;
      expectClose(name, await program.read(t), truth[i] as Data, t.shape, tolerance);
    }
  };
  // Large tensors are stored rounded to 32 bits.
  await run(new CpuBackend({ bits: 64 }), {}, { atol: 1e-10, rtol: 1e-7 });
  for (const variants of options.variants ?? [{}]) await run(await gpuBackend(), variants, options);
}

function dtypeOf(t: GoldenTensor): DType {
  return t.dtype === "int32" ? "i32" : "f32";
}

async function load(folder: string, t: GoldenTensor): Promise<Data> {
  if (t.data !== undefined) {
    const numbers = t.data.map(Number);
    if (t.dtype === "int32") return Int32Array.from(numbers);
    // Decimals of a float32 stand for the float32, which they name but do not equal.
    return t.dtype === "float64" ? Float64Array.from(numbers) : Float32Array.from(numbers);
  }
  const { buffer } = await readFixture(`${folder}/${t.bin}`);
  if (t.dtype === "int32") return new Int32Array(buffer);
  return t.dtype === "float64" ? new Float64Array(buffer) : new Float32Array(buffer);
}
