/** Runs an update on given tensors, on any backend, and reads what it changed. */

import { Random } from "../../src/common/random.ts";
import type { Data } from "../../src/graph/spec.ts";
import { type Node, state, type Tensor } from "../../src/graph/tensor.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
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
export async function runUpdate(
  backend: Backend,
  update: Node,
  changed: readonly Tensor[],
  variant?: string,
): Promise<Data[]> {
  const variants = variant === undefined ? {} : { [update.op.name]: variant };
  const program = await backend.compile({ outputs: [], updates: [update] }, { variants });
  program.run();
  const values: Data[] = [];
  for (const t of changed) values.push(await backend.read(t));
  return values;
}

/** Fails unless every kernel variant of `update` changes states as its CPU body does in float64. */
export async function checkUpdate(
  name: string,
  build: () => { update: Node; changed: readonly Tensor[] },
  tolerance: Tolerance = {},
): Promise<void> {
  for (const variant of build().update.op.variants) {
    const { update, changed } = build();
    const expected = await runUpdate(new CpuBackend({ bits: 64 }), update, changed);
    const actual = await runUpdate(await gpuBackend(), update, changed, variant);
    changed.forEach((t, i) => {
      const title = `${name} (${variant}), ${t.label}`;
      expectClose(title, actual[i] as Data, expected[i] as Data, t.shape, tolerance);
    });
  }
}
