/** Optimizers against torch.optim: 20 steps from the fixture of test/fixtures/torch/optimizers.py, on both backends. */
import { it } from "vitest";
import { sizeOf } from "../../src/graph/spec.ts";
import { constant, ops, optim, parameter } from "../../src/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { expectClose } from "../support/close.ts";
import { readJsonFixture } from "../support/fixtures.ts";

interface Fixture {
  readonly at: readonly number[];
  readonly cases: readonly {
    readonly name: "Adadelta" | "Adamax" | "NAdam" | "RAdam" | "Adam" | "AdamW";
    readonly options: Readonly<Record<string, never>>;
    readonly parameters: readonly (readonly (readonly number[])[])[];
  }[];
}

const { at, cases } = await readJsonFixture<Fixture>("torch/optimizers.json");
const make = {
  Adadelta: optim.adadelta,
  Adamax: optim.adamax,
  NAdam: optim.nadam,
  RAdam: optim.radam,
  Adam: optim.adam,
  AdamW: optim.adamw,
};
const names: Readonly<Record<string, string>> = {
  lr: "learningRate",
  weight_decay: "weightDecay",
  momentum_decay: "momentumDecay",
};

const shapes = [[5], [2, 3]];
const values = (shape: readonly number[], phase: number) =>
  Float64Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(1.7 * i + phase));

it.each(cases)("$name $options", async ({ name, options, parameters: expected }) => {
  const given = Object.fromEntries(Object.entries(options).map(([key, v]) => [names[key] ?? key, v]));
  // Square roots, quotients and powers in float32 over 20 steps.
  const backends: [Backend, number][] = [
    // PyTorch keeps the product of NAdam's momenta in float32.
    [new CpuBackend({ bits: 64 }), name === "NAdam" ? 1e-7 : 1e-9],
    [await gpuBackend(), 5e-6],
  ];
  for (const [device, tolerance] of backends) {
    const parameters = shapes.map((shape, i) => parameter(shape, values(shape, i)));
    const loss = parameters
      .map((p, i) => {
        const weight = constant(values(p.shape, 5 + i), p.shape);
        const target = constant(values(p.shape, 8 + i), p.shape);
        return ops.sum(ops.mul(ops.add(weight, 1.2), ops.square(ops.sub(p, target))));
      })
      .reduce((a, b) => ops.add(a, b));
    const { updates } = make[name](given).minimize(loss, parameters);
    const program = await device.compile({ outputs: [], updates });
    let done = 0;
    for (const [i, step] of at.entries()) {
      program.run(step - done);
      done = step;
      for (const [j, p] of parameters.entries()) {
        const title = `${device.kind}, step ${step}, parameter ${j}`;
        const tolerances = { atol: tolerance, rtol: tolerance };
        expectClose(title, await device.read(p), expected[i]![j]!, p.shape, tolerances);
      }
    }
  }
});
