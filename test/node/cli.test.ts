/** weft train, eval, info and data as a user runs them: what they print, what they save, how they end. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readSafetensors } from "../../src/io/safetensors.ts";
import { version } from "../../src/version.ts";
import { buildCli, type Cli, jsonLines } from "../support/cli.ts";

let cli: Cli;
beforeAll(async () => {
  cli = await buildCli();
});
afterAll(() => cli.remove());

/** A run of a second or two. */
const small = ["--dataset", "synthetic", "--limit", "160", "--batch-size", "16", "--epochs", "2"];
/** The same on the CPU reference. */
const tiny = [
  "--dataset",
  "synthetic",
  "--limit",
  "10",
  "--batch-size",
  "5",
  "--epochs",
  "1",
  "--backend",
  "cpu",
];

describe("weft train", () => {
  test("--json prints a line per epoch and one at the end, and saves what weft eval measures alike", async () => {
    const { code, stdout } = await cli.run(["train", ...small, "--json", "--log", "run.jsonl"]);
    expect(code).toBe(0);
    const lines = jsonLines(stdout);
    expect(lines.map((line) => line.event)).toEqual(["epoch", "epoch", "done"]);
    for (const [i, line] of lines.slice(0, 2).entries()) {
      expect(line.epoch).toBe(i + 1);
      for (const key of ["loss", "accuracy", "valLoss", "valAccuracy", "seconds", "stepsPerSecond"]) {
        expect(line[key], key).toBeTypeOf("number");
      }
    }
    const done = lines.at(-1);
    expect(done).toMatchObject({
      backend: "webgpu",
      dataset: "synthetic",
      trainSamples: 160,
      testSamples: 32,
      steps: 20,
      interrupted: false,
      file: "lenet5.safetensors",
      testAccuracy: lines[1]?.valAccuracy,
    });
    expect(done?.dispatchesPerStep).toBeLessThanOrEqual(20);
    expect(done?.submits).toBeLessThanOrEqual(10);
    expect(done?.firstStepSeconds).toBeGreaterThan(0);
    expect(readFileSync(join(cli.folder, "run.jsonl"), "utf8")).toBe(stdout);

    const { metadata, tensors } = readSafetensors(readFileSync(join(cli.folder, "lenet5.safetensors")));
    expect(metadata).toMatchObject({ recipe: "lenet5", dataset: "synthetic", seed: "0", weft: version });
    expect(tensors.get("0.weight")?.shape).toEqual([6, 1, 5, 5]);

    const again = await cli.run(["eval", "lenet5.safetensors", "--json"]);
    expect(again.code).toBe(0);
    const [measured] = jsonLines(again.stdout);
    expect(measured).toMatchObject({ event: "eval", testSamples: 32, accuracy: done?.testAccuracy });
    expect(measured?.loss).toBeCloseTo(done?.testLoss as number, 6);
  });

  test("in words: adapter, data, epochs, a summary and what to do next", async () => {
    const { code, stdout, stderr } = await cli.run(["train", ...small, "--save", "runs/one two.safetensors"]);
    expect(code).toBe(0);
    expect(stderr).toBe("");
    const lines = stdout.trimEnd().split("\n");
    const [title, adapter, data, ...rest] = lines.filter((text) => !text.endsWith(" left"));
    expect(title).toBe(`Weft ${version} trains lenet5, 61,706 parameters.`);
    expect(adapter).toMatch(/software adapter/);
    expect(data).toBe("Data: synthetic digits, 160 training images and 32 test images.");
    expect(rest[0]).toMatch(
      /^Epoch 1\/2 {2}loss \d\.\d{4} {2}accuracy [\d.]+ % {2}test loss \d\.\d{4} {2}test accuracy [\d.]+ % {2}.* steps\/s$/,
    );
    expect(rest[1]).toMatch(/^Epoch 2\/2/);
    expect(rest.slice(2).join("\n")).toMatch(
      /^Done in .*: [\d.]+ % of 32 test images right\.\n20 steps at .* per second, \d+ dispatches per step, .* steps per submit\.\nSaved to runs\/one two\.safetensors\. Next: npx weft eval 'runs\/one two\.safetensors'$/,
    );
    const evaluated = await cli.run(["eval", "runs/one two.safetensors"]);
    expect(evaluated.stdout).toMatch(/on 32 test images of synthetic digits: [\d.]+ % right, loss/);
  });

  test("the same seed gives the same bytes, another seed others", async () => {
    const save = async (name: string, seed: string) => {
      const words = [
        "train",
        "mlp",
        ...small,
        "--epochs",
        "1",
        "--limit",
        "64",
        "--seed",
        seed,
        "--save",
        name,
      ];
      expect((await cli.run(words)).code).toBe(0);
      return readFileSync(join(cli.folder, name));
    };
    const first = await save("a.safetensors", "5");
    expect((await save("b.safetensors", "5")).equals(first)).toBe(true);
    expect((await save("c.safetensors", "6")).equals(first)).toBe(false);
  });

  test.each([["direct"], ["im2col"]])("--conv %s, --optimizer and --lr", async (conv) => {
    const words = [
      ...["train", ...small, "--limit", "48", "--epochs", "1"],
      ...["--conv", conv, "--optimizer", "sgd", "--lr", "0.02"],
    ];
    const { code, stdout } = await cli.run([...words, "--json", "--save", `${conv}.safetensors`]);
    expect(code).toBe(0);
    expect(jsonLines(stdout).at(-1)).toMatchObject({ event: "done", steps: 3 });
    const { metadata } = readSafetensors(readFileSync(join(cli.folder, `${conv}.safetensors`)));
    expect(metadata).toMatchObject({ optimizer: "sgd", learningRate: "0.02" });
  });

  test("every option of optimizer, schedule, loss and measuring reaches the run, its records and its files", async () => {
    const words = [
      "train",
      "mlp",
      ...tiny,
      "--limit",
      "40",
      "--steps",
      "20",
      "--optimizer",
      "momentum",
    ].filter((word, i, all) => word !== "--epochs" && all[i - 1] !== "--epochs");
    const rule = ["--lr", "0.1", "--schedule", "linear", "--warmup", "4", "--momentum", "0.5"];
    const more = ["--weight-decay", "0.01", "--clip-norm", "2", "--clip-value", "0.5", "--accumulate", "2"];
    const loss = ["--ema", "0.5", "--label-smoothing", "0.1", "--class-weights", "balanced"];
    const measure = ["--metrics", "--gradient-norm", "--evaluate-every", "5", "--early-stopping", "9"];
    const files = ["--save", "options.safetensors", "--history", "history.csv", "--json"];
    const { code, stdout, stderr } = await cli.run([
      ...words,
      ...rule,
      ...more,
      ...loss,
      ...measure,
      ...files,
    ]);
    expect({ code, stderr: stderr.replace(/^Adapter: .*\n/, "") }).toEqual({ code: 0, stderr: "" });
    const lines = jsonLines(stdout);
    const [measuring, ending] = ["evaluation", "epoch"];
    expect(lines.map((line) => line.event)).toEqual([
      ...[measuring, ending, measuring, measuring, ending, measuring, ending],
      "done",
    ]);
    const epochs = lines.filter((line) => line.event === "epoch");
    // 10 updates: 4 to warm up, then 6 down to 0; the epochs end in updates 3, 7 and 9.
    expect(epochs.map((line) => line.learningRate)).toEqual(
      [0.075, 0.05, 0.0167].map((v) => expect.closeTo(v, 4)),
    );
    const metrics = { top5: expect.any(Number), f1: expect.any(Number), confusionMatrix: expect.any(Array) };
    expect(epochs[0]).toMatchObject({ gradientNorm: expect.any(Number), valMetrics: metrics });
    expect(lines.at(-1)).toMatchObject({ steps: 20, best: { monitor: "valLoss" } });

    const { metadata, tensors } = readSafetensors(readFileSync(join(cli.folder, "options.safetensors")));
    expect(metadata).toMatchObject({ recipe: "mlp", optimizer: "momentum", learningRate: "0.1" });
    const names = [...tensors.keys()];
    for (const state of ["velocity", "accumulated", "average"])
      expect(names).toContain(`optimizer.${state}.1.bias`);
    // What is saved is the average.
    expect(tensors.get("1.bias")?.data).toEqual(tensors.get("optimizer.average.1.bias")?.data);
    const [header, ...rows] = readFileSync(join(cli.folder, "history.csv"), "utf8").trimEnd().split("\n");
    expect(header).toMatch(
      /^epoch,loss,accuracy,top5,valLoss,valAccuracy,valTop5,.*,learningRate,gradientNorm,seconds,/,
    );
    expect(rows.map((row) => row.split(",")[0])).toEqual(["1", "2", "3"]);

    const [measured] = jsonLines(
      (await cli.run(["eval", "options.safetensors", "--backend", "cpu", "--json"])).stdout,
    );
    // Its loss is the plain one, without smoothing and class weights.
    expect(measured?.accuracy).toBe(lines.at(-1)?.testAccuracy);
    const { confusionMatrix } = (measured as { metrics: { confusionMatrix: number[][] } }).metrics;
    expect(confusionMatrix.flat().reduce((a, b) => a + b)).toBe(8);
    const { stdout: table } = await cli.run(["eval", "options.safetensors", "--backend", "cpu"]);
    expect(table).toMatch(/\nclass +precision +recall +F1 +samples\n0 .*\nmean .*\n\nTrue class by rows/s);
  });

  test("--quiet says nothing", async () => {
    const { code, stdout, stderr } = await cli.run(["train", "mlp", ...tiny, "--quiet"]);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test("on the CPU reference, and says so", async () => {
    const { code, stdout, stderr } = await cli.run(["train", ...tiny]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("Adapter: CPU reference (float32), plain JavaScript and slow.");
    expect(stdout).toMatch(/2 steps at .* operations per step\./);
  });

  test("without WebGPU falls back to the CPU reference and says why", async () => {
    const env = { VK_ICD_FILENAMES: join(cli.folder, "no-such-driver.json") };
    const { code, stdout } = await cli.run(["train", ...tiny.slice(0, -2)], { env });
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /No WebGPU; using the CPU reference, which is slow\. .*no WebGPU adapter found.*Install a driver/,
    );
  });

  test("without MNIST says so and trains on synthetic digits, unless it was asked for by name", async () => {
    // Files that are not MNIST's: nothing is fetched, so that the test is the same with and without a network.
    const data = join(cli.folder, "damaged");
    mkdirSync(join(data, "mnist"), { recursive: true });
    writeFileSync(join(data, "mnist", "train-images-idx3-ubyte.gz"), "not a digit");
    const words = ["train", ...tiny.slice(2), "--data-dir", data];
    const { code, stdout } = await cli.run(words);
    expect(code).toBe(0);
    expect(stdout).toMatch(/damaged.* Using the built-in synthetic digits instead\. .* weft data get mnist/);
    expect(stdout).toContain("Data: synthetic digits");

    const asked = await cli.run([...words, "--dataset", "mnist"]);
    expect(asked).toMatchObject({ code: 2, stdout: "" });
    expect(asked.stderr).toMatch(/^weft: .*damaged.*delete it.* --dataset synthetic\n$/);
  });
});

describe("weft info and data", () => {
  test("info lists adapters, limits and features", async () => {
    const { code, stdout } = await cli.run(["info"]);
    expect(code).toBe(0);
    expect(stdout).toContain(`Weft ${version}, Node ${process.version}`);
    expect(stdout).toMatch(/Software adapter: .*\n {2}maxBufferSize +[\d,]+\n/);
    const [facts] = jsonLines((await cli.run(["info", "--json"])).stdout);
    expect(facts).toMatchObject({
      weft: version,
      software: { limits: { maxComputeWorkgroupSizeX: expect.any(Number) } },
    });
  });

  test("data get knows the synthetic digits", async () => {
    expect(await cli.run(["data", "get", "synthetic"])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/built in/),
    });
  });

  test("help and version go to stdout and end with 0", async () => {
    for (const words of [[], ["--help"], ["train", "--help"], ["help", "eval"]]) {
      const { code, stdout, stderr } = await cli.run(words);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toMatch(/^Usage: weft/);
    }
    expect((await cli.run(["--version"])).stdout).toBe(`${version}\n`);
  });
});

test("the built command can be started by its name, and its version is the package's", () => {
  expect(readFileSync(cli.file, "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
  const { version: published, bin } = JSON.parse(readFileSync("package.json", "utf8"));
  expect({ published, bin }).toEqual({ published: version, bin: { weft: "dist/node/cli.js" } });
});

test("no run leaves temporary files behind", () => {
  const files = readdirSync(cli.folder, { recursive: true, encoding: "utf8" });
  expect(files.filter((name) => /\.(tmp|probe)$/.test(name))).toEqual([]);
  expect(existsSync(join(cli.folder, "lenet5.safetensors"))).toBe(true);
  expect(statSync(join(cli.folder, "lenet5.safetensors")).size).toBeGreaterThan(61_706 * 4);
});
