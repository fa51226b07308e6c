/** Checks training as a whole: two steps of LeNet-5 on the device and on the 64-bit CPU reference, weights compared. */

import type { Dataset } from "../data/dataset.ts";
import type { Data } from "../graph/spec.ts";
import { Random } from "../numbers/random.ts";
import { sgd } from "../optim/sgd.ts";
import { lenet5Recipe } from "../recipes/lenet5.ts";
import type { Backend } from "../runtime/backend.ts";
import { CpuBackend } from "../runtime/cpu/backend.ts";
import { Trainer } from "../train/loop/trainer.ts";
import { Errors, type OnResult } from "./run-check.ts";

const BATCH = 8;
const STEPS = 2;

/** Its name in the report. */
export const WHOLE_STEPS = `LeNet-5, ${STEPS} steps`;

/** Gradients are sums over 8 * 784 products; a step multiplies their rounding errors by the learning rate. */
const TOLERANCE = { atol: 1e-5, rtol: 1e-4 };

const forConvolutions = (variant: string) => ({
  conv2d: variant,
  conv2dBackwardInput: variant,
  conv2dBackwardWeight: variant,
});
const runs = { fused: {}, direct: forConvolutions("direct"), im2col: forConvolutions("im2col") };

export async function runWholeSteps(backend: Backend, onResult: OnResult): Promise<void> {
  let since = performance.now();
  const reference = new CpuBackend({ bits: 64 });
  const expected = await weightsAfter(reference, {});
  await reference.close();
  for (const [name, variants] of Object.entries(runs)) {
    const errors = new Errors();
    try {
      const actual = await weightsAfter(backend, variants);
      for (const [weight, { shape, data }] of expected) {
        errors.compare(weight, actual.get(weight)?.data as Data, data, shape, TOLERANCE);
      }
    } catch (error) {
      errors.fail(error);
    }
    await onResult(errors.result(WHOLE_STEPS, name, 1, since));
    since = performance.now();
  }
}

async function weightsAfter(backend: Backend, variants: Readonly<Record<string, string>>) {
  const trainer = await Trainer.create(backend, {
    model: lenet5Recipe.model(),
    loss: lenet5Recipe.loss(),
    // Not Adam: its first steps turn a rounding error in a gradient near zero into a step of another size. A large rate
    // makes the weights move by much more than the tolerance.
    optimizer: sgd({ learningRate: 0.5, momentum: 0.9 }),
    batchSize: BATCH,
    seed: 3,
    variants,
  });
  await trainer.fit(randomImages(), { epochs: 1 });
  const weights = new Map<string, { readonly shape: readonly number[]; readonly data: Data }>();
  for (const [name, tensor] of trainer.parameters) {
    weights.set(name, { shape: tensor.shape, data: await backend.read(tensor) });
  }
  return weights;
}

/** Random pixels, because regular ones would let errors cancel out. */
function randomImages(): Dataset {
  const count = BATCH * STEPS;
  const random = new Random(5, 0);
  const pixels = Uint8Array.from({ length: count * 784 }, () => random.uniform() * 256);
  return {
    name: "doctor",
    split: "train",
    count,
    inputs: { data: pixels, shape: [1, 28, 28], scale: 1 / 255 },
    labels: Int32Array.from({ length: count }, (_, i) => i % 10),
    classes: 10,
  };
}
