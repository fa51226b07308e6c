/** A whole training run in small: two steps of LeNet-5 on the device and on the 64-bit CPU reference, weights compared. */

import { DeviceLostError } from "../common/errors.ts";
import { Random } from "../common/random.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Data } from "../graph/spec.ts";
import type { Tensor } from "../graph/tensor.ts";
import { sgd } from "../optim/sgd.ts";
import { lenet5Recipe } from "../recipes/lenet5.ts";
import type { Backend } from "../runtime/backend.ts";
import { CpuBackend } from "../runtime/cpu/backend.ts";
import { Trainer } from "../train/loop/trainer.ts";
import { compare } from "./compare.ts";
import type { DoctorResult } from "./run-check.ts";

const BATCH = 8;
const STEPS = 2;

/** As the report calls it. */
export const WHOLE_STEPS = `LeNet-5, ${STEPS} steps`;

/**
 * Gradient descent, whose steps are as exact as the gradients; Adam's first ones turn a rounding error in a gradient
 * near zero into a step of another size. A large rate makes the weights move by much more than is tolerated.
 */
const optimizer = () => sgd({ learningRate: 0.5, momentum: 0.9 });
// Gradients are sums over 8 * 784 products; a step multiplies their rounding by the learning rate.
const tolerance = { atol: 1e-5, rtol: 1e-4 };

const kinds: readonly (readonly [variant: string, variants: Readonly<Record<string, string>>])[] = [
  ["fused", {}],
  ...["direct", "im2col"].map(
    (kind) => [kind, { conv2d: kind, conv2dBackwardInput: kind, conv2dBackwardWeight: kind }] as const,
  ),
];

export async function runWholeSteps(
  backend: Backend,
  onResult: (result: DoctorResult) => void | Promise<void>,
): Promise<void> {
  const reference = new CpuBackend({ bits: 64 });
  let since = performance.now();
  const expected = await weightsAfter(reference, {});
  await reference.close();
  for (const [variant, variants] of kinds) {
    const failures: string[] = [];
    let worst = 0;
    try {
      const actual = await weightsAfter(backend, variants);
      for (const [name, { tensor, data }] of expected) {
        const found = compare(actual.get(name)?.data as Data, data, tensor.shape, tolerance);
        worst = Math.max(worst, found.worst);
        if (found.difference !== undefined) failures.push(`${name}: ${found.difference}`);
      }
    } catch (error) {
      if (error instanceof DeviceLostError) throw error;
      worst = Number.POSITIVE_INFINITY;
      failures.push(error instanceof Error ? error.message : String(error));
    }
    const now = performance.now();
    const counts = { cases: 1, worst, ok: failures.length === 0, milliseconds: now - since };
    since = now;
    await onResult({ op: WHOLE_STEPS, variant, ...counts, failures });
  }
}

async function weightsAfter(
  backend: Backend,
  variants: Readonly<Record<string, string>>,
): Promise<Map<string, { tensor: Tensor; data: Data }>> {
  const trainer = await Trainer.create(backend, {
    model: lenet5Recipe.model(),
    loss: lenet5Recipe.loss(),
    optimizer: optimizer(),
    batchSize: BATCH,
    seed: 3,
    variants,
  });
  await trainer.fit(noisyDigits(), { epochs: 1 });
  const weights = new Map<string, { tensor: Tensor; data: Data }>();
  for (const [name, tensor] of trainer.parameters)
    weights.set(name, { tensor, data: await backend.read(tensor) });
  return weights;
}

/** Random pixels, so that nothing cancels out by regularity. */
function noisyDigits(): Dataset {
  const count = BATCH * STEPS;
  const random = new Random(5, 0);
  return {
    name: "doctor",
    split: "train",
    count,
    inputs: {
      data: Uint8Array.from({ length: count * 784 }, () => random.uniform() * 256),
      shape: [1, 28, 28],
      scale: 1 / 255,
    },
    labels: Int32Array.from({ length: count }, (_, i) => i % 10),
    classes: 10,
  };
}
