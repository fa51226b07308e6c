/**
 * NaN, infinities, zeros and denormal numbers through every pointwise op, by itself and fused, and through the activations
 * that products and convolutions apply: what the device makes of them against the CPU reference. And what its driver makes
 * of NaN where WGSL leaves it free, for those who write kernels. Flushing denormal numbers to 0 is told, not failed.
 */

import { DeviceLostError } from "../common/errors.ts";
import type { Data } from "../graph/spec.ts";
import { constant, type Tensor } from "../graph/tensor.ts";
import { definePointwise } from "../ops/elementwise/pointwise.ts";
import * as ops from "../ops/index.ts";
import type { Backend } from "../runtime/backend.ts";
import { CpuBackend } from "../runtime/cpu/backend.ts";
import type { DoctorResult } from "./run-check.ts";

/** As the report calls it. */
export const SPECIAL_VALUES = "special values";

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const VALUES = Float32Array.of(nan, inf, -inf, 0, -0, 1e-40, -1e-40);
const NAMES = ["NaN", "Infinity", "-Infinity", "0", "-0", "a denormal number", "a negative denormal number"];

type Use = (x: Tensor) => Tensor;

/** [values, 1] as the pixel of an image each. */
const image: Use = (x) => {
  const corner = constant(Float32Array.of(1, 0, 0, 0), [1, 1, 2, 2]);
  return ops.where(corner, ops.reshape(x, [VALUES.length, 1, 1, 1]), 0.25);
};
const one = (shape: readonly number[]) => ops.ones(shape);

const activations = { relu: ops.relu, sigmoid: ops.sigmoid, tanh: ops.tanh };
const uses: Readonly<Record<string, Use>> = {
  ...activations,
  abs: ops.abs,
  sign: ops.sign,
  exp: ops.exp,
  expm1: ops.expm1,
  log: ops.log,
  log1p: ops.log1p,
  sqrt: ops.sqrt,
  rsqrt: ops.rsqrt,
  sin: ops.sin,
  cos: ops.cos,
  erf: ops.erf,
  floor: ops.floor,
  ceil: ops.ceil,
  round: ops.round,
  square: ops.square,
  leakyRelu: ops.leakyRelu,
  elu: ops.elu,
  selu: ops.selu,
  gelu: ops.gelu,
  silu: ops.silu,
  softplus: ops.softplus,
  mish: ops.mish,
  hardtanh: ops.hardtanh,
  hardSigmoid: ops.hardSigmoid,
  clamp: (x) => ops.clamp(x, -1, 2),
  "pow 2": (x) => ops.pow(x, 2),
  "pow -1": (x) => ops.pow(x, -1),
  "pow of tensors": (x) => ops.pow(x, ops.add(x, 1)),
  "add 1": (x) => ops.add(x, 1),
  "mul 2^100": (x) => ops.mul(x, 2 ** 100),
  "1 / x": (x) => ops.div(1, x),
  maximum: (x) => ops.maximum(x, 0.5),
  minimum: (x) => ops.minimum(x, 0.5),
  eq: (x) => ops.eq(x, x),
  ne: (x) => ops.ne(x, x),
  lt: (x) => ops.lt(x, 0.5),
  le: (x) => ops.le(x, 0),
  gt: (x) => ops.gt(x, 0),
  ge: (x) => ops.ge(x, x),
  where: (x) => ops.where(x, x, 2),
  max: (x) => ops.max(ops.reshape(x, [VALUES.length, 1]), { axes: 1 }),
  softmax: (x) => ops.softmax(ops.concat([x, ops.zeros([VALUES.length, 1])], 1)),
  maxPool2d: (x) => ops.maxPool2d(image(x), 2),
  "conv2d, relu, maxPool2d": (x) => ops.maxPool2d(ops.relu(ops.conv2d(image(x), one([1, 1, 1, 1]))), 2),
  matmul: (x) => ops.matmul(x, one([1, 1])),
  ...Object.fromEntries(
    Object.entries(activations).flatMap(([name, f]) => [
      [`linear, ${name}`, (x: Tensor) => f(ops.linear(x, one([1, 1])))],
      [`conv2d, ${name}`, (x: Tensor) => f(ops.conv2d(image(x), one([1, 1, 1, 1])))],
      [`a chain with ${name}`, (x: Tensor) => ops.mul(f(ops.add(x, 0.25)), 2)],
    ]),
  ),
};

