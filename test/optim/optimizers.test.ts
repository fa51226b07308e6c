/**
 * Optimizers against plain float64 loops written after PyTorch's documentation, over 100 steps with a changing learning
 * rate; and many steps in one submit against one by one, bit for bit.
 */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { type Shape, sizeOf } from "../../src/graph/spec.ts";
import { constant, input, parameter, state, type Tensor } from "../../src/graph/tensor.ts";
import { record } from "../../src/ops/data/record.ts";
import { add, mul, square, sub } from "../../src/ops/elementwise/arithmetic.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { assign } from "../../src/ops/state/assign.ts";
import { type AdagradOptions, adagrad } from "../../src/optim/adagrad.ts";
import { type AdamOptions, adam, adamw } from "../../src/optim/adam.ts";
import { type LionOptions, lion } from "../../src/optim/lion.ts";
import type { Optimizer } from "../../src/optim/optimizer.ts";
import { type RmspropOptions, rmsprop } from "../../src/optim/rmsprop.ts";
import { type SgdOptions, sgd } from "../../src/optim/sgd.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { expectClose } from "../support/close.ts";
import { numbers } from "../support/update-run.ts";

const STEPS = 100;
const shapes: readonly Shape[] = [[7], [3, 5, 5], [64], [1]];
const rateAt = (step: number) => 0.02 / (1 + Math.floor(step / 10)) + (step % 3) * 0.001;
const gradAt = (step: number, i: number) => numbers(sizeOf(shapes[i] as Shape), 1000 + step * 10 + i);

/** One element's step: returns the new parameter. `slots` keeps what is remembered. */
type Loop = (p: number, g: number, t: number, lr: number, slots: number[]) => number;

const sgdLoop =
  ({
    momentum = 0,
    dampening = 0,
    nesterov = false,
    weightDecay = 0,
    maximize = false,
  }: Partial<SgdOptions>): Loop =>
  (p, g, t, lr, slots) => {
    let d = maximize ? -g : g;
    if (weightDecay !== 0) d = d + weightDecay * p;
    if (momentum !== 0) {
      slots[0] = t > 1 ? momentum * slots[0]! + (1 - dampening) * d : d;
      d = nesterov ? d + momentum * slots[0]! : slots[0]!;
    }
    return p - lr * d;
  };

const adamLoop =
  (options: AdamOptions, decay: number, decoupled: boolean): Loop =>
  (p, g, t, lr, slots) => {
    const { betas: [b1, b2] = [0.9, 0.999], eps = 1e-8, weightDecay = decay, maximize = false } = options;
    let d = maximize ? -g : g;
    let from = p;
    if (decoupled) from = p - lr * weightDecay * p;
    else if (weightDecay !== 0) d = d + weightDecay * p;
    slots[0] = b1 * (slots[0] ?? 0) + (1 - b1) * d;
    slots[1] = b2 * (slots[1] ?? 0) + (1 - b2) * d * d;
    const mHat = slots[0] / (1 - b1 ** t);
    const vHat = slots[1] / (1 - b2 ** t);
    return from - (lr * mHat) / (Math.sqrt(vHat) + eps);
  };

const rmspropLoop =
  (options: RmspropOptions): Loop =>
  (p, g, _t, lr, slots) => {
    const {
      alpha = 0.99,
      eps = 1e-8,
      momentum = 0,
      centered = false,
      weightDecay = 0,
      maximize = false,
    } = options;
    const d = (maximize ? -g : g) + weightDecay * p;
    slots[0] = alpha * (slots[0] ?? 0) + (1 - alpha) * d * d;
    slots[1] = alpha * (slots[1] ?? 0) + (1 - alpha) * d;
    const average = Math.sqrt(centered ? slots[0] - slots[1] * slots[1] : slots[0]) + eps;
    if (momentum === 0) return p - (lr * d) / average;
    slots[2] = momentum * (slots[2] ?? 0) + d / average;
    return p - lr * slots[2];
  };

