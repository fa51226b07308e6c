// The kernels that are timed separately, as plain data from which each library builds its own, with the same inputs for all.
// Rows marked `hardware` are too large for software adapters; their results are checked on a sample of rows.

/**
 * @typedef {object} Case
 * @property {string} name row of the table
 * @property {"matmul" | "conv2d" | "pool" | "softmax" | "batchNorm" | "adam"} kind
 * @property {"forward" | "input" | "weight" | "both"} pass `both` is forward and backward together
 * @property {number} [flops] floating-point operations of one run
 * @property {number} [bytes] least bytes that one run has to read and write
 * @property {number[][]} [outputs] shapes of the results, where `bytes` is not given
 * @property {number[][]} inputs shapes, in the order in which the libraries take them
 * @property {number} tolerance largest difference from the reference, relative to its largest value
 * @property {boolean} [hardware] only on hardware adapters, unless asked for by name
 */

const product = (shape) => shape.reduce((n, d) => n * d, 1);
const FLOAT = 4;

/** a [m, k] (or [k, m] transposed) times b [k, n] (or [n, k] transposed). */
function matmul(name, m, k, n, { transposeA = false, transposeB = false, hardware = false } = {}) {
  return {
    name: `matmul ${name}`,
    kind: "matmul",
    pass: "forward",
    inputs: [transposeA ? [k, m] : [m, k], transposeB ? [n, k] : [k, n]],
    outputs: [[m, n]],
    m,
    k,
    n,
    transposeA,
    transposeB,
    flops: 2 * m * k * n,
    tolerance: 1e-5 * Math.max(1, Math.sqrt(k / 256)),
    hardware,
  };
}

/** The three products of a linear layer: y = x wᵀ, dx = dy w, dw = dyᵀ x. */
const linear = (name, batch, from, to) => [
  matmul(`${name} forward ${batch}x${from}x${to}`, batch, from, to, { transposeB: true }),
  matmul(`${name} input gradient`, batch, to, from),
  matmul(`${name} weight gradient`, to, batch, from, { transposeA: true }),
];

function conv2d(name, [n, c, h, w], out, kernel, padding, { hardware = false, passes } = {}) {
  const shape = {
    n,
    c,
    h,
    w,
    out,
    kernel,
    padding,
    oh: h + 2 * padding - kernel + 1,
    ow: w + 2 * padding - kernel + 1,
  };
  const x = [n, c, h, w];
  const weight = [out, c, kernel, kernel];
  const dy = [n, out, shape.oh, shape.ow];
  const flops = 2 * product(dy) * c * kernel ** 2;
  const row = (title, pass, inputs, output, terms) => ({
    name: `conv2d ${name} ${title}`,
    kind: "conv2d",
    pass,
    inputs,
    outputs: [output],
    ...shape,
    flops,
    tolerance: 1e-5 * Math.max(1, Math.sqrt(terms / 256)),
    hardware,
  });
  return [
    row("forward", "forward", [x, weight], dy, c * kernel ** 2),
    row("input gradient", "input", [dy, weight], x, out * kernel ** 2),
    row("weight gradient", "weight", [x, dy], weight, n * shape.oh * shape.ow),
  ].filter(({ pass }) => passes === undefined || passes.includes(pass));
}

/** Windows of 2 x 2, stride 2. Least traffic: x in, y out; backward x, dy in, dx out. */
function pool(mode, [n, c, h, w], options = {}) {
  const x = [n, c, h, w];
  const dy = [n, c, h / 2, w / 2];
  const bytes = FLOAT * (product(x) + product(dy));
  const row = (title, pass, inputs, traffic) => ({
    name: `${mode}Pool2d 2 ${n}x${c}x${h}x${w} ${title}`,
    kind: "pool",
    mode,
    pass,
    inputs,
    n,
    c,
    h,
    w,
    bytes: traffic,
    tolerance: 1e-6,
    ...options,
  });
  const both = mode === "max" ? FLOAT * (2 * product(x) + product(dy)) : FLOAT * (product(x) + product(dy));
  return [row("forward", "forward", [x], bytes), row("forward + backward", "both", [x, dy], both)];
}

