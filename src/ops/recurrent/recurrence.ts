/**
 * Recurrent layers of one direction: the recurrence as one op, its gradient as another. What the inputs contribute to the gates
 * is one matrix product over all steps before it, the gradients of the weights are matrix products after it.
 */
import {
  type DefinedOp,
  defineOp,
  expectSpec,
  expectTensor,
  expectWhole,
  shapeError,
} from "../../graph/op.ts";
import { type Spec, sameShape } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { CELLS, type CellKind, cellGradient, cellStep } from "../../kernels/recurrent/cells.ts";
import {
  RECURRENCE_VARIANTS,
  recurrenceBackwardKernels,
  recurrenceKernels,
} from "../../kernels/recurrent/recurrence.ts";
import { checkChoice, checkOptions, type OptionKinds } from "../../validation/options.ts";
import { zeros } from "../elementwise/fill.ts";
import { linear, linearBackwardOp } from "../linalg/linear.ts";
import { concat } from "../shape/concat.ts";
import { reshape } from "../shape/reshape.ts";
import { slice } from "../shape/slice.ts";
import { lengthsCode, noSecondGradient, shiftStepsOp } from "./shift-steps.ts";
import { unrolled } from "./unrolled.ts";

interface Attrs {
  readonly kind: CellKind;
  /** From the last step to the first. */
  readonly reverse: boolean;
  /** Whether the inputs b and s0 are what their names say; what stands in their place otherwise is not read. */
  readonly bias: boolean;
  readonly initial: boolean;
}

interface BackwardAttrs extends Pick<Attrs, "kind" | "reverse"> {
  /** Whether the inputs dy and ds are gradients; what stands in their place otherwise is not read. */
  readonly needsY: boolean;
  readonly needsState: boolean;
  /** Whether the gradient of the initial state is needed. */
  readonly initial: boolean;
}

/**
 * (x [N, T, GATES H], w [GATES H, H], b [GATES H], s0 [STATES, N, H], lengths [N]) -> y [N, T, H], state [STATES + 1, N, H]
 * after the last step, whose last plane is scratch memory, saved [N, T, SAVED H] for the gradient (unset where y is enough).
 */
