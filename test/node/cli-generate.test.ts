/** weft generate: text, JSON, stopping, and files that hold no language model. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeSafetensors } from "../../src/io/safetensors.ts";
import { gpt } from "../../src/nn/gpt.ts";
import { crossEntropy } from "../../src/nn/loss.ts";
import { untilStop } from "../../src/node/cli/commands/generate.ts";
import { sgd } from "../../src/optim/sgd.ts";
import { describeLanguageModel } from "../../src/recipes/language-model.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { buildCli, type Cli, jsonLines } from "../support/cli.ts";

let cli: Cli;
const characters = [..."\n\tabc\u001b"];

/** A model with random weights, saved as weft train does. */
beforeAll(async () => {
  cli = await buildCli();
  const model = gpt({ vocabSize: characters.length, contextLength: 4, layers: 1, heads: 2, embedSize: 8 });
  const trainer = await Trainer.create(new CpuBackend(), {
    model,
    loss: crossEntropy({ classAxis: -1 }),
    optimizer: sgd({ learningRate: 0 }),
    batchSize: 1,
    seed: 1,
  });
  const bytes = await trainer.toSafetensors({
    languageModel: JSON.stringify(describeLanguageModel(model, characters)),
  });
  writeFileSync(join(cli.folder, "m.safetensors"), bytes);
});
afterAll(() => cli.remove());

const generate = (...words: string[]) => cli.run(["generate", "m.safetensors", "--backend", "cpu", ...words]);

test("prints prompt and text, with line breaks but no other control characters; the seed decides", async () => {
  const { code, stdout, stderr } = await generate("--prompt", "ab", "--tokens", "60", "--temperature", "5");
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^ab[\n\tabc\\u01b]+\n$/);
  expect(stdout).toContain("\\u001b");
  expect(stdout.replaceAll("\\u001b", "E")).toHaveLength(2 + 60 + 1);
  const again = await generate("--prompt", "ab", "--tokens", "60", "--temperature", "5");
  expect(again.stdout).toBe(stdout);
  const other = await generate("--prompt", "ab", "--tokens", "60", "--temperature", "5", "--seed", "1");
  expect(other.stdout).not.toBe(stdout);
});

test("--json: a line per piece, then what was done; --stop ends before its text", async () => {
  const words = ["--prompt", "a", "--tokens", "80", "--temperature", "5", "--json"];
  const lines = jsonLines((await generate(...words)).stdout);
  const pieces = lines.filter(({ event }) => event === "text").map(({ text }) => text);
  expect(pieces).toHaveLength(80);
  const done = lines.at(-1);
  expect(done).toMatchObject({ event: "done", prompt: "a", tokens: 80, seed: 0, backend: "cpu" });
  expect(done?.text).toBe(pieces.join(""));
  const all = pieces.join("");
  const stop = all.slice(20, 22);
  const stopped = jsonLines((await generate(...words, "--stop", stop, "not there")).stdout).at(-1);
  expect(stopped?.text).toBe(all.slice(0, all.indexOf(stop)));
});

test("a recipe for text is trained, prints samples, is reported, evaluated and generates", async () => {
  const short = ["--steps", "2", "--warmup", "1", "--limit", "64", "--batch-size", "8", "--backend", "cpu"];
  const trained = await cli.run(["train", "addition", ...short, "--report", "r.html", "--json"]);
  expect(trained).toMatchObject({ code: 0, stderr: expect.not.stringContaining("rror") });
  const lines = jsonLines(trained.stdout);
  const sample = lines.find(({ event }) => event === "sample");
  expect(sample).toMatchObject({ step: 2, text: expect.stringMatching(/^27\+48=.{3}$/) });
  const done = lines.at(-1) as { testLoss: number; testBitsPerCharacter: number };
  expect(done).toMatchObject({ event: "done", sample: "sequence", trainSamples: 64, testSamples: 7 });
  expect(done.testBitsPerCharacter).toBeCloseTo(done.testLoss / Math.log(2), 6);
  const page = readFileSync(join(cli.folder, "r.html"), "utf8");
  expect(page).toContain("Generated text");
  expect(page).toContain(`<pre>${sample?.text}</pre>`);
  expect(page).toContain("nats per character");

  const file = "addition.safetensors";
  const evaluated = await cli.run(["eval", file, "--backend", "cpu", "--json"]);
  expect(jsonLines(evaluated.stdout)[0]).toMatchObject({ testSamples: 7, loss: done.testLoss });
  const words = ["generate", file, "--prompt", "27+48=", "--tokens", "3", "--temperature", "0"];
  const { stdout } = await cli.run([...words, "--backend", "cpu"]);
  expect(stdout).toMatch(/^27\+48=[0-9+=]{3}\n$/);
  const layers = await cli.run(["summary", file, "--backend", "cpu", "--json"]);
  expect(jsonLines(layers.stdout)[0]).toMatchObject({ recipe: "addition", parameters: 101_376 });
});

test("text that may begin a stop is held back until it is clear", async () => {
  const pieces = async function* (text: string) {
    yield* text;
  };
  const read = async (text: string, stops: string[]) => {
    const out: string[] = [];
    for await (const piece of untilStop(pieces(text), stops)) out.push(piece);
    return out;
  };
  expect(await read("abc", [])).toEqual(["a", "b", "c"]);
  expect(await read("abcd", ["cx"])).toEqual(["a", "b", "c", "d"]);
  expect((await read("abcxd", ["cx", "xd"])).join("")).toBe("ab");
  expect(await read("cx", ["cx"])).toEqual([]);
});

test("other files, unknown characters and wrong options are refused by name", async () => {
  const file = writeSafetensors([], { recipe: "lenet5" });
  writeFileSync(join(cli.folder, "lenet5.safetensors"), file);
  writeFileSync(join(cli.folder, "text.safetensors"), "no file of tensors");
  const refused = async (...words: string[]) => {
    const { code, stdout, stderr } = await cli.refusal(["generate", ...words]);
    expect([code, stdout]).toEqual([2, ""]);
    return stderr;
  };
  expect(await refused("lenet5.safetensors")).toContain(
    "lenet5.safetensors: holds no language model but one of the recipe lenet5",
  );
  expect(await refused("text.safetensors")).toContain("text.safetensors");
  expect(await refused("m.safetensors", "--prompt", "")).toContain("--prompt: must have");
  expect(await refused("m.safetensors", "--prompt", "a", "--stop", "")).toContain("--stop: must have");
  expect(await refused("m.safetensors", "--tokens", "0")).toContain("--tokens");
  const { code, stderr } = await generate("--prompt", "aßb");
  expect(code).toBe(2);
  expect(stderr).toContain('prompt: holds "ß", which the model does not know');
  const topP = await generate("--prompt", "a", "--top-p", "2");
  expect(topP.stderr).toContain("topP must be above 0 and at most 1, got 2");
});
