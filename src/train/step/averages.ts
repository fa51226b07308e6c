/** The averaged weights in place of the latest, for a while. */
import { GraphError } from "../../common/errors.ts";
import { packLayout } from "../../graph/pack-layout.ts";
import type { Data } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { AVERAGE, type RunStates } from "../state/run-states.ts";

/** Where values of states come from and go to. */
interface Access {
  read(tensors: readonly Tensor[]): Promise<ReadonlyMap<Tensor, Data>>;
  write(tensor: Tensor, data: Data): void;
}

/** Does `work` with averages as of `step`; the latest weights come back afterwards. Throws GraphError where there are none. */
export async function withAveraged<T>(
  states: RunStates,
  { read, write }: Access,
  step: number,
  work: () => Promise<T>,
): Promise<T> {
  const average = states.packed.get(AVERAGE);
  if (average === undefined) throw new GraphError("trainer: averages need an optimizer with averageDecay");
  const parameters = [...states.parameters.values()];
  const latest = await read([...parameters, average]);
  const averages = latest.get(average) as Data;
  const { offsets } = packLayout(parameters.map((t) => t.size));
  try {
    // Before the first step there is no average yet.
    if (step > 0) {
      parameters.forEach((t, i) => {
        const at = offsets[i] as number;
        write(t, averages.slice(at, at + t.size));
      });
    }
    return await work();
  } finally {
    for (const t of parameters) write(t, latest.get(t) as Data);
  }
}
