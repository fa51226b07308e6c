/** Text as data sets, descriptions of language models, sampling, and the recipes for text on data made here. */
import { describe, expect, it } from "vitest";
import { randomWindows, splitText, textDataset, windows } from "../../src/data/text-dataset.ts";
import { constant, input } from "../../src/graph/tensor.ts";
import { gpt } from "../../src/nn/gpt.ts";
import { Random } from "../../src/numbers/random.ts";
import { additionText } from "../../src/recipes/addition.ts";
import { recipe, recipeData, recipeRun } from "../../src/recipes/index.ts";
import {
  continueText,
  describeLanguageModel,
  drawToken,
  modelOfLanguageModel,
  parseLanguageModel,
} from "../../src/recipes/language-model.ts";
import { answerLoss } from "../../src/recipes/losses.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { characters, charactersOf } from "../../src/tokenizers/characters.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { gpuBackend } from "../support/backend.ts";

const text = "to be or not to be, that is the question";
const set = textDataset(text, { name: "t", characters: charactersOf(text) });
const read = (ids: ArrayLike<number>) => Array.from(ids, (id) => set.classNames?.[id]).join("");

describe("text as a data set", () => {
  it("labels each character with the next one; windows and parts do not overlap the parts' border", () => {
    expect(set.count).toBe(text.length - 1);
    expect(read(set.inputs.data) + read(set.labels).at(-1)).toBe(text);
    const { train, test } = splitText(set, 0.5);
    expect(read(train.labels).at(-1)).toBe(text[19]);
    expect(read(test.inputs.data)[0]).toBe(text[20]);
    const cut = windows(train, 8, 4);
    expect(cut.count).toBe(3);
    expect(read(cut.inputs.data)).toBe(text.slice(0, 8) + text.slice(4, 12) + text.slice(8, 16));
    expect(read(cut.labels)).toBe(text.slice(1, 9) + text.slice(5, 13) + text.slice(9, 17));
    expect(windows(test, test.count).count).toBe(1);
  });

  it("draws windows that begin anywhere, the same ones for the same seed", () => {
    const drawn = randomWindows(set, 8, 1000, 1);
    const starts = new Set<number>();
    for (let i = 0; i < drawn.count; i++) {
      const window = read(drawn.inputs.data.subarray(8 * i, 8 * i + 8));
      const start = text.indexOf(window + read(drawn.labels.subarray(8 * i + 7, 8 * i + 8)));
      expect(start).toBeGreaterThanOrEqual(0);
      expect(read(drawn.labels.subarray(8 * i, 8 * i + 8))).toBe(text.slice(start + 1, start + 9));
      starts.add(start);
    }
    expect(starts.size).toBe(set.count - 8 + 1);
    expect(randomWindows(set, 8, 1000, 1)).toEqual(drawn);
    expect(randomWindows(set, 8, 1000, 2).inputs).not.toEqual(drawn.inputs);
    expect(randomWindows(set, set.count, 2, 1).count).toBe(2);
    expect(() => randomWindows(set, 64, 1, 1)).toThrow("39 characters are less than one window of 64");
  });

  it("refuses unknown characters, and texts that are too short", () => {
    expect(() => characters(["t"]).encode("tö", { name: "prompt" })).toThrow(
      'prompt: holds "ö", which the model does not know',
    );
    expect(() => textDataset("t", { name: "short", characters: ["t"] })).toThrow("short: needs at least two");
    expect(() => windows(set, 64)).toThrow("39 characters are less than one window of 64");
  });
});

