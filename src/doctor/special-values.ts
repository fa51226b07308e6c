/**
 * Checks NaN, infinities, zeros and denormal numbers against the CPU reference: in every element-wise op, alone and fused, and
 * in the activations that products and convolutions apply. Denormal numbers that become 0 are a note and no failure. Also
 * reports what the driver makes of NaN where WGSL leaves that open, for authors of kernels.
 */

import type { Data } from "../graph/spec.ts";
import { constant, type Tensor } from "../graph/tensor.ts";
import { definePointwise } from "../ops/elementwise/pointwise.ts";
import * as ops from "../ops/index.ts";
import type { Backend } from "../runtime/backend.ts";
import { CpuBackend } from "../runtime/cpu/backend.ts";
import { Errors, type OnResult } from "./run-check.ts";

/** Its name in the report. */
export const SPECIAL_VALUES = "special values";

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const VALUES = Float32Array.of(nan, inf, -inf, 0, -0, 1e-40, -1e-40);
const NAMES = ["NaN", "Infinity", "-Infinity", "0", "-0", "a denormal number", "a negative denormal number"];

type Use = (x: Tensor) => Tensor;

/** [values, 1] as one pixel of an image each. */
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
  celu: ops.celu,
  hardSwish: ops.hardSwish,
  logSigmoid: ops.logSigmoid,
  relu6: ops.relu6,
  softsign: ops.softsign,
  threshold: (x) => ops.threshold(x, 0.5, 2),
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

/** WGSL expressions whose result for NaN the driver may choose. */
const DRIVER_CHOICES: Readonly<Record<string, string>> = {
  "x != x": "select(0.0, 1.0, x != x)",
  "max(x, 0)": "max(x, 0.0)",
  "min(x, 0)": "min(x, 0.0)",
  "clamp(x, -1, 1)": "clamp(x, -1.0, 1.0)",
  "sign(x)": "sign(x)",
  "exp(x)": "exp(x)",
  "tanh(x)": "tanh(x)",
  "pow(x, 2)": "pow(x, 2.0)",
};

export async function runSpecialValues(backend: Backend, onResult: OnResult): Promise<void> {
  const names = Object.keys(uses);
  const flushed = VALUES.map((v) => (Math.abs(v) < 1e-38 ? Math.sign(v) * 0 : v));
  const cpu = new CpuBackend({ bits: 64 });
  const expected = await values(cpu, Object.values(uses), VALUES, false);
  const ifFlushed = await values(cpu, Object.values(uses), flushed, false);
  await cpu.close();
  for (const variant of ["auto", "fused"]) {
    const errors = new Errors();
    const flushing = new Set<string>();
    try {
      const actual = await values(backend, Object.values(uses), VALUES, variant === "fused");
      names.forEach((name, n) => {
        const [a, e, f] = [actual[n] as Data, expected[n] as Data, ifFlushed[n] as Data];
        for (let i = 0; i < e.length; i++) {
          if (near(a[i]!, e[i]!)) continue;
          if (near(a[i]!, f[i]!)) flushing.add(name);
          else {
            const input = NAMES[Math.floor((i * VALUES.length) / e.length)];
            errors.fail(`${name} of ${input}: ${a[i]}, expected ${e[i]}`);
          }
        }
      });
    } catch (error) {
      errors.fail(error);
    }
    const note =
      flushing.size === 0
        ? "denormal numbers are kept"
        : `denormal numbers become 0 before or after ${[...flushing].join(", ")}, which WGSL allows`;
    await onResult({ ...errors.result(SPECIAL_VALUES, variant, names.length), notes: [note] });
  }
  const row = new Errors();
  const notes = await driverChoices(backend);
  await onResult({ ...row.result(SPECIAL_VALUES, "driver", notes.length), notes });
}

/** What the driver makes of NaN. Any answer is valid, and no result of Weft depends on it. */
async function driverChoices(backend: Backend): Promise<string[]> {
  const probes = Object.values(DRIVER_CHOICES).map((wgsl): Use => {
    const op = definePointwise({
      name: "driver",
      args: ["x"],
      wgsl: ([x]) => wgsl.replace(/\bx\b/g, x as string),
      scalar: () => nan,
    });
    return (x) => op.one([x], {});
  });
  const found = await values(backend, probes, VALUES, false);
  return Object.keys(DRIVER_CHOICES).map((name, i) => `${name} of NaN is ${found[i]?.[0]}`);
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
  program.destroy();
  return found;
}

/** Special values must be equal; other results may be off as far as WGSL allows, and denormal ones may be 0. */
function near(a: number, e: number): boolean {
  if (Number.isNaN(e)) return Number.isNaN(a);
  return a === e || (Math.abs(e) < 2 ** -126 && a === 0) || Math.abs(a - e) <= 1e-3 * Math.abs(e);
}