export const recurrenceOp: DefinedOp<Attrs> = defineOp({
  name: "recurrence",
  args: ["x", "w", "b", "s0", "lengths"],
  results: ["y", "state", "saved"],
  variants: RECURRENCE_VARIANTS,
  plan([x, w, b, s0, lengths], attrs: Attrs) {
    const { kind, bias, initial } = attrs;
    const sizes = sizesOf("recurrence", x, w, attrs);
    const { N, T, H, GATES, STATES } = sizes;
    if (bias && !sameShape(b!.shape, [GATES * H]))
      throw shapeError(kind, `biasHh must be [${GATES * H}]`, [b!]);
    if (initial && !sameShape(s0!.shape, [STATES, N, H]))
      throw shapeError(kind, `the initial state must be [${STATES}, ${N}, ${H}]`, [s0!]);
    const saved = GATES === 1 ? [1] : [N, T, sizes.SAVED * H];
    return {
      outputs: [[N, T, H], [STATES + 1, N, H], saved].map((shape) => ({ shape, dtype: "f32" as const })),
      constants: { ...sizes, BIAS: bias, INITIAL: initial, LENGTHS: lengthsCode(kind, lengths, N) },
    };
  },
  cpu({ x, w, b, s0, lengths, y, state, saved }, constants) {
    const { kind, N, T, H, GATES, SAVED, REVERSE, BIAS, INITIAL, LENGTHS } = constants;
    for (let n = 0; n < N; n++) {
      const start = (plane: number, j: number) => (INITIAL ? s0[(plane * N + n) * H + j]! : 0);
      let h = Array.from({ length: H }, (_, j) => start(0, j));
      const c = Array.from({ length: H }, (_, j) => (kind === "lstm" ? start(1, j) : 0));
      for (let s = 0; s < T; s++) {
        const t = REVERSE ? T - 1 - s : s;
        const at = n * T + t;
        if (LENGTHS > 0 && !(t < lengths[n]!)) {
          y.fill(0, at * H, (at + 1) * H);
          continue;
        }
        const before = h;
        h = before.map((own, j) => {
          const rows = Array.from({ length: GATES }, (_, gate) => gate * H + j);
          const inputs = rows.map((row) => x[at * GATES * H + row]!);
          const sums = rows.map((row) =>
            before.reduce((sum, v, k) => sum + w[row * H + k]! * v, BIAS ? b[row]! : 0),
          );
          const step = cellStep(kind, inputs, sums, own, c[j]!);
          c[j] = step.c;
          y[at * H + j] = step.h;
          for (let i = 0; GATES > 1 && i < SAVED; i++) saved[(at * SAVED + i) * H + j] = step.saved[i]!;
          return step.h;
        });
      }
      state.set(h, n * H);
      if (kind === "lstm") state.set(c, (N + n) * H);
    }
  },
  kernels: recurrenceKernels,
  backward: ({ inputs, outputs: [y, , saved], grads: [dy, ds], needs, attrs }) => {
    const [x, w, , s0, lengths] = inputs;
    const { kind, reverse, bias, initial } = attrs;
    const [dx, dr, ds0] = recurrenceBackwardOp.apply(
      [dy ?? y!, ds ?? y!, w!, CELLS[kind].gates === 1 ? y! : saved!, ...(lengths ? [lengths] : [])],
      {
        kind,
        reverse,
        needsY: dy !== undefined,
        needsState: ds !== undefined,
        initial: initial && !!needs[3],
      },
    );
    const [needsW = false, needsB = false] = [needs[1], bias && needs[2]];
    const weights = () => {
      const rest = lengths ? [s0 ?? y!, lengths] : initial ? [s0!] : [];
      const before = shiftStepsOp.one([y!, ...rest], { by: reverse ? 1 : -1, initial }, "statesBefore");
      const g = kind === "gru" ? dr! : dx!;
      const [rows, H] = [y!.size / y!.shape[2]!, y!.shape[2]!];
      return linearBackwardOp.apply(
        [reshape(before, [rows, H]), w!, reshape(g, [rows, x!.shape[2]!])],
        { extra: 0, needsX: false, needsW, needsB },
        "weightsBackward",
      );
    };
    const [, dw, db] = needsW || needsB ? weights() : [];
    return [dx, needsW ? dw : undefined, needsB ? db : undefined, initial && needs[3] ? ds0 : undefined];
  },
});

/**
 * (dy [N, T, H], ds like state, w, saved, lengths) -> dx [N, T, GATES H], dr: the gradient of the recurrent products, for a GRU
 * only, since others have dx, ds0 [STATES, N, H]: set only where `initial` says so.
 */
