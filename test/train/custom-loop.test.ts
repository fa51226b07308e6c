/** Training loops written by users: optimizers count their steps, and layers refuse to be built without a mode. */
import { describe, expect, it } from "vitest";
import { add, mean, mul, RandomSource, record, square, sub, sum } from "../../src/all-ops.ts";
import { gradients } from "../../src/autograd.ts";
import { constant, input, parameter, state, type Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import {
  adagrad,
  adam,
  adamax,
  adamw,
  cosine,
  lamb,
  lion,
  muon,
  nadam,
  type Optimizer,
  radam,
  rmsprop,
  sgd,
} from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { GraphError } from "../../src/validation/errors.ts";
import { gpuBackend } from "../support/backend.ts";
import { numbers } from "../support/update-run.ts";

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["GPU", gpuBackend],
  ["CPU reference", async () => new CpuBackend()],
];

const STEPS = 12;
const rules: readonly (readonly [string, () => Optimizer])[] = [
  ["adam", () => adam({ learningRate: 0.1 })],
  ["adamw", () => adamw({ learningRate: 0.1 })],
  ["sgd with momentum", () => sgd({ learningRate: 0.1, momentum: 0.9 })],
  ["adagrad with a decaying rate", () => adagrad({ learningRate: 0.1, learningRateDecay: 0.5 })],
  ["rmsprop", () => rmsprop({ learningRate: 0.01 })],
  ["lion", () => lion({ learningRate: 0.01 })],
  ["nadam", () => nadam({ learningRate: 0.1, momentumDecay: 0.1 })],
  ["radam", () => radam({ learningRate: 0.1, betas: [0.9, 0.7] })],
  ["adamax", () => adamax({ learningRate: 0.1 })],
  ["muon", () => muon({ learningRate: 0.1, matrices: () => true })],
  ["lamb", () => lamb({ learningRate: 0.1 })],
  ["a schedule", () => sgd({ learningRate: cosine({ learningRate: 0.3, steps: STEPS }) })],
  ["accumulation", () => sgd({ learningRate: 0.1, accumulate: 3 })],
  ["averages", () => sgd({ learningRate: 0.1, averageDecay: 0.5 })],
];