describe("descriptions", () => {
  const model = gpt({
    vocabSize: 3,
    contextLength: 4,
    layers: 1,
    heads: 2,
    embedSize: 8,
    bias: false,
    dropout: 0.5,
  });
  const described = describeLanguageModel(model, ["a", "b", "\n"]);

  it("rebuild the model, without its dropout", () => {
    const again = parseLanguageModel(JSON.stringify(described), "f");
    expect(again).toEqual(described);
    expect(modelOfLanguageModel(again).options).toEqual({ ...model.options, dropout: 0 });
  });

  it("keeps the variants of the model; files from before them have the defaults", () => {
    const llama = gpt({
      ...{ vocabSize: 2, contextLength: 4, layers: 1, heads: 4, kvHeads: 2, embedSize: 8, bias: false },
      ...{ positions: "rotary", rotaryBase: 500, norm: "rmsNorm", normEps: 1e-6, mlp: "swiglu" },
    });
    const again = parseLanguageModel(JSON.stringify(describeLanguageModel(llama, ["a", "b"])), "f");
    expect(modelOfLanguageModel(again).options).toEqual(llama.options);
    const { kvHeads, positions, rotaryBase, norm, normEps, mlp, ...before } = described;
    expect(parseLanguageModel(JSON.stringify(before), "f")).toEqual(described);
  });

  it.each([
    ["{", /f: the description/],
    [JSON.stringify({ ...described, kvHeads: 3 }), /kvHeads.*divisor/],
    [JSON.stringify({ ...described, positions: "sinusoidal" }), /positions.*learned or rotary/],
    [JSON.stringify({ ...described, positions: "rotary", heads: 8, kvHeads: 8 }), /even width/],
    [JSON.stringify({ ...described, normEps: -1 }), /normEps.*above 0/],
    [JSON.stringify({ ...described, layers: 0 }), /f: .*layers/],
    [JSON.stringify({ ...described, heads: 3 }), /heads.*divisor/],
    [JSON.stringify({ ...described, bias: 1 }), /bias.*true or false/],
    [JSON.stringify({ ...described, characters: ["a", "a"] }), /different characters/],
    [JSON.stringify({ ...described, characters: ["ab", "c"] }), /different characters/],
    [JSON.stringify({ ...described, embedSize: 2 ** 21 }), /embedSize/],
  ])("refuses %s", (bad, message) => {
    expect(() => parseLanguageModel(bad, "f")).toThrow(message);
  });
});

describe("sampling", () => {
  const logits = [0, Math.log(4), Math.log(3), Math.log(2)];
  const shares = (options: object, draws = 4000) => {
    const random = new Random(5);
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < draws; i++) counts[drawToken(logits, options, random)]! += 1 / draws;
    return counts;
  };
  const expectShares = (given: readonly number[], wanted: readonly number[]) =>
    given.forEach((share, i) => {
      // Three standard deviations of 4,000 draws.
      expect(Math.abs(share - wanted[i]!)).toBeLessThan(0.024);
      if (wanted[i] === 0) expect(share).toBe(0);
    });

  it("draws with the probabilities of the softmax, of the divided logits, of the kept tokens", () => {
    expectShares(shares({ temperature: 1 }), [0.1, 0.4, 0.3, 0.2]);
    expectShares(shares({ temperature: 0.5 }), [1 / 30, 16 / 30, 9 / 30, 4 / 30]);
    expectShares(shares({ temperature: 1, topK: 2 }), [0, 4 / 7, 3 / 7, 0]);
    expectShares(shares({ temperature: 1, topP: 0.75 }), [0, 4 / 9, 3 / 9, 2 / 9]);
    expectShares(shares({ temperature: 1, topP: 0.39 }), [0, 1, 0, 0]);
    expectShares(shares({ temperature: 0 }), [0, 1, 0, 0]);
  });

  it("continues from the last characters that the model can see; the seed decides", async () => {
    const seen: string[] = [];
    const characters = ["a", "b", "c"];
    // After a comes b, after b comes c, after c comes a.
    const logitsOf = async (context: Int32Array) => {
      seen.push(Array.from(context, (id) => characters[id]).join(""));
      return Array.from(context, (id) => characters.map((_, c) => (c === (id + 1) % 3 ? 50 : 0))).flat();
    };
    let made = "";
    for await (const c of continueText(logitsOf, { characters, contextLength: 4 }, "ab", { tokens: 4 }))
      made += c;
    expect(made).toBe("cabc");
    expect(seen).toEqual(["abaa", "abca", "abca", "bcab"]);
    const flat = async (context: Int32Array) => new Float32Array(context.length * 3);
    const drawn = async (seed: number) => {
      let out = "";
      for await (const c of continueText(flat, { characters, contextLength: 4 }, "a", { tokens: 20, seed }))
        out += c;
      return out;
    };
    expect(await drawn(1)).toBe(await drawn(1));
    expect(await drawn(1)).not.toBe(await drawn(2));
  });

  it("refuses options out of range, and a model whose output is not finite", async () => {
    const known = { characters: ["a"], contextLength: 1 };
    const first = (prompt: string, options: object, value = 0) =>
      continueText(async () => [value], known, prompt, { tokens: 1, ...options }).next();
    await expect(first("", {})).rejects.toThrow("at least one character");
    await expect(first("a", { temperature: -1 })).rejects.toThrow("temperature must be at least 0");
    await expect(first("a", { topK: 0 })).rejects.toThrow("topK");
    await expect(first("a", { topP: 1.5 })).rejects.toThrow("topP");
    await expect(first("a", { top: 1 })).rejects.toThrow("top");
    await expect(first("a", {}, Number.NaN)).rejects.toThrow("not finite");
  });
});

