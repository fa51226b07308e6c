/** A recurrence written as ops of single steps: more dispatches than `recurrenceOp`, but differentiable any number of times. */
import type { Tensor } from "../../graph/tensor.ts";
import type { CellKind } from "../../kernels/recurrent/cells.ts";
import { add, mul, sub } from "../elementwise/arithmetic.ts";
import { gt, where } from "../elementwise/compare.ts";
import { zeros } from "../elementwise/fill.ts";
import { relu, sigmoid, tanh } from "../elementwise/relu-sigmoid-tanh.ts";
import { linear } from "../linalg/linear.ts";
import { split, stack } from "../shape/concat.ts";
import { reshape } from "../shape/reshape.ts";
import { slice } from "../shape/slice.ts";

interface State {
  readonly h: Tensor;
  readonly c: Tensor;
}

/** The state after a step. `x`, `r` [N, H] by gate: what inputs and the state before contribute. */
function cell(kind: CellKind, x: readonly Tensor[], r: readonly Tensor[], { h, c }: State): State {
  const sum = (gate: number) => add(x[gate]!, r[gate]!);
  if (kind === "lstm") {
    const kept = mul(sigmoid(sum(1)), c);
    const next = add(kept, mul(sigmoid(sum(0)), tanh(sum(2))));
    return { h: mul(sigmoid(sum(3)), tanh(next)), c: next };
  }
  if (kind === "gru") {
    const fresh = tanh(add(x[2]!, mul(sigmoid(sum(0)), r[2]!)));
    return { h: add(fresh, mul(sigmoid(sum(1)), sub(h, fresh))), c };
  }
  return { h: kind === "rnnTanh" ? tanh(sum(0)) : relu(sum(0)), c };
}

/**
 * `gates` [N, T, G H]: what the inputs contribute. Gives the states after each step, [N, T, H], 0 beyond a sample's length, and
 * the last ones, [N, H].
 */
export function unrolled(
  kind: CellKind,
  gates: Tensor,
  weights: { readonly weightHh: Tensor; readonly biasHh: Tensor | undefined },
  {
    h0,
    c0,
    lengths,
    reverse,
  }: { [Name in "h0" | "c0" | "lengths"]: Tensor | undefined } & { reverse: boolean },
): State & { readonly output: Tensor } {
  const [N, T, rows] = gates.shape as [number, number, number];
  const H = weights.weightHh.shape[1] as number;
  const first = zeros([N, H]);
  let state: State = { h: h0 ?? first, c: c0 ?? first };
  const outputs: Tensor[] = [];
  for (let s = 0; s < T; s++) {
    const t = reverse ? T - 1 - s : s;
    const x = reshape(slice(gates, [0, t], [N, t + 1]), [N, rows]);
    const next = cell(
      kind,
      split(x, H, 1),
      split(linear(state.h, weights.weightHh, weights.biasHh), H, 1),
      state,
    );
    if (lengths === undefined) {
      outputs[t] = next.h;
      state = next;
      continue;
    }
    const isStep = reshape(gt(lengths, t), [N, 1]);
    outputs[t] = where(isStep, next.h, 0);
    state = { h: where(isStep, next.h, state.h), c: where(isStep, next.c, state.c) };
  }
  return { output: stack(outputs, 1), h: state.h, c: kind === "lstm" ? state.c : state.h };
}
