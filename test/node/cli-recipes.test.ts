/** weft recipes, and weft train with recipes that are more than a network: variants, pictures, the guided tour. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readSafetensors } from "../../src/io/safetensors.ts";
import { recipes } from "../../src/recipes/index.ts";
import { buildCli, type Cli, jsonLines } from "../support/cli.ts";
import { withRealData } from "../support/real-data.ts";

let cli: Cli;
beforeAll(async () => {
  cli = await buildCli();
});
afterAll(() => cli.remove());

const textOf = (file: string) => readFileSync(join(cli.folder, file), "utf8");

test("weft recipes lists all with target and time; --json for programs", async () => {
  const { code, stdout } = await cli.run(["recipes"]);
  expect(code).toBe(0);
  for (const { name, target, time } of recipes.values()) {
    expect(stdout).toContain(name);
    expect(stdout).toContain(`${target}; ${time}`);
  }
  const lines = jsonLines((await cli.run(["recipes", "--json"])).stdout);
  expect(lines.map(({ name }) => name)).toEqual([...recipes.keys()]);
  expect(lines.find(({ name }) => name === "digits-cnn")).toMatchObject({
    steps: 5000,
    batchSize: 1,
    dataset: "digits",
  });
});

test("the worked example explains itself, in float64 on the CPU reference", async () => {
  const { code, stdout } = await cli.run(["train", "worked-example", "--steps", "100"]);
  expect(code).toBe(0);
  expect(stdout).toContain("Adapter: CPU reference (float64).");
  expect(stdout).toContain("  1.76405235  0.40015721  |  0.00051382  0.00205988\n");
  expect(stdout).toContain("\n       100   0.4230639165  0.5775207269  0.7007781316\n");
  const [done] = jsonLines((await cli.run(["train", "worked-example", "--steps", "10", "--json"])).stdout);
  expect(done).toMatchObject({
    event: "done",
    recipe: "worked-example",
    steps: 10,
    reached: false,
    backend: "cpu",
  });
});

test("a variant is trained, drawn, saved with what rebuilds it, and compared with another run", async () => {
  const small = [
    "--dataset",
    "synthetic",
    "--limit",
    "120",
    "--batch-size",
    "20",
    "--epochs",
    "2",
    "--backend",
    "cpu",
    "--json",
  ];
  const one = ["train", "mnist-small", ...small, "--batch-norm", "--log-softmax", "--activation", "hardtanh"];
  const first = await cli.run([...one, "--picture", "one.svg", "--log", "one.jsonl"]);
  expect(first.stderr + first.code).toMatch(/0$/);
  const done = jsonLines(first.stdout).at(-1);
  expect(done).toMatchObject({
    recipe: "mnist-small",
    optimizer: "adam",
    learningRate: 0.001,
    picture: "one.svg",
  });
  expect(textOf("one.svg")).toContain("test set");
  const { metadata, tensors } = readSafetensors(readFileSync(join(cli.folder, "mnist-small.safetensors")));
  expect(JSON.parse(metadata.options ?? "")).toEqual({
    batchNorm: true,
    logSoftmax: true,
    activation: "hardtanh",
  });
  expect(tensors.get("1.running_mean")?.shape).toEqual([2]);
  const again = await cli.run(["eval", "mnist-small.safetensors", "--json", "--backend", "cpu"]);
  expect(jsonLines(again.stdout)[0]?.accuracy).toBe(done?.testAccuracy);
  const two = ["train", "mnist-small", ...small, "--optimizer", "sgd", "--momentum", "0", "--lr", "0.1"];
  await cli.run([...two, "--picture", "two.svg", "--compare", "one.jsonl"]);
  expect(textOf("two.svg")).toContain("sgd, rate 0.1");
  expect(textOf("two.svg")).toContain("adam, rate 0.001");
});

test("what does not fit is refused before anything runs, in words", async () => {
  for (const [words, message] of [
    ["train mlp --batch-norm --dataset synthetic", "recipe mlp: has no option batchNorm; it has none"],
    [
      "train lenet5-cifar10 --dataset synthetic",
      "recipe lenet5-cifar10 is for samples of [3, 32, 32], those of synthetic-digits are [1, 28, 28]",
    ],
    ["train worked-example --clip-norm 3", "is a guided tour; --clip-norm does not apply"],
    ["train mlp --compare one.jsonl", "--compare: goes with --picture FILE or --report FILE"],
    ["train lenet5 --activation swish", "Allowed choices are relu, leakyRelu, tanh, hardtanh, sigmoid, sign"],
    ["train mlp --compare nowhere.jsonl --picture x.svg", "nowhere.jsonl"],
  ] as const) {
    const { code, stderr } = await cli.run(words.split(" "));
    expect(code, words).toBe(2);
    expect(stderr, words).toContain(message);
  }
});

withRealData("boston", (realTest) => {
  realTest("boston-linear: one command, a float on the CPU reference, predictions drawn", async (dataDir) => {
    const words = [
      "train",
      "boston-linear",
      "--seed",
      "1",
      "--picture",
      "b.svg",
      "--data-dir",
      dataDir,
      "--json",
    ];
    const done = jsonLines((await cli.run(words)).stdout).at(-1);
    expect(done).toMatchObject({ steps: 20_000, backend: "cpu", sample: "row", testAccuracy: null });
    const { goals } = recipes.get("boston-linear") ?? {};
    expect(goals).toHaveLength(1);
    expect(done?.trainLoss).toBeLessThan(24);
    expect(textOf("b.svg").match(/<circle/g)).toHaveLength(506);
    const eval_ = await cli.run(["eval", "boston-linear.safetensors", "--data-dir", dataDir, "--json"]);
    expect(jsonLines(eval_.stdout)[0]?.loss).toBeCloseTo(done?.testLoss as number, 3);
  });
});
