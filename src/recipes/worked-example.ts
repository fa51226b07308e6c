/**
 * The recipe of the 5x5 example, which prints a table of every value, weight and derivative of the first step, and then fits
 * the model and prints the error after 1, 10, 100 … steps. Both are computed on the device from one graph.
 */
import { gradients } from "../autograd.ts";
import type { Data } from "../graph/spec.ts";
import { constant, state, type Tensor } from "../graph/tensor.ts";
import { square, sub } from "../ops/elementwise/arithmetic.ts";
import { sum } from "../ops/reduce/sum.ts";
import { sgd } from "../optim/sgd.ts";
import type { Backend, Program } from "../runtime/backend.ts";
import { squaredError } from "./losses.ts";
import type { DemonstrationOptions, DemonstrationResult, Recipe } from "./recipe.ts";
import { WorkedExample, workedPicture } from "./worked-example-model.ts";

/** A row of the table. */
export interface WorkedRow {
  readonly name: string;
  /** How it is computed, for students. */
  readonly how: string;
  readonly shape: readonly number[];
  readonly values: readonly number[];
  /** d error / d this; undefined for constants. */
  readonly derivative?: readonly number[];
}

/** Learning rate of the step that the table shows. */
const TABLE_RATE = 0.001;
const FIT_RATE = 0.01;
const GOAL = 1e-4;
/** Limit of the fit on a GPU, where a step with 16 weights is slower than on the CPU. */
const MAX_GPU_STEPS = 10_000;

interface Graph {
  readonly forward: ReadonlyMap<string, readonly [how: string, value: Tensor]>;
  readonly derivatives: ReadonlyMap<string, Tensor>;
  readonly weights: ReadonlyMap<string, Tensor>;
  readonly error: Tensor;
  readonly output: Tensor;
  readonly update: ReturnType<ReturnType<typeof sgd>["updates"]>;
}

function build(learningRate: number): Graph {
  const model = new WorkedExample();
  const picture = workedPicture();
  const x = constant(exactPicture(), [1, 1, 5, 5], "picture");
  const targets = constant(Float64Array.from(picture.labels), [1, 2], "targets");
  const v = model.values(x);
  const squaredErrors = square(sub(v.output, targets));
  const error = sum(squaredErrors);
  const weights = new Map([
    ["kernel", model.kernel],
    ["w1..w8", model.hidden],
    ["w9..w12", model.output],
  ]);
  const forward = new Map<string, readonly [string, Tensor]>([
    ["feature map", ["kernel applied at 4x4 positions of the picture", v.featureMap]],
    ["pooled", ["maximum of each 2x2 window of the feature map", v.pooled]],
    ["sigmoid of pooled", ["1 / (1 + exp(-pooled))", v.sigmoidOfPooled]],
    ["hidden net", ["w1..w4 and w5..w8 times the four values", v.hiddenNet]],
    ["hidden", ["sigmoid of hidden net", v.hidden]],
    ["output net", ["w9, w10 and w11, w12 times hidden", v.outputNet]],
    ["output", ["sigmoid of output net", v.output]],
    ["squared errors", ["(output - target)^2, targets 0 and 1", squaredErrors]],
    ["error", ["their sum", error]],
  ]);
  const named = new Map([...forward].map(([name, [, value]]) => [name, value]));
  for (const [name, weight] of weights) named.set(name, weight);
  const through = [...named].filter(([name]) => name !== "error" && name !== "squared errors");
  const grads = gradients(
    error,
    through.map(([, value]) => value),
  );
  const derivatives = new Map(through.map(([name], i) => [name, grads[i] as Tensor]));
  const parameters = [...weights.values()];
  const optimizer = sgd({ learningRate });
  const ofWeights = [...weights.keys()].map((name) => derivatives.get(name) as Tensor);
  const update = optimizer.updates(parameters, ofWeights, optimizer.states(parameters), state([1], 0, "u32"));
  return { forward, derivatives, weights, error, output: v.output, update };
}

/** In float64, so that a 64-bit reference gets 0.51 and not the nearest float32. */
function exactPicture(): Float64Array {
  return Float64Array.from(workedPicture().inputs.data, (hundredths) => hundredths / 100);
}

/** The first step at rate 0.001: values, derivatives and weights, then the weights after it. */
export async function workedTable(backend: Backend): Promise<WorkedRow[]> {
  const { forward, derivatives, weights, update } = build(TABLE_RATE);
  const values = [...forward.values()].map(([, value]) => value);
  const outputs = [...values, ...derivatives.values()];
  const program = await backend.compile({ outputs, updates: update });
  const before = await backend.readAll([...weights.values()]);
  program.run();
  const read = async (t: Tensor | undefined) =>
    t === undefined ? undefined : Array.from(await program.read(t));
  const rows: WorkedRow[] = [];
  const add = async (name: string, how: string, shape: readonly number[], data: Data | readonly number[]) => {
    const derivative = await read(derivatives.get(name));
    rows.push({ name, how, shape, values: Array.from(data), ...(derivative ? { derivative } : {}) });
  };
  rows.push({ name: "picture", how: "given", shape: [5, 5], values: Array.from(exactPicture()) });
  for (const [i, [name, weight]] of [...weights].entries()) {
    await add(name, "start weights", lastTwo(weight.shape), before[i] as Data);
  }
  for (const [name, [how, value]] of forward) {
    await add(name, how, lastTwo(value.shape), (await read(value)) as number[]);
  }
  const after = await backend.readAll([...weights.values()]);
  for (const [i, [name, weight]] of [...weights].entries()) {
    const row = { name: `${name} after`, how: `${name} - ${TABLE_RATE} x its derivative` };
    rows.push({ ...row, shape: lastTwo(weight.shape), values: Array.from(after[i] as Data) });
  }
  return rows;
}

