/**
 * One update of every optimizer: the fused kernel and the ops one by one against the CPU reference in float64; Adam's bias
 * corrections from the first step to the last that a counter holds; what is NaN shows.
 */
import { describe, expect, it } from "vitest";
import type { Data } from "../../src/graph/spec.ts";
import { parameter, type Tensor } from "../../src/graph/tensor.ts";
import { reshape } from "../../src/ops/shape/reshape.ts";
import { adadelta } from "../../src/optim/adadelta.ts";
import { adagrad } from "../../src/optim/adagrad.ts";
import { adam, adamw } from "../../src/optim/adam.ts";
import { adamax } from "../../src/optim/adamax.ts";
import { lion } from "../../src/optim/lion.ts";
import { nadam } from "../../src/optim/nadam.ts";
import { type CommonOptions, decaysWeights, type Optimizer } from "../../src/optim/optimizer.ts";
import { radam } from "../../src/optim/radam.ts";
import { rmsprop } from "../../src/optim/rmsprop.ts";
import { sgd } from "../../src/optim/sgd.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { expectClose } from "../support/close.ts";
import { numbers, stateOf } from "../support/update-run.ts";

type Make = (common: CommonOptions) => Optimizer;
const kinds: Readonly<Record<string, Make>> = {
  sgd: (o) => sgd({ learningRate: 0.05, ...o }),
  "sgd, maximize": (o) => sgd({ learningRate: 0.05, maximize: true, ...o }),
  "sgd, momentum, dampening": (o) => sgd({ learningRate: 0.05, momentum: 0.9, dampening: 0.3, ...o }),
  "sgd, Nesterov": (o) => sgd({ learningRate: 0.05, momentum: 0.8, nesterov: true, ...o }),
  adam: (o) => adam(o),
  "adam, no memory": (o) => adam({ betas: [0, 0], eps: 1e-3, ...o }),
  adamw: (o) => adamw(o),
  rmsprop: (o) => rmsprop({ eps: 1e-4, ...o }),
  "rmsprop, momentum": (o) => rmsprop({ eps: 1e-4, momentum: 0.9, ...o }),
  "rmsprop, centered": (o) => rmsprop({ eps: 1e-4, centered: true, ...o }),
  "rmsprop, centered, momentum": (o) => rmsprop({ eps: 1e-4, centered: true, momentum: 0.9, ...o }),
  adagrad: (o) => adagrad({ eps: 1e-4, learningRateDecay: 0.1, ...o }),
  lion: (o) => lion(o),
  "adam, amsgrad": (o) => adam({ amsgrad: true, ...o }),
  "adamw, amsgrad": (o) => adamw({ amsgrad: true, ...o }),
  adadelta: (o) => adadelta({ eps: 1e-4, ...o }),
  adamax: (o) => adamax({ eps: 1e-4, ...o }),
  nadam: (o) => nadam({ eps: 1e-4, ...o }),
  radam: (o) => radam({ eps: 1e-4, ...o }),
  "radam, rectified early": (o) => radam({ betas: [0.9, 0.7], eps: 1e-4, ...o }),
};

/** First values of states: squares are positive, and larger than the square of any mean. */
const range = (name: string) =>
  ["v", "sum", "change", "largest", "product"].includes(name) ? ([0.5, 1] as const) : ([-0.5, 0.5] as const);

/** Parameters and states after one update at step `at` of two parameters of `size`, the second of which is a vector. */
async function update(backend: Backend, optimizer: Optimizer, size: number, at: number, fuse = true) {
  const parameters = [
    parameter([1, size], numbers(size, 0), "0.weight"),
    parameter([size], numbers(size, 1), "0.bias"),
  ];
  const gradients = [stateOf(numbers(size, 2)), stateOf(numbers(size, 3))];
  const { packed, ...fresh } = optimizer.states(parameters);
  const own = Object.entries(packed).map(
    ([name, { size: words }], i) => [name, stateOf(numbers(words, 4 + i, ...range(name)), name)] as const,
  );
  const states = { ...fresh, packed: Object.fromEntries(own), step: stateOf(Uint32Array.of(at)) };
  const shaped = gradients.map((g, i) => reshape(g, parameters[i]!.shape));
  const program = await backend.compile(
    { outputs: [], updates: optimizer.updates(parameters, shaped, states) },
    { fuse },
  );
  program.run();
  const changed = [...parameters, ...own.map(([, t]) => t)];
  expect([...(await backend.read(states.alarm))]).toEqual([0]);
  return { changed, values: await backend.readAll(changed), dispatches: program.describe().dispatches };
}

