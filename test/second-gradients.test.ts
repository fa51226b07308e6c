/**
 * Gradients of gradients of every op that `weft doctor` knows, at its smaller cases: on the CPU reference in float64 against
 * differences of the first gradients, and on the GPU against the CPU reference.
 */
import { expect, it } from "vitest";
import { gradients } from "../src/autograd.ts";
import { checkGradients, type GradientInput } from "../src/checks/check-gradients.ts";
import { type Case, type Check, leavesOf, nameOf } from "../src/doctor/check.ts";
import { checks } from "../src/doctor/index.ts";
import { type Data, type Shape, sizeOf } from "../src/graph/spec.ts";
import { constant, input, Tensor } from "../src/graph/tensor.ts";
import { Random } from "../src/numbers/random.ts";
import { add, mul, square } from "../src/ops/elementwise/arithmetic.ts";
import { log1p } from "../src/ops/elementwise/math.ts";
import { sum } from "../src/ops/reduce/sum.ts";
import { CpuBackend } from "../src/runtime/cpu/backend.ts";
import { gpuBackend } from "./support/backend.ts";
import { expectClose } from "./support/close.ts";

/** Larger cases take long on the CPU reference. */
const MOST_ELEMENTS = 2000;

const outputOf = (c: Case, leaves: Tensor[]): Tensor | undefined => {
  const made = c.build(...(leaves as Parameters<Case["build"]>));
  const outputs = made instanceof Tensor ? [made] : (made.outputs ?? []);
  return outputs.find(({ dtype }) => dtype === "f32");
};

/** Numbers that depend on `seed` only. */
const weights = (t: Tensor, seed: number) => {
  const random = new Random(7, seed);
  return constant(
    Float64Array.from({ length: t.size }, () => random.uniform(0.5, 1.5)),
    t.shape,
  );
};
/** A number that depends on all of `tensors`, and whose gradient depends on them. */
const weighted = (tensors: readonly Tensor[], seed: number) =>
  tensors.map((t, i) => sum(mul(log1p(square(t)), weights(t, seed + i)))).reduce((a, b) => add(a, b));

/** The values of a case's leaves, and which of them have a gradient. */
function valuesOf(check: Check, c: Case): { inputs: (GradientInput & { data: Data })[]; wanted: boolean[] } {
  const leaves = leavesOf(c);
  const inputs = leaves.map(({ shape, dtype = "f32", data, range = check.range ?? [-1, 1] }, i) => {
    const random = new Random(3, i);
    const numbers = data ?? Float64Array.from({ length: sizeOf(shape) }, () => random.uniform(...range));
    const kind = { f32: Float64Array, i32: Int32Array, u32: Uint32Array }[dtype];
    return { shape, data: kind.from(numbers as number[]) as unknown as Data };
  });
  // Weights of losses jump at 0, where samples do not count.
  const wanted = leaves.map(
    ({ dtype = "f32", gradient, state, data }) =>
      dtype === "f32" && gradient !== false && state !== true && data?.includes(0) !== true,
  );
  return { inputs, wanted };
}

/** A case's weighted output, as a function of the inputs that have a gradient. */
const weightedOutput = (c: Case, inputs: readonly GradientInput[], wanted: readonly boolean[]) => {
  const others = inputs.map(({ data, shape }) => constant(data as Data, shape));
  return (...leaves: Tensor[]): Tensor => {
    const given = [...leaves];
    const all = others.map((t, i) => (wanted[i] ? (given.shift() as Tensor) : t));
    return weighted([outputOf(c, all) as Tensor], 1);
  };
};

const smallest = (check: Check) =>
  [...check.cases]
    .map((c) => ({ c, size: leavesOf(c).reduce((total, { shape }) => total + sizeOf(shape), 0) }))
    .filter(({ size }) => size <= MOST_ELEMENTS)
    .sort((a, b) => a.size - b.size)
    .slice(0, 2)
    .map(({ c }) => c);

const cases = checks
  // detach differs from its differences by intention; recurrences and fused attention have first gradients only.
  .filter(({ gradients, op }) => gradients !== false && !["detach", "recurrence", "attention"].includes(op))
  .flatMap((check) => smallest(check).map((c) => ({ title: `${check.op}, ${nameOf(c)}`, check, c })))
  .filter(({ check, c }) => {
    const { inputs, wanted } = valuesOf(check, c);
    const leaves = inputs.map(({ shape, data }) => constant(data, shape));
    return wanted.includes(true) && outputOf(c, leaves) !== undefined;
  });

it.each(cases)("$title", async ({ check, c }) => {
  const { inputs, wanted } = valuesOf(check, c);
  const output = weightedOutput(c, inputs, wanted);
  const first = (...leaves: Tensor[]) => weighted(gradients(output(...leaves), leaves), 10);
  const own = inputs.filter((_, i) => wanted[i]);
  const report = await checkGradients(first, own, { samples: 8, atol: 1e-5, rtol: 1e-4 });
  expect(report.failures).toEqual([]);
});

it.each(cases.filter(({ check }, i) => cases[i - 1]?.check !== check))(
  "$title: GPU",
  async ({ check, c }) => {
    const { inputs, wanted } = valuesOf(check, c);
    const output = weightedOutput(c, inputs, wanted);
    const own = inputs.filter((_, i) => wanted[i]);
    const leaves = own.map(({ shape }) => input(shape as Shape));
    const second = gradients(weighted(gradients(output(...leaves), leaves), 10), leaves);
    const [expected, actual] = await Promise.all(
      [new CpuBackend({ bits: 64 }), await gpuBackend()].map(async (backend) => {
        // As in the doctor, ops run one by one.
        const program = await backend.compile({ outputs: second }, { fuse: false });
        for (const [i, t] of leaves.entries()) if (backend.holds(t)) backend.write(t, own[i]!.data);
        program.run();
        return Promise.all(second.map(async (t) => [...(await program.read(t))]));
      }),
    );
    second.forEach((t, i) => {
      // Second derivatives are sums of several products of float32 numbers, some of which cancel.
      const largest = Math.max(1, ...expected![i]!.filter(Number.isFinite).map(Math.abs));
      const atol = 1e-4 * largest;
      expectClose(`input ${i}`, actual![i]!, expected![i]!, t.shape, { atol, rtol: 1e-4 });
    });
  },
);

it.each(checks.find(({ op }) => op === "recurrence")?.cases.slice(0, 6) ?? [])(
  "recurrence, $name: refused by name",
  (c) => {
    const leaves = leavesOf(c).map(({ shape, dtype = "f32" }) => input(shape, dtype));
    const floats = leaves.filter(({ dtype }) => dtype === "f32");
    const first = weighted(gradients(weighted([outputOf(c, leaves) as Tensor], 1), floats), 10);
    expect(() => gradients(first, floats)).toThrow(
      /ops\.recurrence and the recurrent layers have no gradients of/,
    );
  },
);
