/** Recurrent layers of one direction: every kernel against the CPU body, gradients, lengths, special values, refusals. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { constant, input } from "../../src/graph/tensor.ts";
import type { CellKind } from "../../src/kernels/recurrent/cells.ts";
import { mul } from "../../src/ops/elementwise/arithmetic.ts";
import { recurrence } from "../../src/ops/recurrent/recurrence.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { GraphError, WeftError } from "../../src/validation/errors.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp, type InputCase, type OpCase } from "../support/check-op.ts";
import { numbers } from "../support/update-run.ts";

const GATES = { rnnTanh: 1, rnnRelu: 1, lstm: 4, gru: 3 } as const;
const KINDS = Object.keys(GATES) as CellKind[];
const VARIANTS = ["subgroup", "workgroup", "steps"].map((v) => ({ recurrence: v, recurrenceBackward: v }));

interface Form {
  readonly bias?: boolean;
  readonly initial?: boolean;
  readonly reverse?: boolean;
  readonly lengths?: readonly number[];
  readonly lengthType?: "i32" | "f32";
  /** Which results are used; default all. */
  readonly results?: "output" | "h";
}

function caseOf(kind: CellKind, [N, T, F, H]: readonly number[], form: Form): OpCase {
  const { bias = true, initial = false, reverse = false, lengths, lengthType = "i32", results } = form;
  const G = GATES[kind];
  const range = [-0.7, 0.7] as const;
  const inputs: InputCase[] = [
    { shape: [N!, T!, F!] },
    { shape: [G * H!, F!], range },
    { shape: [G * H!, H!], range },
  ];
  if (bias) inputs.push({ shape: [G * H!], range }, { shape: [G * H!], range });
  if (initial) inputs.push({ shape: [N!, H!] });
  if (initial && kind === "lstm") inputs.push({ shape: [N!, H!] });
  if (lengths) inputs.push({ shape: [N!], dtype: lengthType, data: [...lengths], gradient: false });
  const words = Object.entries(form).map(([key, value]) => `${key} ${value}`);
  return {
    name: `${kind} [${N}, ${T}, ${F}] -> ${H}${words.length > 0 ? `, ${words.join(", ")}` : ""}`,
    inputs,
    build: (x, weightIh, weightHh, ...rest) => {
      const next = () => rest.shift();
      const [biasIh, biasHh] = bias ? [next(), next()] : [];
      const h0 = initial ? next() : undefined;
      const c0 = initial && kind === "lstm" ? next() : undefined;
      const weights = { weightIh: weightIh!, weightHh: weightHh!, biasIh, biasHh };
      const { output, h, c } = recurrence(kind, x!, weights, { h0, c0, lengths: lengths && next(), reverse });
      if (results === "output") return output;
      if (results === "h") return h;
      return kind === "lstm" ? [output, h, c] : [output, h];
    },
  };
}

const forms: readonly (readonly [number[], Form])[] = [
  [[1, 1, 1, 1], {}],
  [[3, 4, 2, 5], { initial: true, reverse: true }],
  [[5, 3, 3, 8], { bias: false, results: "output" }],
  [[5, 6, 3, 7], { lengths: [6, 1, 3, 0, 9], initial: true }],
  [[4, 5, 3, 6], { lengths: [5, 2, 4, 1], lengthType: "f32", reverse: true, initial: true }],
  [[4, 5, 3, 4], { lengths: [5, 2, 4, 1], reverse: true, results: "h" }],
];

/** relu differs from tanh in two expressions only. */
const formsOf = (kind: CellKind) => (kind === "rnnRelu" ? forms.slice(1, 2) : forms);

checkOp(
  "recurrence",
  KINDS.flatMap((kind) => formsOf(kind).map(([sizes, form]) => caseOf(kind, sizes, form))),
  // Activations are off by up to 1e-5, and errors add up over steps.
  { atol: 2e-5, rtol: 1e-4, variants: VARIANTS },
);

// More than 16 samples and more units than lanes, none of them a multiple; and whole tiles.
const lengths = Array.from({ length: 37 }, (_, n) => (n * 3) % 7);
checkOp(
  "recurrence, larger",
  (["rnnTanh", "lstm", "gru"] as const).flatMap((kind) => [
    caseOf(kind, [37, 5, 9, 67], { initial: true, lengths }),
    caseOf(kind, [32, 3, 4, 32], {}),
  ]),
  // The same, with sums of 67 and 268 products.
  { atol: 1e-4, rtol: 1e-3, variants: VARIANTS, numeric: false },
);

const SIZES = [5, 4, 3, 6] as const;
const [N, T, F, H] = SIZES;

/** An lstm over x and the gradients of its outputs, as plain numbers. */
async function runLstm(
  x: Float32Array,
  variants: Readonly<Record<string, string>>,
  given?: readonly number[],
) {
  const leaves = [input([N, T, F]), input([4 * H, F]), input([4 * H, H])] as const;
  const steps = given && constant(Int32Array.from(given));
  const { output } = recurrence(
    "lstm",
    leaves[0],
    { weightIh: leaves[1], weightHh: leaves[2] },
    { lengths: steps },
  );
  const outputs = [output, ...gradients(sum(mul(output, output)), leaves)];
  const device = await gpuBackend();
  const program = await device.compile({ outputs }, { variants });
  device.write(leaves[0], x);
  device.write(leaves[1], numbers(4 * H * F, 1));
  device.write(leaves[2], numbers(4 * H * H, 2));
  program.run();
  return Promise.all(outputs.map((t) => program.read(t)));
}

