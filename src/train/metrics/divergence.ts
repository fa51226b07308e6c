/** Weights that are still numbers: looked at whenever they come to host memory, since no loss tells of the last update. */
import type { Data } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { RunStates } from "../state/run-states.ts";
import { DivergedError } from "./accumulator.ts";

/** Names that a message lists. */
const NAMED = 5;

/**
 * Throws DivergedError naming every parameter with a NaN or an infinity among `values`, and every buffer with a NaN, after
 * `step` steps.
 */
export function checkFinite(
  { parameters, buffers }: Pick<RunStates, "parameters" | "buffers">,
  values: ReadonlyMap<Tensor, Data>,
  step: number,
): void {
  const bad: string[] = [];
  const look = (named: ReadonlyMap<string, Tensor>, isBad: (x: number) => boolean) => {
    for (const [name, tensor] of named) {
      const data = values.get(tensor) ?? [];
      let count = 0;
      for (let i = 0; i < data.length; i++) if (isBad(data[i] as number)) count++;
      if (count > 0) bad.push(`${name} (${count} of ${data.length} values)`);
    }
  };
  look(parameters, (x) => !Number.isFinite(x));
  look(buffers, Number.isNaN);
  if (bad.length === 0) return;
  if (bad.length > NAMED) bad.splice(NAMED, bad.length, `${bad.length - NAMED} more`);
  throw new DivergedError(
    `training: NaN or infinite after step ${step}: ${bad.join(", ")}; try a smaller learning rate, and check the data`,
  );
}