const adagradLoop =
  (options: AdagradOptions): Loop =>
  (p, g, t, lr, slots) => {
    const {
      learningRateDecay = 0,
      initialAccumulatorValue = 0,
      eps = 1e-10,
      weightDecay = 0,
      maximize = false,
    } = options;
    const d = (maximize ? -g : g) + weightDecay * p;
    slots[0] = (slots[0] ?? initialAccumulatorValue) + d * d;
    return p - ((lr / (1 + (t - 1) * learningRateDecay)) * d) / (Math.sqrt(slots[0]) + eps);
  };

const lionLoop =
  (options: LionOptions): Loop =>
  (p, g, _t, lr, slots) => {
    const { betas: [b1, b2] = [0.9, 0.99], weightDecay = 0, maximize = false } = options;
    const d = maximize ? -g : g;
    const direction = Math.sign(b1 * (slots[0] ?? 0) + (1 - b1) * d);
    slots[0] = b2 * (slots[0] ?? 0) + (1 - b2) * d;
    return p - lr * (direction + weightDecay * p);
  };

function reference(loop: Loop): Float64Array[] {
  const values = shapes.map((shape, i) => Float64Array.from(numbers(sizeOf(shape), i)));
  const slots = values.map((data) => Array.from(data, () => [] as number[]));
  for (let step = 0; step < STEPS; step++) {
    const lr = Math.fround(rateAt(step));
    values.forEach((data, i) => {
      const g = gradAt(step, i);
      data.forEach((p, e) => {
        data[e] = loop(p, g[e]!, step + 1, lr, slots[i]![e]!);
      });
    });
  }
  return values;
}

async function train(backend: Backend, optimizer: Optimizer): Promise<(Float32Array | Float64Array)[]> {
  const parameters = shapes.map((shape, i) => parameter(shape, numbers(sizeOf(shape), i), `p${i}`));
  const grads = shapes.map((shape, i) => input(shape, "f32", `g${i}`));
  const [step, ring] = [state([1], 0, "u32", "step"), state([2, 1])];
  const states = optimizer.states(parameters);
  // Computed gradients, as in real training: a gradient that is a leaf would be packed where it lies.
  const computed = grads.map((g) => mul(g, 1));
  const program = await backend.compile({
    outputs: [],
    updates: [
      ...optimizer.updates(parameters, computed, states, step),
      record(ring, step, [sum(computed[0] as Tensor)]),
    ],
  });
  for (let i = 0; i < STEPS; i++) {
    grads.forEach((g, j) => {
      backend.write(g, gradAt(i, j));
    });
    backend.write(states.learningRate, Float32Array.of(rateAt(i)));
    program.run();
  }
  const values: (Float32Array | Float64Array)[] = [];
  for (const p of parameters) values.push((await backend.read(p)) as Float32Array);
  return values;
}