/** WGSL whose result for NaN drivers choose. */
const choices: Readonly<Record<string, string>> = {
  "x != x": "select(0.0, 1.0, x != x)",
  "max(x, 0)": "max(x, 0.0)",
  "min(x, 0)": "min(x, 0.0)",
  "clamp(x, -1, 1)": "clamp(x, -1.0, 1.0)",
  "sign(x)": "sign(x)",
  "exp(x)": "exp(x)",
  "tanh(x)": "tanh(x)",
  "pow(x, 2)": "pow(x, 2.0)",
};

export async function runSpecialValues(
  backend: Backend,
  onResult: (result: DoctorResult) => void | Promise<void>,
): Promise<void> {
  const names = Object.keys(uses);
  const [reference, flushed] = [VALUES, VALUES.map((v) => (Math.abs(v) < 1e-38 ? Math.sign(v) * 0 : v))];
  const cpu = new CpuBackend({ bits: 64 });
  const expected = await values(cpu, Object.values(uses), reference, false);
  const ifFlushed = await values(cpu, Object.values(uses), flushed, false);
  await cpu.close();
  for (const variant of ["auto", "fused"]) {
    const begun = performance.now();
    const failures: string[] = [];
    const flushing: string[] = [];
    try {
      const actual = await values(backend, Object.values(uses), reference, variant === "fused");
      names.forEach((name, n) => {
        const [a, e, f] = [actual[n] as Data, expected[n] as Data, ifFlushed[n] as Data];
        for (let i = 0; i < e.length; i++) {
          if (near(a[i]!, e[i]!)) continue;
          if (near(a[i]!, f[i]!)) flushing.push(name);
          else
            failures.push(
              `${name} of ${NAMES[Math.floor((i * VALUES.length) / e.length)]}: ${a[i]}, expected ${e[i]}`,
            );
        }
      });
    } catch (error) {
      if (error instanceof DeviceLostError) throw error;
      failures.push(error instanceof Error ? error.message : String(error));
    }
    const where = [...new Set(flushing)].join(", ");
    await onResult({
      op: SPECIAL_VALUES,
      variant,
      cases: names.length,
      worst: failures.length === 0 ? 0 : inf,
      ok: failures.length === 0,
      milliseconds: performance.now() - begun,
      failures,
      notes: [
        where === ""
          ? "denormal numbers are kept"
          : `denormal numbers become 0 before or after ${where}, which WGSL allows`,
      ],
    });
  }
  await onResult(await driverChoices(backend));
}

/** What the driver makes of NaN; any answer is right, and none of Weft's results depends on it. */
async function driverChoices(backend: Backend): Promise<DoctorResult> {
  const begun = performance.now();
  const probes = Object.values(choices).map((wgsl): Use => {
    const op = definePointwise({
      name: "driver",
      args: ["x"],
      wgsl: ([x]) => wgsl.replace(/\bx\b/g, x as string),
      scalar: () => nan,
    });
    return (x) => op.one([x], {});
  });
  const found = await values(backend, probes, VALUES, false);
  const notes = Object.keys(choices).map((name, i) => `${name} of NaN is ${found[i]?.[0]}`);
  return {
    op: SPECIAL_VALUES,
    variant: "driver",
    cases: probes.length,
    worst: 0,
    ok: true,
    milliseconds: performance.now() - begun,
    failures: [],
    notes,
  };
}

async function values(
  backend: Backend,
  list: readonly Use[],
  data: Float32Array,
  fuse: boolean,
): Promise<Data[]> {
  const x = constant(data, [data.length, 1]);
  const outputs = list.map((use) => use(x));
  const program = await backend.compile({ outputs: [...new Set(outputs)] }, { fuse });
  program.run();
  const found: Data[] = [];
  for (const t of outputs) found.push(await program.read(t));
  program.destroy?.();
  return found;
}

/** Functions may be off as far as WGSL lets them, but no special value may be another, and 0 none that is very small. */
function near(a: number, e: number): boolean {
  if (Number.isNaN(e)) return Number.isNaN(a);
  return a === e || (Math.abs(e) < 2 ** -126 && a === 0) || Math.abs(a - e) <= 1e-3 * Math.abs(e);
}
