/** LeNet-5's training step, Adam, batch 64, from the golden start weights on the golden images. */
import { readFile } from "node:fs/promises";
import {
  type Data,
  type GpuBackend,
  gradients,
  input,
  io,
  nn,
  ops,
  optim,
  recipes,
  state,
} from "../src/index.ts";
import { type Timing, time } from "./measure.ts";

const GOLDEN = new URL("../test/fixtures/golden/lenet5/", import.meta.url);
const LOSS_TOLERANCE = 1e-4;

export interface StepResult extends Timing {
  readonly right: boolean;
  readonly worstLoss: number;
  readonly dispatches: number;
  /** From the first line of this file's work to the end of the first step. */
  readonly firstStep: number;
  /** Milliseconds of each dispatch by the adapter's clock; none without timestamp-query. */
  readonly kernels: readonly { readonly label: string; readonly milliseconds: number }[];
}

export async function benchLenet5(device: GpuBackend): Promise<StepResult> {
  const begun = performance.now();
  const golden = JSON.parse(await readFile(new URL("trajectory.json", GOLDEN), "utf8")) as {
    loss_before_each_step: number[];
  };
  const read = async (name: string) => io.readSafetensors(await readFile(new URL(name, GOLDEN))).tensors;
  const weights = [...(await read("initial_weights.safetensors"))];
  const batch = await read("images.safetensors");

  const model = recipes.lenet5();
  const parameters = [...nn.namedParameters(model).values()];
  const x = input([64, 1, 28, 28]);
  const labels = input([64], "i32");
  const { loss } = ops.crossEntropy(model.forward(x), labels);
  const step = state([1], 0, "u32", "step");
  const adam = optim.adam({ learningRate: 1e-3 });
  const updates = [
    ...adam.updates(parameters, gradients(loss, parameters), adam.states(parameters), step),
    ops.record(state([1, 1]), step, [loss]),
  ];
  const program = await device.compile({ outputs: [loss], updates });
  device.write(x, batch.get("images")?.data as Data);
  device.write(labels, batch.get("labels")?.data as Data);
  // The golden file lists conv1, conv2, fc1, fc2, fc3 by name; the model holds them in that order.
  const sorted = weights.map(([name, t]) => ({ name, data: t.data as Data }));
  const order = ["conv1", "conv2", "fc1", "fc2", "fc3"].flatMap((l) => [`${l}.weight`, `${l}.bias`]);
  order.forEach((name, i) => {
    const parameter = parameters[i];
    const value = sorted.find((w) => w.name === name);
    if (parameter !== undefined && value !== undefined) device.write(parameter, value.data);
  });

  let worstLoss = 0;
  let firstStep = 0;
  for (const expected of golden.loss_before_each_step) {
    program.run();
    const got = (await program.read(loss))[0] as number;
    if (firstStep === 0) firstStep = performance.now() - begun;
    worstLoss = Math.max(worstLoss, Math.abs(got / expected - 1));
  }
  const timing = await time(program, 11);
  const kernels = device.device.timestamps ? await medianProfile(() => program.profile()) : [];
  const { dispatches } = program.describe();
  program.destroy();
  return { right: worstLoss < LOSS_TOLERANCE, worstLoss, dispatches, firstStep, ...timing, kernels };
}

async function medianProfile(
  profile: () => Promise<{ label: string; milliseconds: number }[]>,
): Promise<{ label: string; milliseconds: number }[]> {
  const rounds: Awaited<ReturnType<typeof profile>>[] = [];
  for (let i = 0; i < 9; i++) rounds.push(await profile());
  return (rounds[0] ?? []).map(({ label }, k) => {
    const times = rounds.map((r) => r[k]?.milliseconds ?? 0).sort((a, b) => a - b);
    return { label, milliseconds: times[times.length >> 1] as number };
  });
}
