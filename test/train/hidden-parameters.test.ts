/** Parameters and statistics outside of searched fields are refused when a step is traced; those in them are found and saved. */
import { describe, expect, it, vi } from "vitest";
import type { Dataset } from "../../src/data/dataset.ts";
import { state, type Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { detach, mul, relu } from "../../src/ops/index.ts";
import { adam, adamw, lion, type Optimizer, sgd } from "../../src/optim/index.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import type { TrainerOptions } from "../../src/train/loop/options.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { predict } from "../../src/train/predict/predict.ts";
import { stateDict } from "../../src/train/state/state-dict.ts";
import { GraphError, ValueError } from "../../src/validation/errors.ts";
import { gpuBackend } from "../support/backend.ts";

const data: Dataset = {
  name: "points",
  split: "train",
  count: 24,
  inputs: { data: Float32Array.from({ length: 96 }, (_, i) => Math.sin(1.7 * i)), shape: [4] },
  labels: Int32Array.from({ length: 24 }, (_, i) => i % 3),
  classes: 3,
};

async function make(model: nn.Layer, options: Partial<TrainerOptions> = {}): Promise<Trainer> {
  const optimizer = adam({ learningRate: 0.01 });
  return Trainer.create(new CpuBackend(), {
    model,
    loss: nn.crossEntropy(),
    optimizer,
    batchSize: 8,
    seed: 1,
    ...options,
  });
}

class Net {
  readonly head = nn.linear(8, 3);
  constructor(readonly hidden: (x: Tensor) => Tensor) {}
  forward(x: Tensor): Tensor {
    return this.head.forward(relu(this.hidden(x)));
  }
}

class Private {
  readonly #layer = nn.linear(4, 8);
  forward(x: Tensor): Tensor {
    return this.#layer.forward(x);
  }
}

class WithoutForward {
  readonly layer = nn.linear(4, 8);
  apply(x: Tensor): Tensor {
    return this.layer.forward(x);
  }
}

const closed = nn.linear(4, 8);
const symbol = Symbol("layer");
class Hidden {
  readonly [symbol] = nn.linear(4, 8);
  constructor() {
    Object.defineProperty(this, "quiet", { value: nn.linear(4, 8), enumerable: false });
  }
  forward(x: Tensor): Tensor {
    return this[symbol].forward(x);
  }
}

const hiding: Readonly<Record<string, () => nn.Layer>> = {
  "a private field": () => {
    const layer = new Private();
    return nn.sequential(layer, nn.relu(), nn.linear(8, 3));
  },
  "a closure": () => new Net((x) => closed.forward(x)),
  "a wrapped function": () => nn.sequential((x) => nn.relu()(closed.forward(x)), nn.linear(8, 3)),
  "a function's property": () => {
    const layer = nn.linear(4, 8);
    return nn.sequential(
      Object.assign((x: Tensor) => layer.forward(x), { layer }),
      nn.linear(8, 3),
    );
  },
  "a symbol": () => nn.sequential(new Hidden(), nn.linear(8, 3)),
  "a layer made anew in forward": () => new Net((x) => nn.linear(4, 8).forward(x)),
  "a field set in the first forward": () => {
    const net: { hidden?: nn.Module } & nn.Module = Object.assign({ head: nn.linear(8, 3) }, {
      forward(this: { hidden?: nn.Module; head: nn.Module }, x: Tensor): Tensor {
        this.hidden ??= nn.linear(4, 8);
        return this.head.forward(this.hidden.forward(x));
      },
    } as nn.Module);
    return net;
  },
};

describe("a parameter hidden in", () => {
  it.each(Object.entries(hiding))(
    "%s is refused in training, evaluation and prediction",
    async (_, model) => {
      const message =
        /uses \S*weight f32\[8, 4\] of \S*linear, \S*bias f32\[8\] of \S*linear, .*neither trained nor saved.*#private/;
      const training = (await make(model())).fit(data, { epochs: 1 });
      await expect(Promise.resolve(training)).rejects.toThrow(message);
      await expect((await make(model())).evaluate(data)).rejects.toThrow(GraphError);
      if (_ !== "a field set in the first forward") {
        await expect(predict(await make(model()), data)).rejects.toThrow(message);
      }
    },
  );

  it("the loss is refused", async () => {
    const scale = nn.linear(3, 3);
    const plain = nn.crossEntropy();
    const loss: nn.Loss = {
      ...plain,
      build: (output, target, weights) => plain.build(scale.forward(output), target, weights),
    };
    await expect((await make(nn.linear(4, 3), { loss })).evaluate(data)).rejects.toThrow(
      /weight f32\[3, 3\] of loss/,
    );
  });

  it("a model without other parameters is refused when the trainer is created", async () => {
    await expect(make((x) => closed.forward(x))).rejects.toThrow(ValueError);
    await expect(make(new Private())).rejects.toThrow(/no parameters to train; searched are/);
  });
});

it("running statistics that are hidden are refused", async () => {
  const norm = nn.batchNorm1d(4, { affine: false });
  const model = nn.sequential((x) => norm.forward(x), nn.linear(4, 3));
  const training = (await make(model)).fit(data, { epochs: 1 });
  await expect(Promise.resolve(training)).rejects.toThrow(/running_mean f32\[4\] of model/);
});

describe("plain objects, arrays, Maps and Sets are searched", () => {
  class Searched {
    readonly heads = { first: nn.linear(4, 8), deeper: { list: [nn.linear(8, 8)] } };
    readonly byName = new Map<unknown, nn.Module>([
      ["out", nn.linear(8, 8)],
      [2, nn.linear(8, 3)],
    ]);
    readonly norms = new Set([nn.batchNorm1d(8)]);
    readonly bare: Record<string, nn.Module> = Object.assign(Object.create(null), { last: nn.linear(3, 3) });
    forward(x: Tensor): Tensor {
      let y = this.heads.deeper.list[0]!.forward(this.heads.first.forward(x));
      for (const norm of this.norms) y = norm.forward(y);
      for (const layer of this.byName.values()) y = layer.forward(y);
      return this.bare.last!.forward(y);
    }
  }

  it("trained, saved and loaded under names that say where they are", async () => {
    const trainer = await make(new Searched());
    expect([...trainer.parameters.keys()]).toEqual(
      ["heads.first", "heads.deeper.list.0", "byName.out", "byName.2", "norms.0", "bare.last"].flatMap(
        (name) => [`${name}.weight`, `${name}.bias`],
      ),
    );
    expect([...trainer.buffers.keys()][0]).toBe("norms.0.running_mean");
    const before = await stateDict(trainer);
    await trainer.fit(data, { epochs: 2 });
    const after = await stateDict(trainer);
    for (const [name, { data: values }] of before) expect(after.get(name)!.data, name).not.toEqual(values);
    const twin = await make(new Searched(), { seed: 2 });
    await twin.fromSafetensors(await trainer.toSafetensors());
    expect((await twin.evaluate(data)).loss).toBe((await trainer.evaluate(data)).loss);
  });

  it("objects of classes without forward are searched, whatever they refer to", async () => {
    const part = new WithoutForward();
    const back = { part, device: new CpuBackend() };
    const model = Object.assign(new Net((x) => part.apply(x)), { part: Object.assign(part, { back }) });
    expect([...nn.namedParameters(model).keys()]).toEqual([
      "head.weight",
      "head.bias",
      "part.layer.weight",
      "part.layer.bias",
    ]);
    const trainer = await make(model);
    const before = await trainer.parameter("part.layer.weight");
    await trainer.fit(data, { epochs: 1 });
    expect(await trainer.parameter("part.layer.weight")).not.toEqual(before);
  });

  it("a trainer in a field is not part of the model", async () => {
    const other = await make(nn.linear(4, 3));
    const model = Object.assign(new Net(nn.relu()), { other });
    expect([...nn.namedParameters(model).keys()]).toEqual(["head.weight", "head.bias"]);
  });

  it("the own fields of a subclass of Sequential are searched, too", async () => {
    class Own extends nn.Sequential {
      readonly extra = nn.linear(3, 3);
      override forward(x: Tensor): Tensor {
        return this.extra.forward(super.forward(x));
      }
    }
    expect([...nn.namedParameters(new Own([nn.linear(4, 3)])).keys()]).toEqual([
      "0.weight",
      "0.bias",
      "extra.weight",
      "extra.bias",
    ]);
  });
});

describe("what is not to be trained", () => {
  it("may be detached, be a plain state, or be frozen", async () => {
    const hidden = nn.linear(4, 8);
    await (await make(new Net((x) => detach(hidden.forward(x))))).fit(data, { epochs: 1 });
    const w = state([4], 2, "f32", "w");
    await (await make(nn.sequential((x) => mul(x, w), nn.linear(4, 3)))).fit(data, { epochs: 1 });
    const model = nn.freeze(new Net((x) => hidden.forward(x)));
    nn.freeze(hidden);
    nn.unfreeze(model.head);
    const trainer = await make(model);
    await trainer.fit(data, { epochs: 1 });
    expect([...trainer.parameters.keys()]).toEqual(["head.weight", "head.bias"]);
    nn.unfreeze(hidden);
    await expect((await make(model)).evaluate(data)).rejects.toThrow(GraphError);
  });

  it("frozen layers have the usual initial values, keep them, and are saved", async () => {
    const net = () => nn.sequential(nn.linear(4, 8), nn.relu(), nn.linear(8, 3));
    const free = await make(net());
    const model = net();
    nn.freeze(model.layers[0]!);
    const trainer = await make(model);
    await trainer.fit(data, { epochs: 2 });
    const [before, after] = [await stateDict(free), await stateDict(trainer)];
    expect([...after.keys()].sort()).toEqual([...before.keys()].sort());
    expect(after.get("0.weight")!.data).toEqual(before.get("0.weight")!.data);
    expect(after.get("0.bias")!.data).toEqual(before.get("0.bias")!.data);
    expect(after.get("2.weight")!.data).not.toEqual(before.get("2.weight")!.data);
  });
});

describe("parameters that the loss does not depend on", () => {
  class TwoHeads {
    readonly trunk = nn.linear(4, 8);
    readonly spare = nn.linear(8, 5);
    readonly head = nn.linear(8, 3);
    forward(x: Tensor): Tensor {
      return this.head.forward(relu(this.trunk.forward(x)));
    }
  }
  const rules: readonly Optimizer[] = [
    sgd({ learningRate: 0.1, momentum: 0.9, weightDecay: 0.1 }),
    adam({ weightDecay: 0.1 }),
    adamw({ weightDecay: 0.1 }),
    lion({ weightDecay: 0.1 }),
    adamw({ weightDecay: 0.1, groups: [{ filter: (name) => name.endsWith("bias"), learningRateFactor: 2 }] }),
  ];

  it.each(rules)("stay as they are, as in PyTorch, and are named once aloud", async (optimizer) => {
    for (const backend of [new CpuBackend(), await gpuBackend()]) {
      const said: string[] = [];
      const trainer = await Trainer.create(backend, {
        model: new TwoHeads(),
        loss: nn.crossEntropy(),
        optimizer,
        batchSize: 8,
        onNotice: (message) => said.push(message),
      });
      const before = await stateDict(trainer);
      await trainer.fit(data, { epochs: 2 });
      const after = await stateDict(trainer);
      for (const name of before.keys()) {
        if (name.startsWith("spare")) expect(after.get(name)!.data).toEqual(before.get(name)!.data);
        else expect(after.get(name)!.data, name).not.toEqual(before.get(name)!.data);
      }
      expect(said).toHaveLength(1);
      expect(said[0]).toMatch(
        /the loss does not depend on spare.weight, spare.bias, which will not be trained/,
      );
    }
  });

  it("give a warning on the console by default, and are refused where there are no others", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    try {
      await (await make(new TwoHeads())).fit(data, { epochs: 1 });
      expect(warn).toHaveBeenCalledTimes(1);
    } finally {
      warn.mockRestore();
    }
    const none = nn.sequential(nn.linear(4, 3), (x: Tensor) => detach(x));
    const training = (await make(none)).fit(data, { epochs: 1 });
    await expect(Promise.resolve(training)).rejects.toThrow(/depends on none of the model's parameters/);
  });
});