describe.each(backends)("on the %s", (_, open) => {
  /** Values after STEPS steps; `counted` says who counts them. */
  async function run(rule: Optimizer, counted: "own" | "given" | "recorded" | "host"): Promise<number[]> {
    const backend = await open();
    const p = parameter([5], numbers(5, 1), "p");
    const loss = sum(square(sub(p, constant(numbers(5, 2)))));
    const states = rule.states([p]);
    const grads = gradients(loss, [p]);
    const step = counted === "host" ? input([1], "u32") : state([1], 0, "u32");
    const updates = rule.updates([p], grads, states, counted === "own" ? undefined : step);
    if (counted === "recorded") updates.push(record(state([2, 1]), step, [loss]));
    const program = await backend.compile({ outputs: [], updates });
    for (let i = 0; i < STEPS; i++) {
      if (counted === "host") backend.write(step, [i]);
      program.run();
    }
    const counter = counted === "own" ? states.step : step;
    if (counted !== "host") expect([...(await backend.read(counter))]).toEqual([STEPS]);
    const average = states.packed.average ? [...(await backend.read(states.packed.average))] : [];
    return [...(await backend.read(p)), ...average];
  }

  it.each(rules)("%s counts its own steps", async (_name, rule) => {
    const expected = await run(rule(), "host");
    expect(await run(rule(), "own")).toEqual(expected);
    expect(await run(rule(), "given")).toEqual(expected);
    expect(await run(rule(), "recorded")).toEqual(expected);
  });

  it("Adam's first steps are those of its paper", async () => {
    const [first] = await run(adam({ learningRate: 0.1 }), "own");
    let [p, m, v] = [numbers(5, 1)[0]!, 0, 0];
    for (let t = 1; t <= STEPS; t++) {
      const g = 2 * (p - numbers(5, 2)[0]!);
      m = 0.9 * m + 0.1 * g;
      v = 0.999 * v + 0.001 * g * g;
      p -= (0.1 * m) / (1 - 0.9 ** t) / (Math.sqrt(v / (1 - 0.999 ** t)) + 1e-8);
    }
    expect(first).toBeCloseTo(p, 5);
  });

  it("two optimizers in one graph count their steps separately", async () => {
    const backend = await open();
    const [a, b] = [parameter([3], 1), parameter([4], 2)];
    const loss = add(sum(square(a)), sum(square(b)));
    const [one, two] = [adam(), sgd({ learningRate: 0.1, momentum: 0.5 })];
    const [ofOne, ofTwo] = [one.states([a]), two.states([b])];
    const [ga, gb] = gradients(loss, [a, b]) as [Tensor, Tensor];
    const updates = [...one.updates([a], [ga], ofOne), ...two.updates([b], [gb], ofTwo)];
    const both = await backend.compile({ outputs: [], updates });
    both.run(3);
    const alone = await backend.compile({ outputs: [], updates: one.updates([a], [ga], ofOne) });
    alone.run(2);
    expect((await backend.readAll([ofOne.step, ofTwo.step])).map(([n]) => n)).toEqual([5, 3]);
  });

  it("a counter that two optimizers share is incremented once per run", async () => {
    const backend = await open();
    const [a, b, step] = [parameter([3], 1), parameter([4], 2), state([1], 0, "u32")];
    const grads = gradients(add(sum(square(a)), sum(square(b))), [a, b]);
    const updates = [a, b].flatMap((t, i) => {
      const rule = adam();
      return rule.updates([t], [grads[i]], rule.states([t]), step);
    });
    (await backend.compile({ outputs: [], updates })).run(4);
    expect([...(await backend.read(step))]).toEqual([4]);
  });

  it("a batchNorm used twice in a step updates its statistics twice", async () => {
    const backend = await open();
    const norm = nn.batchNorm1d(2);
    const { result, updates } = nn.build({ training: true }, () =>
      norm.forward(norm.forward(constant(numbers(12, 3), [6, 2]))),
    );
    (await backend.compile({ outputs: [result], updates })).run();
    expect([...(await backend.read(norm.num_batches_tracked!))]).toEqual([2]);
  });

  it("parameters and gradients that do not fit each other are refused", () => {
    const [w, v] = [parameter([2], 1, "w"), parameter([3], 1, "v")];
    const rule = adam();
    const states = rule.states([w]);
    expect(() => rule.updates([w], [constant([1, 2, 3])], states)).toThrow(
      /adam: the gradient of w f32\[2\] must have its shape, got constant f32\[3\]/,
    );
    expect(() => rule.updates([w, v], gradients(sum(w), [v, w]), states)).toThrow(/gradient of w f32\[2\]/);
    expect(() => rule.updates([w, w], gradients(sum(w), [w, w]), states)).toThrow(
      /adam: w f32\[2\] is there twice/,
    );
    expect(() => rule.states([w, v, w])).toThrow(/w f32\[2\] is there twice/);
    expect(() => rule.states([])).toThrow(/adam: needs at least one parameter/);
  });

  it("two updates of one state are refused", async () => {
    const backend = await open();
    const w = parameter([3], 1, "w");
    const grads = gradients(sum(square(w)), [w]);
    const updates = [0, 1].flatMap(() => {
      const rule = sgd({ learningRate: 0.1 });
      return rule.updates([w], grads, rule.states([w]));
    });
    const compiled = backend.compile({ outputs: [], updates });
    await expect(compiled).rejects.toThrow(/updates: sgd and sgd both change w/);
    await expect(compiled).rejects.toThrow(GraphError);
  });
});

describe("layers that differ in training", () => {
  const x = input([8, 4]);
  const layers: Readonly<Record<string, () => nn.Layer>> = {
    dropout: () => nn.sequential(nn.linear(4, 4), nn.dropout(0.5)),
    "dropout of the input": () => nn.sequential(nn.dropout(0.5), nn.linear(4, 4)),
    dropout2d: () => nn.sequential(nn.linear(4, 4), (y) => nn.dropout2d(0.2)(y)),
    batchNorm1d: () => nn.sequential(nn.linear(4, 4), nn.batchNorm1d(4)),
    "batchNorm1d of the input": () => nn.sequential(nn.batchNorm1d(4, { affine: false }), nn.linear(4, 4)),
  };

  it.each(Object.entries(layers))(
    "%s: built without saying how, parameters get no gradient",
    (name, make) => {
      const model = make();
      const parameters = [...nn.namedParameters(model).values()];
      const apply = () => mean(nn.forward(model, x));
      const kind = name.split(" ")[0] ?? "";
      const loss = apply();
      expect(() => gradients(loss, parameters)).toThrow(GraphError);
      expect(() => gradients(loss, parameters)).toThrow(
        new RegExp(`gradients: nn\\.${kind} .*no nn\\.build around it`),
      );
      // By the input: saliency, an attack.
      expect(gradients(loss, [x])).toHaveLength(1);
      // What was built elsewhere over the same tensors is another matter.
      const random = new RandomSource(input([1], "u32"), input([2], "u32"));
      for (const mode of [{ training: true, random }, { training: false }]) {
        expect(gradients(nn.build(mode, apply).result, parameters)).toHaveLength(parameters.length);
      }
    },
  );

  it("other layers need no mode", () => {
    const model = nn.sequential(
      nn.dropout(0),
      nn.linear(4, 4),
      nn.layerNorm(4),
      nn.batchNorm1d(4, { trackRunningStats: false }),
    );
    const parameters = [...nn.namedParameters(model).values()];
    expect(gradients(mean(mul(model.forward(x), 2)), parameters)).toHaveLength(parameters.length);
  });
});
