/** weft train --report, weft predict and weft summary, as a user runs them one after another. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PNG } from "pngjs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readSample } from "../../src/data/dataset.ts";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import { readReport } from "../../src/report/run-report.ts";
import { buildCli, type Cli, jsonLines } from "../support/cli.ts";

let cli: Cli;
beforeAll(async () => {
  cli = await buildCli();
  const trained = await cli.run([
    ...["train", "--dataset", "synthetic", "--limit", "3000", "--epochs", "3", "--quiet"],
    ...["--report", "adam.html", "--gradient-norm"],
  ]);
  expect(trained).toMatchObject({ code: 0, stdout: "" });
});
afterAll(() => cli.remove());

const textOf = (file: string) => readFileSync(join(cli.folder, file), "utf8");

/** An image file of a sample: bright on dark as it is, or as ink on paper. */
function writeImage(name: string, sample: Float32Array, inverted = false): void {
  const png = new PNG({ width: 28, height: 28 });
  sample.forEach((value, i) => {
    const grey = Math.round(255 * (inverted ? 1 - value : value));
    png.data.set([grey, grey, grey, 255], 4 * i);
  });
  writeFileSync(join(cli.folder, name), PNG.sync.write(png));
}

test("the report holds the run, with its history beside it", () => {
  const report = readReport(textOf("adam.html"));
  expect(report.epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
  expect(report.epochs[0]?.gradientNorm).toBeGreaterThan(0);
  expect(report.settings).toMatchObject({ Recipe: "lenet5", Optimizer: "adam", "Batch size": "64" });
  expect(report.environment.Adapter).toMatch(/SwiftShader|llvmpipe/);
  expect(report.confusion?.counts.flat().reduce((sum, n) => sum + n, 0)).toBe(600);
  expect(report.filters).toHaveLength(6);
  expect(report.mistakes?.length).toBeGreaterThan(0);
  expect(report.kernels?.map(({ label }) => label)).toContain("optimizer.adam");
  expect(JSON.parse(textOf("adam.json")).epochs).toHaveLength(3);
  expect(textOf("adam.csv").trim().split("\n")).toHaveLength(4);
});

test("a second run is drawn over the first", async () => {
  const words = [
    "train",
    "--dataset",
    "synthetic",
    "--limit",
    "200",
    "--epochs",
    "1",
    "--quiet",
    "--save",
    "b.safetensors",
  ];
  const { code } = await cli.run([...words, "--report", "b.html", "--compare", "adam.html"]);
  expect(code).toBe(0);
  expect(textOf("b.html")).toContain("LeNet-5 on MNIST, test");
  const wrong = await cli.run([...words, "--report", "c.html", "--compare", "b.safetensors"]);
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toMatch(/b\.safetensors: line 1/);
});

test("predict knows most digits of image files, dark on bright with --invert", async () => {
  const { test: digits } = syntheticDigits({ train: 1, test: 8, seed: 77 });
  const names = Array.from({ length: 8 }, (_, i) => {
    writeImage(`${i}.png`, readSample(digits, i), i >= 4);
    return `${i}.png`;
  });
  const told = await cli.run(["predict", "lenet5.safetensors", ...names.slice(0, 4), "--json"]);
  const inverted = await cli.run(["predict", "lenet5.safetensors", ...names.slice(4), "--json", "--invert"]);
  const guesses = [...jsonLines(told.stdout), ...jsonLines(inverted.stdout)] as {
    image: string;
    classes: { class: string; share: number }[];
  }[];
  expect(guesses.map(({ image }) => image)).toEqual(names);
  const right = guesses.filter(({ classes }, i) => classes[0]?.class === String(digits.labels[i]));
  expect(right.length).toBeGreaterThanOrEqual(6);
  expect(guesses.every(({ classes }) => classes.length === 3)).toBe(true);
  const line = await cli.run(["predict", "lenet5.safetensors", "0.png", "--top", "1"]);
  expect(line.stdout).toMatch(/^0\.png: \d \(\d+\.\d\d %\)\n$/);
});

test("predict says which file is no image, and which is not there", async () => {
  writeFileSync(join(cli.folder, "text.png"), "no image");
  const bad = await cli.run(["predict", "lenet5.safetensors", "text.png"]);
  expect(bad).toMatchObject({ code: 2 });
  expect(bad.stderr).toMatch(/text\.png: neither PNG nor JPEG/);
  const missing = await cli.run(["predict", "lenet5.safetensors", "none.png"]);
  expect(missing).toMatchObject({ code: 2 });
  expect(missing.stderr).toMatch(/none\.png: there is no such file/);
});

test("summary of a recipe and of a saved file", async () => {
  const { code, stdout } = await cli.run(["summary"]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/0 Conv2d +\[N, 6, 28, 28\] +156/);
  expect(stdout).toMatch(/61,706 parameters/);
  expect(stdout).toMatch(/A training step of 64 samples on .*: \d+ dispatches/);
  const [saved] = jsonLines(
    (await cli.run(["summary", "lenet5.safetensors", "--json", "--batch-size", "8"])).stdout,
  );
  expect(saved).toMatchObject({ recipe: "lenet5", parameters: 61706, step: { batchSize: 8 } });
});
