/** Every recipe: number of parameters, options, prepared data, and the effect of a user's settings. */
import { describe, expect, it } from "vitest";
import type { Dataset } from "../../src/data/dataset.ts";
import { input, state } from "../../src/graph/tensor.ts";
import { build } from "../../src/nn/build-mode.ts";
import { forward, namedParameters } from "../../src/nn/module.ts";
import { RandomSource } from "../../src/ops/random/random.ts";
import { type RecipeOptions, recipe, recipeData, recipeRun, recipes } from "../../src/recipes/index.ts";
import { activations, parseRecipeOptions, recipeOptions } from "../../src/recipes/options.ts";
import { optimizerOf } from "../../src/recipes/update-rule.ts";
import { ValueError } from "../../src/validation/errors.ts";

const PARAMETERS: Readonly<Record<string, number>> = {
  "worked-example": 16,
  "usps-1v8": 25 + 144 + 1,
  "mnist-small": 2 * 25 + 288 * 60 + 60 + 60 * 10 + 10,
  lenet5: 61_706,
  "lenet5-best": 61_706,
  "lenet5-cifar10": 61_706 + 2 * 150,
  "lenet5-fashion": 61_706,
  mlp: 101_770,
  "boston-linear": 14,
  "boston-13": 13 * 13 + 13 + 14,
  "boston-13-13": 2 * (13 * 13 + 13) + 14,
  "digits-mlp-mse": 64 * 89 + 89 + 89 * 10 + 10,
  "digits-mlp-ce": 64 * 89 + 89 + 89 * 10 + 10,
  "digits-cnn": 16 * 9 + 16 + 576 * 10 + 10,
  // nanoGPT counts 0.80 and 10.65 million, without the 64 and 256 positions.
  "gpt-shakespeare": 65 * 128 + 64 * 128 + 4 * (12 * 128 ** 2 + 2 * 128) + 128,
  "gpt-shakespeare-large": 65 * 384 + 256 * 384 + 6 * (12 * 384 ** 2 + 2 * 384) + 384,
  addition: 12 * 64 + 8 * 64 + 2 * (12 * 64 ** 2 + 13 * 64) + 2 * 64,
};

/** Applies the recipe's model and loss to a batch of four, as in training. */
function builds(name: string, options: RecipeOptions = {}) {
  const r = recipe(name);
  const model = r.model(options);
  const loss = r.loss(options);
  const tokens = r.inputs === "tokens";
  const x = input([4, ...r.inputShape], tokens ? "i32" : "f32");
  const random = new RandomSource(state([1], 0, "u32"), state([2], Uint32Array.of(0, 0), "u32"));
  const { result } = build({ training: true, random }, () => {
    const output = forward(model, x);
    const target = loss.classes ? input(tokens ? x.shape : [4], "i32") : input(output.shape);
    return { output, ...loss.build(output, target, input([4])) };
  });
  return { output: result.output.shape, loss: result.loss.shape, parameters: namedParameters(model) };
}

const sizeOf = (parameters: ReadonlyMap<string, { size: number }>) =>
  [...parameters.values()].reduce((sum, t) => sum + t.size, 0);

describe.each([...recipes.values()])("$name", (r) => {
  it("builds, with as many parameters as its description says", () => {
    const { output, loss, parameters } = builds(r.name);
    expect(loss).toEqual([]);
    expect(output[0]).toBe(4);
    if (r.name in PARAMETERS) expect(sizeOf(parameters)).toBe(PARAMETERS[r.name]);
  });

  it("builds with each of its options, and states its goals", () => {
    for (const option of r.options ?? []) {
      const values =
        option === "activation" ? Object.keys(activations) : option === "pixels" ? ["grey"] : [true];
      for (const value of values) expect(builds(r.name, { [option]: value }).loss).toEqual([]);
    }
    expect(r.target).not.toBe("");
    expect(r.goals.length).toBeGreaterThan(0);
    expect([r.epochs, r.steps].filter((n) => n !== undefined)).toHaveLength(1);
  });
});

