/** Runs an update on given tensors, on any backend, and reads what it changed. */
import type { Backend } from "../../src/backend.ts";
import { CpuBackend } from "../../src/cpu/backend.ts";
import { Random } from "../../src/random.ts";
import { type Data, type Node, state, type Tensor } from "../../src/tensor.ts";
import { gpuBackend } from "./backend.ts";
import { expectClose, type Tolerance } from "./close.ts";

export const numbers = (length: number, stream: number, low = -1, high = 1) => {
  const random = new Random(5, stream);
  return Float32Array.from({ length }, () => random.uniform(low, high));
};

/** A state that starts as `data`. */
export const stateOf = (data: Data | readonly number[], label = "state"): Tensor => {
  const values = Array.isArray(data) ? Float32Array.from(data) : (data as Data);
  return state([values.length], values, values instanceof Uint32Array ? "u32" : "f32", label);
};

/** Runs the update once and reads `changed`. */
export async function runUpdate(backend: Backend, update: Node, changed: readonly Tensor[]): Promise<Data[]> {
  const program = await backend.compile({ outputs: [], updates: [update] });
  program.run();
  const values: Data[] = [];
  for (const t of changed) values.push(await backend.read(t));
  return values;
}

/** Fails unless the kernel of `update` changes states as its CPU body does in float64. */
export async function checkUpdate(
  name: string,
  build: () => { update: Node; changed: readonly Tensor[] },
  tolerance: Tolerance = {},
): Promise<void> {
  const { update, changed } = build();
  const expected = await runUpdate(new CpuBackend({ bits: 64 }), update, changed);
  const actual = await runUpdate(await gpuBackend(), update, changed);
  changed.forEach((t, i) => {
    expectClose(`${name}, ${t.label}`, actual[i] as Data, expected[i] as Data, t.shape, tolerance);
  });
}
