/**
 * Checks gradients: analytic ones against central differences, both in float64 on the CPU reference. For authors of ops, and
 * for users who doubt their model.
 */
import { gradients } from "../autograd.ts";
import { type Data, type Shape, sizeOf } from "../graph/spec.ts";
import { constant, input, type Tensor } from "../graph/tensor.ts";
import { allclose } from "../numbers/allclose.ts";
import { Random } from "../numbers/random.ts";
import { mul } from "../ops/elementwise/arithmetic.ts";
import { sum } from "../ops/reduce/sum.ts";
import { CpuBackend } from "../runtime/cpu/backend.ts";
import { ValueError } from "../validation/errors.ts";
import { checkOptions } from "../validation/options.ts";

/** One argument of the function: values and their shape, default a vector. */
export interface GradientInput {
  readonly data: Data | readonly number[];
  readonly shape?: Shape;
}

export interface CheckGradientsOptions {
  /** Half the distance between the two points of a difference. Default 1e-5. */
  readonly step?: number;
  /** Tolerance: atol + rtol · |numeric|. Default 1e-6 each. */
  readonly atol?: number;
  readonly rtol?: number;
  /** How many elements of each input are checked, chosen at random by `seed`. Default 50. */
  readonly samples?: number;
  readonly seed?: number;
}

/** The analytic and the numeric derivative by one element of an input. */
export interface GradientDifference {
  readonly input: number;
  readonly index: number;
  readonly analytic: number;
  readonly numeric: number;
  /** Their distance as a share of the tolerance; up to 1 is fine. */
  readonly error: number;
}

export interface GradientReport {
  readonly ok: boolean;
  readonly checked: number;
  /** The element with the largest error; undefined when nothing was checked. */
  readonly worst: GradientDifference | undefined;
  /** All elements outside the tolerance. */
  readonly failures: readonly GradientDifference[];
}

/**
 * Compares the gradients of `fn` at `inputs`. `fn` gets them as tensors in their order: i32 and u32 for arrays of that type,
 * which have no gradient, else f32. A result of several elements is reduced by a weighted sum, so that every element counts.
 * Parameters and states that the result depends on keep their initial values. Where the function has a kink (relu at 0) the
 * two differ although the gradient is right.
 *
 * Throws ValueError when no input is a float, and what `fn` and `gradients` throw.
 */
export async function checkGradients(
  fn: (...inputs: Tensor[]) => Tensor,
  inputs: readonly GradientInput[],
  options: CheckGradientsOptions = {},
): Promise<GradientReport> {
  const kinds = {
    step: "number",
    atol: "number",
    rtol: "number",
    samples: "number",
    seed: "number",
  } as const;
  const given = checkOptions("checkGradients", options, kinds);
  const { step = 1e-5, atol = 1e-6, rtol = 1e-6, samples = 50, seed = 0 } = given;
  const leaves = inputs.map(({ data, shape = [data.length] }, i) => {
    const dtype = data instanceof Int32Array ? "i32" : data instanceof Uint32Array ? "u32" : "f32";
    if (sizeOf(shape) !== data.length) {
      throw new ValueError(
        `checkGradients: input ${i} has ${data.length} values, but its shape needs ${sizeOf(shape)}`,
      );
    }
    return input(shape, dtype, `input${i}`);
  });
  const wrt = leaves.filter((t) => t.dtype === "f32");
  if (wrt.length === 0) throw new ValueError("checkGradients: no input is a float");
  const random = new Random(seed, 0);
  const result = fn(...leaves);
  const weights = constant(
    Float64Array.from({ length: result.size }, () => random.uniform(0.5, 1.5)),
    result.shape,
  );
  const loss = sum(mul(result, weights));
  const grads = gradients(loss, wrt);

  const cpu = new CpuBackend({ bits: 64 });
  const program = await cpu.compile({ outputs: [loss, ...grads] });
  const values = new Map(
    leaves.map((t, i) => {
      const data = (inputs[i] as GradientInput).data;
      return [t, t.dtype === "f32" ? Float64Array.from(data) : (data as Data)] as const;
    }),
  );
  const lossNow = async (): Promise<number> => {
    for (const [leaf, data] of values) if (cpu.holds(leaf)) cpu.write(leaf, data);
    program.run();
    return (await program.read(loss))[0] as number;
  };
  await lossNow();
  const analytic: Data[] = [];
  for (const g of grads) analytic.push(await program.read(g));
  const differences: GradientDifference[] = [];
  for (const [k, leaf] of wrt.entries()) {
    const data = values.get(leaf) as Float64Array;
    for (const index of sampleIndexes(data.length, samples, random)) {
      const middle = data[index] as number;
      data[index] = middle + step;
      const above = await lossNow();
      data[index] = middle - step;
      const below = await lossNow();
      data[index] = middle;
      const numeric = (above - below) / (2 * step);
      const got = (analytic[k] as Data)[index] as number;
      const { worst: error } = allclose([got], [numeric], { atol, rtol });
      differences.push({ input: leaves.indexOf(leaf), index, analytic: got, numeric, error });
    }
  }
  await cpu.close();
  const failures = differences.filter((d) => d.error > 1);
  const worst = differences.reduce<GradientDifference | undefined>(
    (most, d) => (most === undefined || d.error > most.error ? d : most),
    undefined,
  );
  return { ok: failures.length === 0, checked: differences.length, worst, failures };
}

function sampleIndexes(length: number, samples: number, random: Random): number[] {
  if (length <= samples) return Array.from({ length }, (_, i) => i);
  const indexes = new Set<number>();
  while (indexes.size < samples) indexes.add(Math.floor(random.uniform() * length));
  return [...indexes].sort((a, b) => a - b);
}