const cases: readonly (readonly [string, Optimizer, Loop])[] = [
  ...(
    [
      ["sgd", {}],
      ["sgd, weight decay, maximize", { weightDecay: 0.1, maximize: true }],
      ["sgd, momentum", { momentum: 0.9 }],
      ["sgd, momentum, dampening, weight decay", { momentum: 0.9, dampening: 0.4, weightDecay: 0.05 }],
      ["sgd, Nesterov, weight decay", { momentum: 0.8, nesterov: true, weightDecay: 0.05 }],
    ] as const
  ).map(([name, o]) => [name, sgd({ learningRate: 9, ...o }), sgdLoop(o)] as const),
  ...(
    [
      ["adam", {}],
      ["adam, other betas and eps, maximize", { betas: [0.5, 0.9], eps: 1e-3, maximize: true }],
      ["adam, weight decay", { weightDecay: 0.1 }],
      ["adam, no memory", { betas: [0, 0], eps: 0.1 }],
    ] as const
  ).map(([name, o]) => [name, adam(o), adamLoop(o, 0, false)] as const),
  ["adamw", adamw(), adamLoop({}, 0.01, true)],
  ...(
    [
      ["rmsprop", {}],
      ["rmsprop, weight decay, maximize", { alpha: 0.9, eps: 1e-3, weightDecay: 0.1, maximize: true }],
      ["rmsprop, centered", { centered: true, eps: 1e-2 }],
      ["rmsprop, momentum", { momentum: 0.9 }],
      ["rmsprop, centered, momentum", { centered: true, momentum: 0.5, eps: 1e-2 }],
    ] as const
  ).map(([name, o]) => [name, rmsprop(o), rmspropLoop(o)] as const),
  ...(
    [
      ["adagrad", {}],
      [
        "adagrad, all options",
        {
          learningRateDecay: 0.01,
          initialAccumulatorValue: 0.5,
          eps: 1e-3,
          weightDecay: 0.1,
          maximize: true,
        },
      ],
    ] as const
  ).map(([name, o]) => [name, adagrad(o), adagradLoop(o)] as const),
  ...(
    [
      ["lion", {}],
      ["lion, all options", { betas: [0.8, 0.95], weightDecay: 0.1, maximize: true }],
    ] as const
  ).map(([name, o]) => [name, lion(o), lionLoop(o)] as const),
  ["adamw, strong decay", adamw({ weightDecay: 2 }), adamLoop({ weightDecay: 2 }, 0.01, true)],
];

describe(`${STEPS} steps`, () => {
  for (const [name, optimizer, loop] of cases) {
    it(`${name}: CPU reference in float64`, async () => {
      const expected = reference(loop);
      const actual = await train(new CpuBackend({ bits: 64 }), optimizer);
      expected.forEach((e, i) => {
        expectClose(`${name}, p${i}`, actual[i]!, e, shapes[i] as Shape, { atol: 1e-12, rtol: 1e-12 });
      });
    });
    it(`${name}: WebGPU`, async () => {
      const expected = reference(loop);
      const actual = await train(await gpuBackend(), optimizer);
      // A hundred roundings of float32 to nearest, and moments of which each carries its own.
      expected.forEach((e, i) => {
        expectClose(`${name}, p${i}`, actual[i]!, e, shapes[i] as Shape, { atol: 1e-5, rtol: 1e-5 });
      });
    });
  }
});

describe("many steps in one submit", () => {
  for (const [name, optimizer] of cases) {
    it(`${name}: the same bits as one by one, and no step alike`, async () => {
      const gpu = await gpuBackend();
      const run = async (submits: readonly number[]) => {
        const p = parameter([70], numbers(70, 1), "p");
        const target = constant(numbers(70, 2));
        const [step, ring, states] = [state([1], 0, "u32"), state([64, 2]), optimizer.states([p])];
        const loss = sum(square(sub(p, target)));
        const grads = gradients(loss, [p]);
        // The learning rate shrinks on the device by 2 % a step: frozen into the program, it would show.
        const decay = assign(states.learningRate, mul(states.learningRate, 0.98));
        const updates = [decay, ...optimizer.updates([p], grads, states, step)];
        const program = await gpu.compile({
          outputs: [],
          updates: [...updates, record(ring, step, [loss])],
        });
        gpu.write(states.learningRate, Float32Array.of(0.01));
        for (const times of submits) program.run(times);
        const values = { p: await gpu.read(p), ring: await gpu.read(ring) };
        return { ...values, rate: (await gpu.read(states.learningRate))[0] as number };
      };
      const single = await run(Array<number>(50).fill(1));
      const one = await run([50]);
      const uneven = await run([1, 7, 42]);
      expect(one).toEqual(single);
      expect(uneven).toEqual(single);
      expect(single.rate).toBeCloseTo(0.01 * 0.98 ** 50, 6);
      const losses = single.ring.filter((_, i) => i % 2 === 0).slice(0, 50);
      expect(new Set(losses).size).toBeGreaterThan(40);
    });
  }
});