export const recurrenceBackwardOp: DefinedOp<BackwardAttrs> = defineOp({
  name: "recurrenceBackward",
  args: ["dy", "ds", "w", "saved", "lengths"],
  results: ["dx", "dr", "ds0"],
  variants: RECURRENCE_VARIANTS,
  plan([dy, ds, w, saved, lengths], attrs: BackwardAttrs) {
    const { kind, needsY, needsState, initial } = attrs;
    const { gates, saved: values, states } = CELLS[kind];
    const [N, T, SH] = expectSpec("recurrenceBackward", "saved", saved, 3).shape as [number, number, number];
    const H = SH / values;
    const sizes = sizesOf("recurrenceBackward", { shape: [N, T, gates * H], dtype: "f32" }, w, attrs);
    if (needsY && !sameShape(dy!.shape, [N, T, H])) throw shapeError(kind, "dy must be like y", [dy!]);
    if (needsState && !sameShape(ds!.shape, [states + 1, N, H]))
      throw shapeError(kind, "ds must be like state", [ds!]);
    const gradient = [N, T, gates * H];
    return {
      outputs: [gradient, kind === "gru" ? gradient : [1], [states, N, H]].map((shape) => ({
        shape,
        dtype: "f32" as const,
      })),
      constants: {
        ...sizes,
        DY: needsY,
        DS: needsState,
        INITIAL: initial,
        LENGTHS: lengthsCode(kind, lengths, N),
      },
    };
  },
  cpu({ dy, ds, w, saved, lengths, dx, dr, ds0 }, constants) {
    const { kind, N, T, H, GATES, SAVED, REVERSE, DY, DS, LENGTHS } = constants;
    for (let n = 0; n < N; n++) {
      const end = (plane: number, j: number) => (DS ? ds[(plane * N + n) * H + j]! : 0);
      let dh = Array.from({ length: H }, (_, j) => end(0, j));
      const dc = Array.from({ length: H }, (_, j) => (kind === "lstm" ? end(1, j) : 0));
      for (let s = T - 1; s >= 0; s--) {
        const t = REVERSE ? T - 1 - s : s;
        const at = n * T + t;
        if (LENGTHS > 0 && !(t < lengths[n]!)) {
          dx.fill(0, at * GATES * H, (at + 1) * GATES * H);
          if (kind === "gru") dr.fill(0, at * GATES * H, (at + 1) * GATES * H);
          continue;
        }
        const products = new Float64Array(GATES * H);
        const carried = dh.map((d, j) => {
          const values = Array.from({ length: SAVED }, (_, i) => saved[(at * SAVED + i) * H + j]!);
          const step = cellGradient(kind, values, d + (DY ? dy[at * H + j]! : 0), dc[j]!);
          dc[j] = step.dc;
          for (let gate = 0; gate < GATES; gate++) {
            dx[(at * GATES + gate) * H + j] = step.dx[gate]!;
            products[gate * H + j] = step.dr[gate]!;
          }
          return step.dh;
        });
        if (kind === "gru") dr.set(products, at * GATES * H);
        dh = carried.map((d, k) => products.reduce((sum, g, row) => sum + g * w[row * H + k]!, d));
      }
      ds0.set(dh, n * H);
      if (kind === "lstm") ds0.set(dc, (N + n) * H);
    }
  },
  kernels: recurrenceBackwardKernels,
  backward() {
    throw noSecondGradient();
  },
});

function sizesOf(
  op: string,
  x: Spec | undefined,
  w: Spec | undefined,
  { kind, reverse }: Pick<Attrs, "kind" | "reverse">,
) {
  const { code, gates, saved, states } = CELLS[kind];
  const [N, T, columns] = expectSpec(op, "x", x, 3).shape as [number, number, number];
  const [rows, H] = expectSpec(op, "weightHh", w, 2).shape as [number, number];
  if (rows !== gates * H || columns !== rows)
    throw shapeError(kind, `weightHh must be [${gates} H, H] and weightIh [${gates} H, F]`, [x!, w!]);
  return { kind, N, T, H, KIND: code, GATES: gates, SAVED: saved, STATES: states, REVERSE: reverse };
}

/** Weights of one direction of a recurrent layer, G = 1 for an rnn, 4 for an lstm, 3 for a gru, in PyTorch's layout. */
export interface RecurrentWeights {
  /** [G H, F]. */
  readonly weightIh: Tensor;
  /** [G H, H]. */
  readonly weightHh: Tensor;
  /** [G H]; may be left out. */
  readonly biasIh?: Tensor | undefined;
  /** [G H]; may be left out. */
  readonly biasHh?: Tensor | undefined;
}

export interface RecurrenceOptions {
  /** Initial state [N, H]; default 0. */
  readonly h0?: Tensor | undefined;
  /** Initial cell state [N, H] of an lstm; default 0. */
  readonly c0?: Tensor | undefined;
  /** i32 or f32 [N]: the number of steps of each sample; default all. */
  readonly lengths?: Tensor | undefined;
  /** Goes from the last step of each sample to the first. Default false. */
  readonly reverse?: boolean;
  /** Builds every step of ops: slower, but its gradient has gradients. Default false. */
  readonly unroll?: boolean;
}