describe.each(VARIANTS)("special values, %o", (variants) => {
  it("NaN stays in its sample, and does not go back in time", async () => {
    const x = Float32Array.from(numbers(N * T * F, 3));
    const [clean, cleanX] = await runLstm(x, variants);
    x[(2 * T + 1) * F] = Number.NaN;
    const [output, dx] = await runLstm(x, variants);
    const sample = T * H;
    for (let i = 0; i < N * sample; i++) {
      const reached = i >= 2 * sample + H && i < 3 * sample;
      if (reached) expect(output![i], `output ${i}`).toBeNaN();
      else expect(output![i], `output ${i}`).toBe(clean![i]);
    }
    for (let i = 0; i < N * T * F; i++) {
      if (Math.floor(i / (T * F)) !== 2) expect(dx![i], `dx ${i}`).toBe(cleanX![i]);
      else expect(dx![i], `dx ${i}`).toBeNaN();
    }
  });

  it("what lies beyond a length does not matter, even if it is no number", async () => {
    const given = [4, 1, 3, 0, 2];
    const x = Float32Array.from(numbers(N * T * F, 3));
    const clean = await runLstm(x, variants, given);
    for (const [n, length] of given.entries()) x.fill(Number.NaN, (n * T + length) * F, (n + 1) * T * F);
    const padded = await runLstm(x, variants, given);
    expect(padded).toEqual(clean);
    expect(clean.every((values) => values.every(Number.isFinite))).toBe(true);
    for (const [n, length] of given.entries()) {
      expect(clean[0]!.slice((n * T + length) * H, (n + 1) * T * H).every((v) => v === 0)).toBe(true);
    }
  });
});

it.each([
  ["subgroup", 1, 1],
  ["workgroup", 1, 1],
  ["steps", 3 * T, 5 * T],
])("%s takes at most %d dispatches forward and %d backward", async (variant, forward, backward) => {
  const leaves = [input([N, T, F]), input([4 * H, F]), input([4 * H, H]), input([N, H])] as const;
  const [x, weightIh, weightHh, h0] = leaves;
  const { output } = recurrence("lstm", x, { weightIh, weightHh }, { h0 });
  const device = await gpuBackend();
  const variants = { recurrence: variant, recurrenceBackward: variant };
  const program = await device.compile({ outputs: gradients(sum(output), leaves) }, { variants });
  const { steps } = program.describe();
  const count = (label: string) => steps.filter((step) => step.split(".")[0] === label).length;
  expect(count("lstm")).toBeGreaterThan(0);
  expect(count("lstm")).toBeLessThanOrEqual(forward);
  expect(count("recurrenceBackward")).toBeGreaterThan(0);
  expect(count("recurrenceBackward")).toBeLessThanOrEqual(backward);
});

describe("refuses", () => {
  const x = input([N, T, F]);
  const weights = { weightIh: input([4 * H, F]), weightHh: input([4 * H, H]) };
  const wrong: readonly (readonly [string, () => unknown, RegExp])[] = [
    [
      "a kind that there is not",
      () => recurrence("ltsm" as never, x, weights),
      /kind must be one of .* did you mean "lstm"/,
    ],
    ["x of rank 2", () => recurrence("lstm", input([N, F]), weights), /lstm: x must be f32 of rank 3/],
    ["weights of another cell", () => recurrence("gru", x, weights), /gru: weightHh must be \[3 H, H\]/],
    [
      "other features",
      () => recurrence("lstm", input([N, T, F + 1]), weights),
      /x has 4 features, weightIh expects 3/,
    ],
    [
      "a state of another batch",
      () => recurrence("lstm", x, weights, { h0: input([1, H]) }),
      /h0 must be \[5, 6\]/,
    ],
    [
      "too few lengths",
      () => recurrence("lstm", x, weights, { lengths: input([2], "i32") }),
      /lengths must be i32 or f32 of \[5\]/,
    ],
    [
      "u32 lengths",
      () => recurrence("lstm", x, weights, { lengths: input([N], "u32") }),
      /lengths must be i32 or f32/,
    ],
    [
      "a cell state for an rnn",
      () =>
        recurrence("rnnTanh", x, { weightIh: input([H, F]), weightHh: input([H, H]) }, { c0: input([N, H]) }),
      /rnnTanh: has no cell state/,
    ],
    [
      "a bias of another size",
      () => recurrence("lstm", x, { ...weights, biasHh: input([H]) }),
      /biasHh must be \[24\]/,
    ],
  ];
  it.each(wrong)("%s", (_, build, message) => {
    expect(build).toThrow(message);
    expect(build).toThrow(WeftError);
  });

  it("gradients of gradients", () => {
    const { output } = recurrence("lstm", x, weights);
    const [dx] = gradients(sum(output), [x]);
    expect(() => gradients(sum(mul(dx!, dx!)), [x])).toThrow(GraphError);
  });
});