const lastTwo = (shape: readonly number[]) => shape.slice(-2);

/** The table as lines of text: values beside their derivatives, matrices row by row. */
export function tableLines(rows: readonly WorkedRow[]): string[] {
  const number = (value: number) => value.toFixed(8).padStart(12);
  const matrix = (row: WorkedRow, values: readonly number[]): string[] => {
    const columns = row.shape.at(-1) ?? 1;
    return Array.from({ length: values.length / columns }, (_, r) =>
      values
        .slice(r * columns, (r + 1) * columns)
        .map(number)
        .join(""),
    );
  };
  return rows.flatMap((row) => {
    const lines = ["", `${row.name}: ${row.how}`];
    const values = matrix(row, row.values);
    const derivatives = row.derivative === undefined ? [] : matrix(row, row.derivative);
    const width = values[0]?.length ?? 0;
    if (derivatives.length > 0)
      lines.push(`${"value".padStart(width)}  |${"d error / d value".padStart(width)}`);
    values.forEach((text, i) => {
      lines.push(derivatives[i] === undefined ? text : `${text}  |${derivatives[i]}`);
    });
    return lines;
  });
}

/** The state of the fit after some steps. */
export interface WorkedCheckpoint {
  /** Steps taken. */
  readonly step: number;
  readonly error: number;
  readonly output: readonly number[];
}

/**
 * Gradient descent with learning rate 0.01 until the error is below 1e-4, at most `steps` steps. `onCheckpoint` is called after
 * 0, 1, 10, 100 … steps and at the end.
 */
export async function fitWorkedExample(
  backend: Backend,
  { steps = Number.POSITIVE_INFINITY, signal, onCheckpoint }: FitWorkedOptions,
): Promise<WorkedCheckpoint> {
  const { error, output, update } = build(FIT_RATE);
  const program = await backend.compile({ outputs: [error, output], updates: update });
  // A run computes the error before its update, so the first run gives the error after 0 steps.
  let taken = -1;
  let due = 0;
  for (;;) {
    const ahead = backend.kind === "cpu" ? 1 : Math.max(1, Math.min(due, steps) - taken);
    program.run(ahead);
    taken += ahead;
    const now = (await program.read(error))[0] as number;
    const ends = now < GOAL || taken >= steps || signal?.aborted === true;
    if (taken === due || ends) {
      const at = { step: taken, error: now, output: await outputsOf(program, output) };
      onCheckpoint?.(at);
      if (ends) return at;
      due = due === 0 ? 1 : due * 10;
    }
    if (taken % 100 === 0) await program.finished();
  }
}

export interface FitWorkedOptions {
  readonly steps?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onCheckpoint?: (at: WorkedCheckpoint) => void;
}

async function outputsOf(program: Program, output: Tensor): Promise<number[]> {
  return Array.from(await program.read(output));
}

/** Prints the table and the fit. */
export async function demonstrateWorkedExample(
  backend: Backend,
  { say, steps, signal }: DemonstrationOptions,
): Promise<DemonstrationResult> {
  for (const line of tableLines(await workedTable(backend))) say(line);
  const most = steps ?? (backend.kind === "cpu" ? undefined : MAX_GPU_STEPS);
  say("");
  say(`The fit: gradient descent at rate ${FIT_RATE} until the error is below ${GOAL}.`);
  say("     steps          error      output 1      output 2");
  const { step, error } = await fitWorkedExample(backend, {
    ...(most === undefined ? {} : { steps: most }),
    signal,
    onCheckpoint: (at) => {
      const numbers = [at.error, ...at.output].map((value) => value.toFixed(10).padStart(14));
      say(`${String(at.step).padStart(10)} ${numbers.join("")}`);
    },
  });
  const reached = error < GOAL;
  if (reached) say(`Below ${GOAL} after ${step} steps.`);
  else if (steps === undefined && most !== undefined) {
    say(`Stopped after ${step} steps; the whole fit takes 263 thousand: --backend cpu, or --steps.`);
  }
  return { steps: step, loss: error, reached };
}

export const workedExampleRecipe: Recipe = {
  name: "worked-example",
  title: "The 5x5 example worked through by hand, every value and derivative",
  report: "5x5 example",
  dataset: "worked-example",
  inputShape: [1, 5, 5],
  target: "error below 1e-4 after 262,941 steps in float64",
  goals: [
    { measure: "trainLoss", atMost: 1e-4 },
    { measure: "steps", atLeast: 262_940, atMost: 262_942 },
  ],
  time: "4 s on the CPU reference",
  backend: "cpu",
  bits: 64,
  steps: 262_941,
  batchSize: 1,
  optimizer: "sgd",
  learningRate: 0.01,
  data: () => ({ train: workedPicture(), test: { ...workedPicture(), split: "test" } }),
  model: () => new WorkedExample(),
  loss: squaredError,
  demonstration: demonstrateWorkedExample,
};