async function check(make: Make, common: CommonOptions, size: number, at: number): Promise<void> {
  const { changed, values: expected } = await update(new CpuBackend({ bits: 64 }), make(common), size, at);
  for (const fuse of [true, false]) {
    const { values } = await update(await gpuBackend(), make(common), size, at, fuse);
    changed.forEach((t, i) => {
      // Padding between parameters may hold anything.
      const own = (data: Data) => (i < 2 ? data : [...data.slice(0, size), ...data.slice(-size)]);
      const title = `${t.label}, fused: ${fuse}`;
      const [actual, wanted] = [own(values[i]!), own(expected[i]!)];
      expectClose(title, actual, wanted, [wanted.length], { atol: 1e-6, rtol: 1e-5 });
    });
  }
}

const everything: CommonOptions = {
  weightDecay: 0.1,
  weightDecayFilter: decaysWeights,
  groups: [{ filter: (name) => name.endsWith("bias"), learningRateFactor: 0.5 }],
  averageDecay: 0.9,
};

describe.each(Object.entries(kinds))("%s", (name, make) => {
  for (const size of [1, 67, 5_000]) {
    it(`${size} values`, () => check(make, { weightDecay: 0.1 }, size, size % 7));
    it(`${size} values, groups and averages`, () => check(make, everything, size, size % 7));
    it(`${size} values, every fourth step`, async () => {
      for (const at of [2, 3]) await check(make, { ...everything, accumulate: 4, clipNorm: 1 }, size, at);
    });
  }

  it("takes one dispatch beside the counter's", async () => {
    const gpu = await gpuBackend();
    expect((await update(gpu, make({}), 70, 5)).dispatches).toBe(2);
    // Three states, the step and decay by element are nine buffers, one more than every device binds.
    const most = /amsgrad|nadam/.test(name) ? 3 : 2;
    expect(
      (await update(gpu, make({ weightDecay: 0.1, weightDecayFilter: decaysWeights }), 70, 5)).dispatches,
    ).toBe(most);
    expect((await update(gpu, make(everything), 70, 5)).dispatches).toBeLessThanOrEqual(most === 2 ? 4 : 14);
  });

  it("lets NaN through, so that it shows", async () => {
    const gpu = await gpuBackend();
    const [p, g] = [parameter([4], [1, 2, 3, 4]), stateOf([Number.NaN, 1, -1, 1])];
    const optimizer = make({ maximize: false });
    const states = optimizer.states([p]);
    const program = await gpu.compile({ outputs: [], updates: optimizer.updates([p], [g], states) });
    program.run();
    const values = await gpu.read(p);
    expect(values[0]).toBeNaN();
    expect(values[1]).toBeLessThan(2);
    expect([...(await gpu.read(states.alarm))]).toEqual([1]);
  });
});

it("Adam corrects the bias accurately at every step", async () => {
  for (const beta2 of [0.9, 0.999, 0.9999]) {
    for (const at of [0, 1, 2, 9, 99, 999, 1000, 1003, 9_999, 99_999, 1_000_000, 30_000_000, 2 ** 32 - 2]) {
      // With empty moments p changes by -sign(g) (1 - b1) / (1 - b1^t) / sqrt((1 - b2) / (1 - b2^t)).
      const t = at + 1;
      const change = (0.1 / (1 - 0.9 ** t)) * Math.sqrt((1 - beta2 ** t) / (1 - beta2));
      const expected = [-change, change, -change, -change];
      for (const backend of [new CpuBackend({ bits: 64 }), await gpuBackend()]) {
        const [p, g]: Tensor[] = [parameter([4]), stateOf([1, -1, 2, 0.5])];
        const optimizer = adam({ learningRate: 1, betas: [0.9, beta2], eps: 0 });
        const states = { ...optimizer.states([p!]), step: stateOf(Uint32Array.of(at)) };
        const program = await backend.compile({
          outputs: [],
          updates: optimizer.updates([p!], [g!], states),
        });
        program.run();
        // exp, sqrt and division in float32.
        const title = `step ${at}, beta2 ${beta2}`;
        expectClose(title, await backend.read(p!), expected, [4], { atol: 0, rtol: 2e-6 });
      }
    }
  }
});
