/**
 * What every optimizer can do: parameter groups and decay filters, gradient accumulation, averaged weights, schedules;
 * against float64 loops, and many steps in one submit against one by one.
 */
import { describe, expect, it } from "vitest";
import { packLayout } from "../../src/graph/pack-layout.ts";
import { type Shape, sizeOf } from "../../src/graph/spec.ts";
import { input, parameter, state, type Tensor } from "../../src/graph/tensor.ts";
import { record } from "../../src/ops/data/record.ts";
import { mul } from "../../src/ops/elementwise/arithmetic.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { adagrad } from "../../src/optim/adagrad.ts";
import { adam, adamw } from "../../src/optim/adam.ts";
import { lion } from "../../src/optim/lion.ts";
import { type CommonOptions, decaysWeights, type Optimizer } from "../../src/optim/optimizer.ts";
import { rmsprop } from "../../src/optim/rmsprop.ts";
import { cosine } from "../../src/optim/schedules.ts";
import { sgd } from "../../src/optim/sgd.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { expectClose } from "../support/close.ts";
import { numbers } from "../support/update-run.ts";

const STEPS = 60;
const shapes: readonly Shape[] = [[3, 5], [5], [1, 70], [70]];
const names = ["0.weight", "0.bias", "1.weight", "1.bias"];
const gradAt = (step: number, i: number) => numbers(sizeOf(shapes[i] as Shape), 500 + step * 10 + i);

interface Run {
  readonly parameters: readonly (readonly number[])[];
  readonly average: readonly (readonly number[])[] | undefined;
}

/** Trains on given gradients; `submits` says how many steps go into each submit, all with the gradients of step 0. */
async function train(backend: Backend, optimizer: Optimizer, submits?: readonly number[]): Promise<Run> {
  const parameters = shapes.map((shape, i) => parameter(shape, numbers(sizeOf(shape), i), `p${i}`));
  const grads = shapes.map((shape, i) => input(shape, "f32", `g${i}`));
  const [step, ring] = [state([1], 0, "u32", "step"), state([64, 1])];
  const states = optimizer.states(parameters, names);
  const computed = grads.map((g) => mul(g, 1));
  const program = await backend.compile({
    outputs: [],
    updates: [
      ...optimizer.updates(parameters, computed, states, step),
      record(ring, step, [sum(computed[0] as Tensor)]),
    ],
  });
  const write = (i: number) => {
    grads.forEach((g, j) => {
      backend.write(g, gradAt(i, j));
    });
  };
  write(0);
  if (submits !== undefined) for (const times of submits) program.run(times);
  else {
    for (let i = 0; i < STEPS; i++) {
      write(i);
      program.run();
    }
  }
  const values: number[][] = [];
  for (const p of parameters) values.push([...(await backend.read(p))]);
  const { offsets } = packLayout(shapes.map(sizeOf));
  const pack = states.packed.average && (await backend.read(states.packed.average));
  const average = pack && offsets.map((at, i) => [...pack.slice(at, at + sizeOf(shapes[i] as Shape))]);
  return { parameters: values, average };
}

type Rule = (p: number, g: number, decay: number, rate: number, slots: number[], t: number) => number;
const LR = 0.01;
const rules: Readonly<
  Record<string, readonly [(o: CommonOptions & { weightDecay?: number }) => Optimizer, Rule]>
> = {
  sgd: [(o) => sgd({ learningRate: LR, ...o }), (p, g, decay, rate) => p - LR * rate * (g + decay * p)],
  "sgd with momentum": [
    (o) => sgd({ learningRate: LR, momentum: 0.9, ...o }),
    (p, g, decay, rate, slots) => {
      const d = g + decay * p;
      slots[0] = slots[0] === undefined ? d : 0.9 * slots[0] + d;
      return p - LR * rate * slots[0];
    },
  ],
  adam: [(o) => adam({ learningRate: LR, ...o }), adamRule(false)],
  adamw: [(o) => adamw({ learningRate: LR, ...o }), adamRule(true)],
  rmsprop: [
    (o) => rmsprop({ learningRate: LR, ...o }),
    (p, g, decay, rate, slots) => {
      const d = g + decay * p;
      slots[0] = 0.99 * (slots[0] ?? 0) + 0.01 * d * d;
      return p - (LR * rate * d) / (Math.sqrt(slots[0]) + 1e-8);
    },
  ],
  adagrad: [
    (o) => adagrad({ learningRate: LR, learningRateDecay: 0.1, ...o }),
    (p, g, decay, rate, slots, t) => {
      const d = g + decay * p;
      slots[0] = (slots[0] ?? 0) + d * d;
      return p - ((LR * rate) / (1 + 0.1 * t)) * (d / (Math.sqrt(slots[0]) + 1e-10));
    },
  ],
  lion: [
    (o) => lion({ learningRate: LR, ...o }),
    (p, g, decay, rate, slots) => {
      const direction = Math.sign(0.9 * (slots[0] ?? 0) + 0.1 * g);
      slots[0] = 0.99 * (slots[0] ?? 0) + 0.01 * g;
      return p - LR * rate * (direction + decay * p);
    },
  ],
};

