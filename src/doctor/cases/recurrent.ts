/** Cases of the doctor for recurrent layers of every cell, both directions, lengths, initial states. */

import type { CellKind } from "../../kernels/recurrent/cells.ts";
import { recurrence, recurrenceBackwardOp, recurrenceOp } from "../../ops/recurrent/recurrence.ts";
import type { Case, Check, Leaf } from "../check.ts";

const [N, T, F, H] = [17, 5, 3, 9];
const lengths: Leaf = { shape: [N], dtype: "i32", data: Array.from({ length: N }, (_, n) => n % (T + 2)) };

const caseOf = (kind: CellKind, gates: number): Case => ({
  name: `${kind} of ${H} units`,
  leaves: [[N, T, F], [gates * H, F], [gates * H, H], [gates * H], [N, H]]
    .map((shape): Leaf => ({ shape }))
    .concat(lengths),
  build: (x, weightIh, weightHh, biasHh, h0, steps) => {
    const weights = { weightIh, weightHh, biasHh };
    const options = { h0, lengths: steps, reverse: kind === "gru" };
    const { output, h, c } = recurrence(kind, x, weights, options);
    return { outputs: [output, h, c] };
  },
});

export const recurrentChecks: readonly Check[] = [
  {
    op: "recurrence",
    // Errors of activations (1e-5 each) add up over steps.
    atol: 1e-4,
    rtol: 1e-4,
    force: [recurrenceOp, recurrenceBackwardOp],
    forcedOnSoftware: 1,
    cases: [caseOf("lstm", 4), caseOf("gru", 3), caseOf("rnnTanh", 1), caseOf("rnnRelu", 1)],
  },
];