describe("options", () => {
  it("batch normalisation comes before each activation; position bias replaces the bias of filters", () => {
    const plain = sizeOf(builds("lenet5").parameters);
    expect(sizeOf(builds("lenet5", { batchNorm: true }).parameters)).toBe(plain + 2 * (6 + 16 + 120 + 84));
    const { parameters } = builds("digits-cnn", { biasPerPosition: true });
    expect(parameters.has("0.bias")).toBe(false);
    expect(parameters.get("1.bias")?.shape).toEqual([16, 6, 6]);
  });

  it("an option that a recipe does not have is refused by name", () => {
    expect(() => recipeOptions(recipe("boston-linear"), { batchNorm: true })).toThrow(
      "recipe boston-linear: has no option batchNorm; it has none",
    );
    expect(() => recipeOptions(recipe("lenet5"), { biasPerPosition: true })).toThrow(/it has batchNorm, /);
    expect(recipeOptions(recipe("lenet5"), { biasPerPosition: false })).toEqual({});
    expect(() => recipe("lenet6")).toThrow(/there is no lenet6; there are worked-example, /);
  });

  it("are read from a file's metadata, and anything else is refused", () => {
    const options = { batchNorm: true, activation: "hardtanh" } as const;
    expect(parseRecipeOptions(JSON.stringify(options), "m")).toEqual(options);
    expect(parseRecipeOptions(undefined, "m")).toEqual({});
    for (const bad of ["[]", "3", "{", '{"activation":"toString"}', '{"pixels":"blue"}', '{"batchNorm":1}']) {
      expect(() => parseRecipeOptions(bad, "model.safetensors"), bad).toThrow(/model\.safetensors/);
    }
  });
});

describe("recipeRun", () => {
  const images = (count: number): Dataset => ({
    name: "images",
    split: "train",
    count,
    inputs: { data: new Uint8Array(count * 784), shape: [1, 28, 28] },
    labels: new Int32Array(count),
    classes: 10,
  });

  it("takes the recipe's values, overridden by the user's", () => {
    const own = recipeRun(recipe("lenet5"), images(100));
    expect(own.fit).toEqual({ epochs: 5 });
    expect(own.rule).toEqual({ optimizer: "adam", learningRate: 1e-3 });
    expect(own.trainer).toMatchObject({ batchSize: 64, seed: 0 });
    const sgd = recipeRun(recipe("lenet5"), images(100), {
      optimizer: "sgd",
      learningRate: 0.1,
      clipNorm: 3,
      steps: 7,
    });
    expect(sgd.fit).toEqual({ steps: 7 });
    expect(sgd.rule).toMatchObject({ optimizer: "sgd", learningRate: 0.1, clipNorm: 3 });
    expect(sgd.trainer.optimizer.name).toBe("sgd");
  });

  it("another optimizer does not use the recipe's rate", () => {
    const { rule } = recipeRun(recipe("lenet5"), images(100), { optimizer: "momentum" });
    expect(rule.learningRate).toBe(0.01);
  });

  it("keeps the order of samples, and the best weights, where the recipe says so", () => {
    expect(recipeRun(recipe("usps-1v8"), images(10)).trainer.shuffle).toBe(false);
    expect(recipeRun(recipe("mnist-small"), images(10)).fit.earlyStopping).toMatchObject({
      restoreBest: true,
    });
  });

  it("a schedule with warm-up covers exactly the run", () => {
    const rule = { optimizer: "sgd", learningRate: 0.4 } as const;
    expect(optimizerOf({ ...rule, schedule: "linear", warmUpSteps: 10 }, 20).learningRate).toBeCloseTo(0.4);
    expect(() => optimizerOf({ ...rule, warmUpSteps: 20 }, 20)).toThrow(ValueError);
    const adm = { ...rule, optimizer: "adm" as "adam" };
    expect(() => optimizerOf(adm, 20)).toThrow("optimizer must be one of");
    const cosin = { ...rule, schedule: "cosin" as "cosine" };
    expect(() => optimizerOf(cosin, 20)).toThrow('did you mean "cosine"?');
  });
});