function adamRule(decoupled: boolean): Rule {
  return (p, g, decay, rate, slots, t) => {
    const d = decoupled ? g : g + decay * p;
    slots[0] = 0.9 * (slots[0] ?? 0) + 0.1 * d;
    slots[1] = 0.999 * (slots[1] ?? 0) + 0.001 * d * d;
    const change = slots[0] / (1 - 0.9 ** (t + 1)) / (Math.sqrt(slots[1] / (1 - 0.999 ** (t + 1))) + 1e-8);
    return p - LR * rate * (change + (decoupled ? decay * p : 0));
  };
}

/** The same training in float64: `every` steps to an update, group of parameter i, memory of the average. */
function reference(
  rule: Rule,
  every: number,
  group: (i: number) => readonly [number, number],
  memory = 0,
): Run {
  const values = shapes.map((shape, i) => Float64Array.from(numbers(sizeOf(shape), i)));
  const average = values.map((v) => v.slice());
  values.forEach((data, i) => {
    const [decay, rate] = group(i);
    const slots = Array.from(data, () => [] as number[]);
    const kept = new Float64Array(data.length);
    for (let step = 0; step < STEPS; step++) {
      const g = gradAt(step, i);
      kept.forEach((k, e) => {
        kept[e] = k + g[e]! / every;
      });
      if ((step + 1) % every !== 0) continue;
      const t = Math.floor(step / every);
      data.forEach((p, e) => {
        data[e] = rule(p, kept[e]!, decay, rate, slots[e]!, t);
        average[i]![e] = t === 0 ? data[e] : memory * average[i]![e]! + (1 - memory) * data[e];
      });
      kept.fill(0);
    }
  });
  return { parameters: values.map((v) => [...v]), average: average.map((v) => [...v]) };
}

function compare(name: string, actual: Run, expected: Run, tolerance: { atol: number; rtol: number }) {
  shapes.forEach((shape, i) => {
    expectClose(`${name}, ${names[i]}`, actual.parameters[i]!, expected.parameters[i]!, shape, tolerance);
    if (actual.average !== undefined) {
      expectClose(
        `${name}, average of ${names[i]}`,
        actual.average[i]!,
        expected.average![i]!,
        shape,
        tolerance,
      );
    }
  });
}

const options: CommonOptions & { weightDecay: number } = {
  weightDecay: 0.1,
  weightDecayFilter: decaysWeights,
  groups: [{ filter: (name) => name.startsWith("1."), learningRateFactor: 0.5, weightDecay: 0.3 }],
  accumulate: 3,
  averageDecay: 0.8,
};
// Biases have no decay; the second layer has its own, and half the rate.
const group = (i: number) => [i % 2 === 1 ? 0 : i === 2 ? 0.3 : 0.1, i < 2 ? 1 : 0.5] as const;

describe("groups, decay filter, accumulation over 3 steps and averages", () => {
  for (const [name, [make, rule]] of Object.entries(rules)) {
    it(`${name}: CPU reference in float64`, async () => {
      const actual = await train(new CpuBackend({ bits: 64 }), make(options));
      // Constants (decays, rates) are float64 too, but lr states hold what float64 holds.
      compare(name, actual, reference(rule, 3, group, 0.8), { atol: 1e-9, rtol: 1e-9 });
    });
    it(`${name}: WebGPU`, async () => {
      const actual = await train(await gpuBackend(), make(options));
      // Roundings of 60 steps; Lion's steps have one length, so a sign that rounds differently would show as 1e-2.
      compare(name, actual, reference(rule, 3, group, 0.8), { atol: 1e-5, rtol: 1e-5 });
    });
    it(`${name}: many steps in one submit, the same bits`, async () => {
      const gpu = await gpuBackend();
      const schedule = cosine({ learningRate: LR, steps: 20 });
      const optimizer = () =>
        name.startsWith("sgd")
          ? sgd({ ...options, learningRate: schedule, momentum: name === "sgd" ? 0 : 0.9 })
          : make({ ...options, learningRate: schedule } as CommonOptions);
      const single = await train(gpu, optimizer(), Array<number>(50).fill(1));
      expect(await train(gpu, optimizer(), [50])).toEqual(single);
      expect(await train(gpu, optimizer(), [1, 10, 39])).toEqual(single);
    });
  }
});

it("an optimizer without groups has no more states, and assigns each once", () => {
  const p = [parameter([4, 4])];
  const plain = adam();
  const states = plain.states(p);
  expect(Object.keys(states.packed)).toEqual(["m", "v"]);
  expect(states.groups).toBeUndefined();
  const updates = plain.updates(p, [mul(p[0] as Tensor, 1)], states, input([1], "u32"));
  expect(updates.map(({ op }) => op.name)).toEqual(["assign", "assign", "assign", "flagNonFinite"]);
});
