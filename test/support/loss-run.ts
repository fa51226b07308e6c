/** Values and gradients of a loss of several inputs, for tests of losses at special values. */
import { gradients } from "../../src/autograd.ts";
import { constant, input, type Tensor } from "../../src/graph/tensor.ts";
import type { Backend } from "../../src/runtime/backend.ts";

/** The loss of `inputs`, rows of equal length (or single numbers), and its gradients by them. */
export async function lossOf(
  backend: Backend,
  build: (...inputs: Tensor[]) => Tensor,
  inputs: readonly (readonly (number | readonly number[])[])[],
): Promise<{ loss: number[]; gradients: number[][] }> {
  const leaves = inputs.map((rows) =>
    input([rows.length, ...(Array.isArray(rows[0]) ? [rows[0].length as number] : [])]),
  );
  const loss = build(...leaves);
  const seed = constant(new Float32Array(loss.size).fill(1), loss.shape);
  const slopes = gradients(loss, leaves, seed);
  const program = await backend.compile({ outputs: [loss, ...slopes] });
  leaves.forEach((leaf, i) => {
    backend.write(leaf, Float32Array.from(inputs[i]!.flat()));
  });
  program.run();
  const read = async (t: Tensor) => [...(await program.read(t))];
  return { loss: await read(loss), gradients: await Promise.all(slopes.map(read)) };
}

/** f32 [N]. */
export const weightsOf = (...values: number[]): Tensor => constant(Float32Array.from(values));
