/**
 * The 5x5 network worked through by hand: every intermediate value and derivative, one gradient step and the values
 * after it, and the fit to its end, against the golden file.
 */
import { describe, expect, it } from "vitest";
import { recipe } from "../src/recipes/index.ts";
import { recipeData, recipeRun } from "../src/recipes/run.ts";
import { fitWorkedExample, tableLines, workedTable } from "../src/recipes/worked-example.ts";
import type { Backend } from "../src/runtime/backend.ts";
import { CpuBackend } from "../src/runtime/cpu/backend.ts";
import { Trainer } from "../src/train/loop/trainer.ts";
import { gpuBackend } from "./support/backend.ts";
import { expectClose } from "./support/close.ts";
import { readJsonFixture } from "./support/fixtures.ts";
import { inPage } from "./support/in-page.ts";

type Nested = number | readonly number[] | readonly (readonly number[])[];
type Values = Readonly<Record<string, Nested>>;
interface Example {
  readonly input: Nested;
  readonly initial_weights: Values;
  readonly forward: Values;
  readonly derivatives_of_error: Values;
  readonly after_one_gradient_step: { readonly weights: Values; readonly forward: Values };
  readonly training_checkpoints: {
    readonly steps: readonly number[];
    readonly error: readonly number[];
    readonly output: readonly (readonly number[])[];
  };
}

const golden = () => readJsonFixture<Example>("golden/worked-example-5x5.json");
const flat = (values: Nested | undefined): number[] => [values].flat(3) as number[];

/** The golden file's values under the names of the table. */
const weightsOf = (w: Values) => ({
  kernel: flat(w.kernel),
  "w1..w8": [...flat(w.w1_to_w4), ...flat(w.w5_to_w8)],
  "w9..w12": flat(w.w9_to_w12),
});
const forwardOf = (f: Values) =>
  Object.fromEntries(Object.entries(f).map(([name, values]) => [name.replaceAll("_", " "), flat(values)]));

async function checkTable(backend: Backend, atol: number): Promise<void> {
  const example = await golden();
  const after = weightsOf(example.after_one_gradient_step.weights);
  const values: Record<string, number[]> = {
    picture: flat(example.input),
    ...weightsOf(example.initial_weights),
    ...forwardOf(example.forward),
    ...Object.fromEntries(Object.entries(after).map(([name, weights]) => [`${name} after`, weights])),
  };
  const derivatives: Record<string, number[]> = {
    ...forwardOf(example.derivatives_of_error),
    ...weightsOf(example.derivatives_of_error),
  };
  const rows = await workedTable(backend);
  expect(rows.map(({ name }) => name).sort()).toEqual(Object.keys(values).sort());
  const close = (name: string, got: readonly number[], expected: readonly number[] | undefined) =>
    expectClose(name, Float64Array.from(got), expected ?? [], [got.length], { atol, rtol: 0 });
  for (const row of rows) {
    close(row.name, row.values, values[row.name]);
    if (row.derivative !== undefined) close(`d ${row.name}`, row.derivative, derivatives[row.name]);
  }
  const derived = rows.filter((row) => row.derivative !== undefined).map(({ name }) => name);
  expect(derived).toEqual(
    expect.arrayContaining(["feature map", "pooled", "hidden net", "output", "kernel", "w1..w8"]),
  );
}

/** The errors that the fit tells of on the way, against those of the golden file. */
async function checkFit(backend: Backend, steps: number | undefined, atol: number) {
  const { training_checkpoints: known } = await golden();
  let compared = 0;
  const end = await fitWorkedExample(backend, {
    ...(steps === undefined ? {} : { steps }),
    onCheckpoint({ step, error, output }) {
      const i = known.steps.indexOf(step);
      if (i < 0) return;
      compared++;
      expect(
        Math.abs(error - (known.error[i] as number)),
        `error after ${step} steps: ${error}`,
      ).toBeLessThan(atol);
      // The golden outputs have eight digits.
      expectClose(`output after ${step} steps`, Float64Array.from(output), known.output[i] as number[], [2], {
        atol: 1e-8 + 3 * atol,
        rtol: 0,
      });
    },
  });
  expect(compared).toBe(known.steps.filter((s) => s <= end.step).length);
  return end;
}

describe("5x5 worked example", () => {
  it("every value, CPU reference in float64", () => checkTable(new CpuBackend({ bits: 64 }), 1e-12));
  it("every value, CPU reference in float32", () => checkTable(new CpuBackend(), 1e-6));
  it("every value, GPU", async () => checkTable(await gpuBackend(), 1e-6));

  it("the fit ends after 262,941 steps, CPU reference in float64", async () => {
    const end = await checkFit(new CpuBackend({ bits: 64 }), inPage ? 10_000 : undefined, 1e-9);
    expect(Math.abs(end.step - (inPage ? 10_000 : 262_941))).toBeLessThanOrEqual(1);
    if (!inPage) expect(end.error).toBeLessThan(1e-4);
  });

  // One float32 run elsewhere stayed within 8e-8 of the float64 errors; another order of sums may double that.
  it("1,000 steps of the fit, GPU", async () => {
    const end = await checkFit(await gpuBackend(), 1000, 3e-7);
    expect(end.step).toBe(1000);
  });

  it("the trainer takes the same steps as the tour", async () => {
    const r = recipe("worked-example");
    const backend = new CpuBackend({ bits: 64 });
    const { train } = recipeData(r, undefined);
    const run = recipeRun(r, train, { steps: 100 });
    const trainer = await Trainer.create(backend, run.trainer);
    await trainer.fit(train, run.fit);
    const { loss } = await trainer.evaluate(train);
    const { training_checkpoints: known } = await golden();
    expect(loss).toBeCloseTo(known.error[known.steps.indexOf(100)] as number, 6);
  });

  it("as text: a value beside its derivative, matrices row by row", async () => {
    const lines = tableLines(await workedTable(new CpuBackend({ bits: 64 })));
    const at = lines.indexOf("kernel: start weights");
    expect(lines.slice(at + 1, at + 4)).toEqual([
      "                   value  |       d error / d value",
      "  1.76405235  0.40015721  |  0.00051382  0.00205988",
      "  0.97873798  2.24089320  |  0.00048913  0.00182801",
    ]);
  });
});
