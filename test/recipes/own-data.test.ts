/** Models for the user's own tables and images: they learn in any unit, and can be built again from a saved file. */
import { describe, expect, test } from "vitest";
import { type Dataset, take } from "../../src/data/dataset.ts";
import { alignTo } from "../../src/data/prepare/align.ts";
import { split } from "../../src/data/prepare/split.ts";
import { spirals } from "../../src/data/synthetic/toy-sets.ts";
import { Random } from "../../src/numbers/random.ts";
import { adam } from "../../src/optim/index.ts";
import {
  type OwnModel,
  parseOwnModel,
  recipeForOwnData,
  recipeOfOwnModel,
} from "../../src/recipes/own-data.ts";
import type { Recipe } from "../../src/recipes/recipe.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { DataError, FormatError, ValueError } from "../../src/validation/errors.ts";
import { gpuBackend } from "../support/backend.ts";

const trainerOf = async (recipe: Recipe) =>
  Trainer.create(await gpuBackend(), {
    model: recipe.model(),
    loss: recipe.loss(),
    optimizer: adam({ learningRate: 1e-2 }),
    batchSize: 64,
    seed: 1,
  });

/** Two columns in different units and a constant one; class names. */
function table(): Dataset {
  const { inputs, ...rest } = spirals({ count: 400, turns: 0.6, noise: 0.01 });
  const data = Float32Array.from({ length: 3 * 400 }, (_, i) => {
    const row = Math.floor(i / 3);
    if (i % 3 === 2) return 7;
    return (inputs.data[2 * row + (i % 3)] as number) * (i % 3 === 0 ? 1e4 : 1e-3) + 50;
  });
  return { ...rest, inputs: { data, shape: [3] }, columns: ["x", "y", "same"], classNames: ["in", "out"] };
}

/** price = 40000 rooms - 300 age + noise, far from 0. */
function houses(count: number): Dataset {
  const random = new Random(3);
  const data = new Float32Array(2 * count);
  const labels = Float32Array.from({ length: count }, (_, i) => {
    const [rooms, age] = [1 + random.below(8), random.uniform(0, 100)];
    data.set([rooms, age], 2 * i);
    return 500_000 + 40_000 * rooms - 300 * age + random.normal(0, 5000);
  });
  return {
    name: "houses",
    split: "all",
    count,
    inputs: { data, shape: [2] },
    labels,
    columns: ["rooms", "age"],
  };
}

describe("a table", () => {
  test("of classes is learned in any unit, and the saved model is built again from its text", async () => {
    const [train, held] = split(table(), 0.8, 1, { stratify: true });
    const { recipe, model } = recipeForOwnData(train);
    const trainer = await trainerOf(recipe);
    await trainer.fit(train, { epochs: 50 });
    const { accuracy = 0, loss } = await trainer.evaluate(held);
    expect(accuracy).toBeGreaterThan(0.95);

    const bytes = await trainer.toSafetensors();
    const again = await trainerOf(recipeOfOwnModel(parseOwnModel(JSON.stringify(model), "f")));
    await again.fromSafetensors(bytes, "f");
    expect(await again.evaluate(held)).toMatchObject({ accuracy, loss });
  });

  test("with a target value far from 0: the loss is the share of variance that is left", async () => {
    const [train, held] = split(houses(300), 0.8, 1);
    const { recipe, model } = recipeForOwnData(train);
    const trainer = await trainerOf(recipe);
    const before = (await trainer.evaluate(held)).loss;
    expect(before).toBeGreaterThan(0.5);
    expect(before).toBeLessThan(2);
    await trainer.fit(train, { epochs: 50 });
    expect((await trainer.evaluate(held)).loss).toBeLessThan(0.03);
    expect(model.targetStd).toBeGreaterThan(50_000);
  });

  test("sizes follow the data", () => {
    const widths = (columns: number, classes: number) => {
      const set = {
        name: "t",
        split: "train",
        count: classes,
        inputs: { data: new Float32Array(classes * columns), shape: [columns] },
        labels: Int32Array.from({ length: classes }, (_, i) => i),
        classes,
        classNames: Array.from({ length: classes }, (_, i) => `${i}`),
      };
      return recipeForOwnData(set).recipe;
    };
    expect(widths(4, 3)).toMatchObject({ name: "csv", inputShape: [4], batchSize: 8 });
    expect(() => widths(4, 1)).toThrow(ValueError);
    const flat = { ...spirals({ count: 3 }), labels: new Float32Array(3).fill(0.7) };
    const { classes: _, classNames: __, ...values } = flat;
    expect(() => recipeForOwnData(values)).toThrow("all labels are 0.69");
    const images = take(spirals({ count: 20 }), [0, 1]);
    const grey = {
      ...images,
      inputs: { data: new Uint8Array(2 * 784), shape: [1, 28, 28] },
      classNames: ["a", "b"],
    };
    expect(recipeForOwnData(grey).recipe).toMatchObject({ name: "images", inputShape: [1, 28, 28] });
  });
});