describe("a learning rate on the device", () => {
  it("acts from the next run on", async () => {
    const gpu = await gpuBackend();
    const [p, g, step] = [parameter([4], 0), input([4]), state([1], 0, "u32")];
    const optimizer = sgd({ learningRate: 1 });
    const states = optimizer.states([p]);
    const program = await gpu.compile({
      outputs: [],
      updates: optimizer.updates([p], [add(g, 0)], states, step),
    });
    gpu.write(g, Float32Array.of(1, 2, 3, 4));
    program.run(2);
    gpu.write(states.learningRate, Float32Array.of(0.5));
    program.run(2);
    expect(Array.from(await gpu.read(p))).toEqual([-3, -6, -9, -12]);
  });
});

describe("refuses", () => {
  const p = parameter([2]);
  const refusals: readonly (readonly [string, () => unknown, RegExp])[] = [
    [
      "a rate below 0",
      () => sgd({ learningRate: -1 }),
      /sgd: learningRate must be a number at least 0, got -1/,
    ],
    [
      "no rate",
      () => sgd({ learningRate: Number.NaN }),
      /sgd: learningRate must be a number at least 0, got NaN/,
    ],
    ["momentum", () => sgd({ learningRate: 1, momentum: -0.1 }), /sgd: momentum must be a number at least 0/],
    ["decay", () => sgd({ learningRate: 1, weightDecay: -1 }), /sgd: weightDecay must be .* got -1/],
    [
      "dampening",
      () => sgd({ learningRate: 1, dampening: Number.NaN }),
      /sgd: dampening must be a number, got NaN/,
    ],
    [
      "nesterov alone",
      () => sgd({ learningRate: 1, nesterov: true }),
      /sgd: nesterov needs momentum above 0/,
    ],
    [
      "nesterov with dampening",
      () => sgd({ learningRate: 1, nesterov: true, momentum: 0.9, dampening: 0.1 }),
      /no dampening, got momentum 0.9 and dampening 0.1/,
    ],
    ["beta1", () => adam({ betas: [1, 0.9] }), /adam: betas\[0\] must be a number in \[0, 1\), got 1/],
    [
      "beta2",
      () => adamw({ betas: [0.9, -0.1] }),
      /adamw: betas\[1\] must be a number in \[0, 1\), got -0.1/,
    ],
    ["alpha", () => rmsprop({ alpha: 1 }), /rmsprop: alpha must be a number in \[0, 1\), got 1/],
    [
      "a first sum",
      () => adagrad({ initialAccumulatorValue: -1 }),
      /adagrad: initialAccumulatorValue must be/,
    ],
    ["lion's betas", () => lion({ betas: [0.9, 1] }), /lion: betas\[1\] must be a number in \[0, 1\), got 1/],
    [
      "half steps",
      () => adam({ accumulate: 1.5 }),
      /adam: accumulate must be a whole number of at least 1, got 1.5/,
    ],
    [
      "a decay of averages",
      () => adam({ averageDecay: 1 }),
      /adam: averageDecay must be a number in \[0, 1\)/,
    ],
    [
      "a group that decays backwards",
      () => adam({ groups: [{ filter: () => true, weightDecay: -1 }] }).states([p]),
      /adam: groups: weightDecay must be a number at least 0, got -1/,
    ],
    ["eps", () => adam({ eps: -1e-8 }), /adam: eps must be a number at least 0, got -1e-8/],
    ["no decay", () => adamw({ weightDecay: Number.POSITIVE_INFINITY }), /adamw: weightDecay must be/],
    [
      "gradients that are missing",
      () => adam().updates([p], [], adam().states([p]), state([1], 0, "u32")),
      /adam: needs one gradient per parameter, got 0 for 1/,
    ],
  ];
  for (const [name, make, message] of refusals) it(name, () => expect(make).toThrow(message));
});