/** Along the last axis. */
function softmax(rows, columns, options = {}) {
  const x = [rows, columns];
  const row = (title, pass, inputs, arrays) => ({
    name: `softmax ${rows}x${columns} ${title}`,
    kind: "softmax",
    pass,
    inputs,
    rows,
    columns,
    bytes: FLOAT * arrays * rows * columns,
    tolerance: 1e-5,
    ...options,
  });
  return [row("forward", "forward", [x], 2), row("forward + backward", "both", [x, x], 3)];
}

/** Training: statistics of the batch, weight and bias; the gradients are those of x, weight and bias. */
function batchNorm([n, c, h, w], options = {}) {
  const x = [n, c, h, w];
  const row = (title, pass, inputs, arrays) => ({
    name: `batchNorm ${n}x${c}x${h}x${w} ${title}`,
    kind: "batchNorm",
    pass,
    inputs,
    n,
    c,
    h,
    w,
    eps: 1e-5,
    bytes: FLOAT * arrays * product(x),
    tolerance: 2e-5,
    ...options,
  });
  return [
    row("forward", "forward", [x, [c], [c]], 3),
    row("forward + backward", "both", [x, [c], [c], x], 6),
  ];
}

/** One update of `size` parameters, moments kept from run to run. Parameters, moments in and out, gradient in. */
const adam = (size) => ({
  name: `adam ${size / 1e6} M parameters`,
  kind: "adam",
  pass: "forward",
  inputs: [[size], [size]],
  size,
  learningRate: 1e-3,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  bytes: FLOAT * 7 * size,
  tolerance: 1e-6,
});

const hardware = true;

/** @type {readonly Case[]} */
export const cases = [
  ...[256, 512, 1024].map((n) => matmul(`${n}`, n, n, n)),
  ...[2048, 4096].map((n) => matmul(`${n}`, n, n, n, { hardware })),
  matmul("128", 128, 128, 128),
  matmul("127x129x131", 127, 129, 131),
  matmul("100", 100, 100, 100),
  matmul("129", 129, 129, 129),
  ...linear("fc1", 64, 400, 120),
  ...linear("fc2", 64, 120, 84),
  ...linear("fc3", 64, 84, 10),
  ...conv2d("5x5 1->6 28x28 N=64", [64, 1, 28, 28], 6, 5, 2, { passes: ["forward", "weight"] }),
  ...conv2d("5x5 6->16 14x14 N=64", [64, 6, 14, 14], 16, 5, 0),
  ...conv2d("3x3 64->64 28x28 N=8", [8, 64, 28, 28], 64, 3, 1),
  ...conv2d("3x3 64->64 28x28 N=256", [256, 64, 28, 28], 64, 3, 1, { hardware }),
  ...pool("max", [64, 16, 28, 28]),
  ...pool("avg", [64, 16, 28, 28]),
  ...softmax(4096, 100),
  ...batchNorm([64, 32, 28, 28]),
  adam(10_000_000),
];

/** The cases to run: those whose name contains one of the comma-separated texts; hardware rows only on hardware, or by name. */
export function chooseCases(only, onHardware) {
  const texts = only?.split(",").map((text) => text.trim());
  return cases.filter((c) => {
    const named = texts?.some((text) => c.name.includes(text));
    if (texts !== undefined && !named) return false;
    return !c.hardware || onHardware || texts?.some((text) => c.name.endsWith(text)) === true;
  });
}

/** The inputs of a case: uniform in [-1, 1), the same in every process. */
export function inputsOf(testCase) {
  return testCase.inputs.map((shape, i) => uniform(product(shape), 1 + i));
}

/** Marsaglia's xorshift32, seeded away from 0. */
function uniform(length, seed) {
  const values = new Float32Array(length);
  let s = Math.imul(seed, 0x9e3779b9) | 1;
  for (let i = 0; i < length; i++) {
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    values[i] = s * 2 ** -31;
  }
  return values;
}