describe("recipes for text", () => {
  it("an answer is right if all of its labelled positions are", async () => {
    const backend = new CpuBackend();
    // Of two classes; sample 0 is right, 1 and 2 are right at one of two positions, 3 has weight 0.
    const guesses = [1, 1, 0, 1, 0, 0, 0, 1, 1, 0, 1, 1];
    const output = input([4, 3, 2]);
    const labels = Int32Array.from([-100, 1, 0, -100, 0, 1, -100, 0, 1, -100, 1, 1]);
    const target = constant(labels, [4, 3], "i32");
    const weights = constant(Float32Array.of(1, 1, 1, 0), [4]);
    const { sums, count } = answerLoss().build(output, target, weights);
    const program = await backend.compile({ outputs: [sums.correct!, count] });
    backend.write(output, Float32Array.from(guesses.flatMap((c) => (c === 1 ? [0, 1] : [1, 0]))), 0);
    program.run();
    expect(Array.from(await program.read(sums.correct!))).toEqual([1]);
    expect(Array.from(await program.read(count))).toEqual([3]);
  });

  it("addition: questions are right, and held-out pairs are not trained", () => {
    expect(additionText(27, 48)).toBe("27+48=570");
    expect(additionText(99, 5)).toBe("99+05=401");
    const { train, test } = recipeData(recipe("addition"), undefined);
    expect([train.count, test.count]).toEqual([9000, 1000]);
    const questions = ({ inputs, count }: typeof train) =>
      Array.from({ length: count }, (_, i) => inputs.data.subarray(i * 8, i * 8 + 6).join());
    expect(new Set([...questions(train), ...questions(test)]).size).toBe(10_000);
  });

  it("gpt-shakespeare learns a short text by heart in few steps", async () => {
    const shakespeare = recipe("gpt-shakespeare");
    const verse = `${text}: whether it is nobler in the mind to suffer. `.repeat(30);
    const data = recipeData(
      shakespeare,
      textDataset(verse, { name: "verse", characters: charactersOf(verse) }),
    );
    expect([data.train.inputs.shape, data.test.inputs.shape]).toEqual([[64], [64]]);
    const { trainer: options, fit } = recipeRun(shakespeare, data.train, {
      steps: 18,
      warmUpSteps: 2,
      learningRate: 4e-3,
      seed: 1,
    });
    const trainer = await Trainer.create(await gpuBackend(), options);
    await trainer.fit(data.train, { steps: 1 });
    const { loss: before } = await trainer.evaluate(data.test);
    await trainer.fit(data.train, { steps: fit.steps ?? 0 });
    const { loss: after } = await trainer.evaluate(data.test);
    // ln 65 is the loss of equal probabilities; that of the frequencies of the characters is 2.8.
    expect(before).toBeCloseTo(Math.log(65), 0);
    expect(after).toBeLessThan(2.6);
  });
});