export interface RecurrenceResult {
  /** The state after each step, [N, T, H]; 0 beyond a sample's length. */
  readonly output: Tensor;
  /** The state after the last step, [N, H]. */
  readonly h: Tensor;
  /** The cell state after the last step, [N, H]; the same as `h` for all but an lstm. */
  readonly c: Tensor;
}

const WEIGHTS = {
  weightIh: "tensor",
  weightHh: "tensor",
  biasIh: "tensor",
  biasHh: "tensor",
} as const satisfies OptionKinds<RecurrentWeights>;

const OPTIONS = {
  h0: "tensor",
  c0: "tensor",
  lengths: "tensor",
  reverse: "boolean",
  unroll: "boolean",
} as const satisfies OptionKinds<RecurrenceOptions>;

/**
 * One layer and direction of a recurrent network over f32 `x` [N, T, F]: `kind` is "rnnTanh", "rnnRelu", "lstm" or "gru", formulas
 * as in torch.nn.RNN, LSTM and GRU. Steps at or after a sample's length leave its state as it is, whatever x holds there. It has a
 * gradient, which has none itself unless `unroll` is true. Throws ShapeError on sizes that disagree, ValueError on unknown kinds.
 */
export function recurrence(
  kind: CellKind,
  x: Tensor,
  weights: RecurrentWeights,
  options: RecurrenceOptions = {},
): RecurrenceResult {
  checkChoice("recurrence", "kind", kind, Object.keys(CELLS));
  expectTensor(kind, "x", x);
  const { weightIh, weightHh, biasIh, biasHh } = checkOptions(kind, weights, WEIGHTS);
  const { h0, c0, lengths, reverse = false, unroll = false } = checkOptions(kind, options, OPTIONS);
  expectSpec(kind, "weightIh", weightIh, 2);
  expectSpec(kind, "weightHh", weightHh, 2);
  const [N, , F] = expectSpec(kind, "x", x, 3).shape as [number, number, number];
  const H = expectWhole(kind, "hidden size", weightHh.shape[1]!, 1);
  if (weightIh.shape[1] !== F)
    throw shapeError(kind, `x has ${F} features, weightIh expects ${weightIh.shape[1]}`, [x]);
  if (c0 !== undefined && kind !== "lstm") throw shapeError(kind, "has no cell state, leave c0 out", [c0]);
  for (const [name, t] of Object.entries({ h0, c0 })) {
    if (t === undefined) continue;
    if (!sameShape(expectSpec(kind, name, t, 2).shape, [N, H]))
      throw shapeError(kind, `${name} must be [${N}, ${H}]`, [t]);
  }
  lengthsCode(kind, lengths, N);
  const known =
    lengths === undefined ? x : shiftStepsOp.one([x, x, lengths], { by: 0, initial: false }, "valid");
  const gates = linear(known, weightIh, biasIh);
  if (unroll) return unrolled(kind, gates, { weightHh, biasHh }, { h0, c0, lengths, reverse });
  const state = initialState(kind, h0, c0, N, H);
  const attrs = { kind, reverse, bias: biasHh !== undefined, initial: state !== undefined };
  const inputs = [gates, weightHh, biasHh ?? weightHh, state ?? weightHh, ...(lengths ? [lengths] : [])];
  const [output, last] = recurrenceOp.apply(inputs, attrs, kind) as [Tensor, Tensor];
  const plane = (i: number) => reshape(slice(last, [i], [i + 1]), [N, H]);
  const h = plane(0);
  return { output, h, c: kind === "lstm" ? plane(1) : h };
}

function initialState(
  kind: CellKind,
  h0: Tensor | undefined,
  c0: Tensor | undefined,
  N: number,
  H: number,
): Tensor | undefined {
  if (h0 === undefined && c0 === undefined) return undefined;
  if (kind !== "lstm") return reshape(h0!, [1, N, H]);
  const planes = [h0, c0].map((t) => reshape(t ?? zeros([N, H]), [1, N, H]));
  return concat(planes, 0);
}