describe("recipeData", () => {
  /** Sample i is filled with i modulo 256, its label is i modulo 10. */
  const numbered = (count: number, shape: readonly number[], split = "train"): Dataset => {
    const size = shape.reduce((a, b) => a * b, 1);
    return {
      name: "numbered",
      split,
      count,
      inputs: {
        data: Float32Array.from({ length: count * size }, (_, i) => Math.floor(i / size) % 256),
        shape,
      },
      labels: Int32Array.from({ length: count }, (_, i) => i % 10),
      classes: 10,
    };
  };
  const first = (d: Dataset, i: number) => d.inputs.data[i * d.inputs.shape.reduce((a, b) => a * b, 1)];

  it("usps-1v8: the first hundred of each in their order, eights are 1, pixels from 0 to 1", () => {
    const parts = { train: numbered(3000, [1, 16, 16]), test: numbered(50, [1, 16, 16], "test") };
    const { train, test } = recipeData(recipe("usps-1v8"), parts);
    expect(train.count).toBe(200);
    expect(test.count).toBe(10);
    expect(Array.from(train.labels.slice(0, 4))).toEqual([0, 1, 0, 1]);
    expect([0, 1, 2, 3].map((i) => first(train, i))).toEqual([1, 8, 11, 18]);
    expect(train.classes).toBeUndefined();
    expect([-1, 1].map((v) => v * (train.inputs.scale ?? 1) + (train.inputs.offset ?? 0))).toEqual([0, 1]);
  });

  it("mnist-small: 38,000 to 4,000 out of the training set, another seed other ones", () => {
    const parts = { train: numbered(4200, [1, 2, 2]), test: numbered(10, [1, 2, 2], "test") };
    const [one, again, two] = [1, 1, 2].map((seed) => recipeData(recipe("mnist-small"), parts, { seed }));
    expect([one?.train.count, one?.test.count]).toEqual([3800, 400]);
    expect(again?.test.labels).toEqual(one?.test.labels);
    expect(two?.test.labels).not.toEqual(one?.test.labels);
  });

  it("digits: binary from 8 of 16 on, grey if asked; the reports' sizes", () => {
    const whole = numbered(1797, [1, 8, 8]);
    const { train, test } = recipeData(recipe("digits-mlp-ce"), whole, { seed: 3 });
    expect([train.count, test.count]).toEqual([1257, 540]);
    expect(new Set(train.inputs.data)).toEqual(new Set([0, 1]));
    const cnn = recipeData(recipe("digits-cnn"), whole, { seed: 3, options: { pixels: "grey" } });
    expect([cnn.train.count, cnn.test.count]).toEqual([1437, 360]);
    expect(cnn.train.inputs.data.some((v) => v > 1)).toBe(true);
  });

  it("cifar10 recipes: 20,000 images at most, all test images", () => {
    const parts = { train: numbered(20_001, [1, 1, 1]), test: numbered(9, [1, 1, 1], "test") };
    const { train, test } = recipeData(recipe("lenet5-cifar10"), parts);
    expect([train.count, test.count]).toEqual([20_000, 9]);
    expect(first(train, 19_999)).toBe(19_999 % 256);
  });

  it("boston recipes: columns standardised by the training set", () => {
    const { labels: _, classes: __, ...rest } = numbered(50, [13]);
    const whole = { ...rest, labels: Float32Array.from({ length: 50 }, (_, i) => i) };
    const { train } = recipeData(recipe("boston-13"), whole, { seed: 1 });
    const column = Array.from({ length: train.count }, (_, i) => train.inputs.data[i * 13 + 5] as number);
    const mean = column.reduce((a, b) => a + b, 0) / column.length;
    expect(mean).toBeCloseTo(0, 5);
    expect(column.reduce((a, b) => a + b * b, 0) / column.length).toBeCloseTo(1, 4);
  });

  it("worked-example has its own data; the others need data", () => {
    expect(recipeData(recipe("worked-example"), undefined).train.count).toBe(1);
    expect(() => recipeData(recipe("lenet5"), undefined)).toThrow("recipe lenet5: needs the data set mnist");
  });
});
