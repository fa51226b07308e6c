/** Detects runs that diverged: a loss, or weights, that are NaN or infinite. */

import type { Data } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { WeftError } from "../../validation/errors.ts";
import type { RunStates } from "../state/run-states.ts";

/** A loss or a weight is NaN or infinite. */
export class DivergedError extends WeftError {
  override readonly name = "DivergedError";
}

/** Most parameters that a message names. */
const MOST_NAMED = 5;

/** The error for a loss that is not finite at `step`, counted from 1; `of`: whose loss. No update has been made before step 1. */
export function divergedLoss(
  work: "training" | "evaluation",
  loss: number,
  step: number,
  of = "",
): DivergedError {
  if (work === "evaluation")
    return new DivergedError(
      `evaluation: the loss${of} of batch ${step} is ${loss}; check the weights and the data`,
    );
  const advice =
    step === 1
      ? ", before any update; check the data, the labels and the first weights"
      : "; try a smaller learning rate, and check the data";
  return new DivergedError(`training: the loss${of} became ${loss} at step ${step}${advice}`);
}

/**
 * Throws DivergedError that names every parameter with a NaN or an infinity among `values`, and every buffer with a NaN, after
 * `step` steps. The loss of a step does not show what its update did, so values are checked whenever they are read.
 */
export function checkFinite(
  { parameters, buffers }: Pick<RunStates, "parameters" | "buffers">,
  values: ReadonlyMap<Tensor, Data>,
  step: number,
): void {
  const bad: string[] = [];
  const check = (named: ReadonlyMap<string, Tensor>, isBad: (x: number) => boolean) => {
    for (const [name, tensor] of named) {
      const data = values.get(tensor) ?? [];
      let count = 0;
      for (let i = 0; i < data.length; i++) if (isBad(data[i] as number)) count++;
      if (count > 0) bad.push(`${name} (${count} of ${data.length} values)`);
    }
  };
  check(parameters, (x) => !Number.isFinite(x));
  check(buffers, Number.isNaN);
  if (bad.length === 0) return;
  if (bad.length > MOST_NAMED) bad.splice(MOST_NAMED, bad.length, `${bad.length - MOST_NAMED} more`);
  throw new DivergedError(
    `training: NaN or infinite after step ${step}: ${bad.join(", ")}; try a smaller learning rate, and check the data`,
  );
}