describe("the description of a model in a file", () => {
  const good: OwnModel = { kind: "table", inputShape: [2], columns: ["a", "b"], classNames: ["x", "y"] };
  test("is read as it was written", () => {
    expect(parseOwnModel(JSON.stringify(good), "f")).toEqual(good);
  });
  const wrong: [what: string, text: string][] = [
    ["no JSON", "{"],
    ["null", "null"],
    ["another kind", JSON.stringify({ ...good, kind: "tree" })],
    ["no shape", JSON.stringify({ kind: "table" })],
    ["an endless shape", JSON.stringify({ ...good, inputShape: [1e12] })],
    ["other columns", JSON.stringify({ ...good, columns: ["a"] })],
    ["names that are numbers", JSON.stringify({ ...good, classNames: [1, 2] })],
    ["images in a row", JSON.stringify({ ...good, kind: "images" })],
    ["images of another size", JSON.stringify({ ...good, kind: "images", inputShape: [9_000_000, 28, 28] })],
    ["more columns than any table", JSON.stringify({ kind: "table", inputShape: [2_000_000] })],
    ["more classes than any table", JSON.stringify({ ...good, classNames: new Array(70_000).fill("x") })],
    ["brackets within brackets", `{"kind":${"[".repeat(1e6)}${"]".repeat(1e6)}}`],
    ["a shape within brackets", `{"kind":"table","inputShape":${"[".repeat(1e6)}${"]".repeat(1e6)}}`],
    ["a deviation of 0", JSON.stringify({ ...good, targetStd: 0 })],
  ];
  test.each(wrong)("is refused: %s", (_, text) => {
    expect(() => parseOwnModel(text, "f")).toThrow(FormatError);
    expect(() => parseOwnModel(text, "f")).toThrow("f: the description of its model");
  });
});

describe("alignTo", () => {
  const set: Dataset = {
    name: "new.csv",
    split: "all",
    count: 2,
    inputs: { data: Float32Array.of(1, 0, 5, 0, 1, 6), shape: [3] },
    columns: ["colour=blue", "colour=red", "size"],
    labels: Int32Array.of(0, 1),
    classes: 2,
    classNames: ["no", "yes"],
  };
  test("columns by name, texts that do not occur as 0, classes by name", () => {
    const form = {
      columns: ["size", "colour=red", "colour=green", "colour=blue"],
      classNames: ["yes", "maybe", "no"],
    };
    const made = alignTo(set, form);
    expect([...made.inputs.data]).toEqual([5, 0, 0, 1, 6, 1, 0, 0]);
    expect([...made.labels]).toEqual([2, 0]);
    expect(made).toMatchObject({ classes: 3, ...form });
  });
  test("refuses what the model does not know, and what it needs", () => {
    const fails = (form: Parameters<typeof alignTo>[1], message: string) => {
      expect(() => alignTo(set, form)).toThrow(DataError);
      expect(() => alignTo(set, form)).toThrow(message);
    };
    fails({ columns: ["colour=red", "size"] }, "new.csv: the model knows no column colour=blue");
    fails({ columns: [...(set.columns ?? []), "age"] }, "new.csv: has no column age, which the model needs");
    fails({ classNames: ["no"] }, "new.csv: the model knows no class yes");
  });
});
