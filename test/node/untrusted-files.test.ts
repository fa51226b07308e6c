/** Files that anybody may have written: checkpoints, run.json, logs, reports, stored kernel choices; and files in the way. */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import { readSafetensors, writeSafetensors } from "../../src/io/safetensors.ts";
import * as nn from "../../src/nn/index.ts";
import { readLogs } from "../../src/node/cli/output/curves.ts";
import { readRun } from "../../src/node/cli/training/run-folder.ts";
import { nodeFiles } from "../../src/node/device/open-device.ts";
import * as optim from "../../src/optim/index.ts";
import { readReport } from "../../src/report/index.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { addChecksum } from "../../src/train/state/checkpoint.ts";
import { StoredChoices } from "../../src/tune/stored-choices.ts";
import { FormatError } from "../../src/validation/errors.ts";
import { buildCli, type Cli } from "../support/cli.ts";
import { fuzz } from "../support/fuzz.ts";

let cli: Cli;
const short = [
  "--dataset",
  "synthetic",
  "--limit",
  "40",
  "--batch-size",
  "8",
  "--epochs",
  "1",
  "--backend",
  "cpu",
];
const inFolder = (...names: string[]) => join(cli.folder, ...names);
beforeAll(async () => {
  cli = await buildCli();
  const files = ["--log", "log.jsonl", "--report", "report.html"];
  const { code, stderr } = await cli.run(["train", "mlp", ...short, "--run", "run", ...files]);
  expect(code, stderr).toBe(0);
});
afterAll(() => cli.remove());

const text = (name: string) => readFileSync(inFolder(name), "utf8");

describe("checkpoints", () => {
  const { train } = syntheticDigits({ seed: 1, train: 40, test: 1 });
  const makeTrainer = () =>
    Trainer.create(new CpuBackend({ files: nodeFiles }), {
      model: nn.sequential(nn.flatten(), nn.linear(784, 3), nn.batchNorm1d(3), nn.linear(3, 10)),
      loss: nn.crossEntropy(),
      optimizer: optim.sgd({ learningRate: 0.1, momentum: 0.9 }),
      batchSize: 10,
    });
  let sound: Uint8Array;
  beforeAll(async () => {
    const trainer = await makeTrainer();
    const directory = inFolder("made");
    await trainer.fit(train, {
      epochs: 2,
      validation: train,
      evaluateEvery: 3,
      earlyStopping: { restoreBest: true, patience: 9 },
      checkpoints: { directory },
    });
    sound = readFileSync(join(directory, readdirSync(directory).sort().at(-1) as string));
  });

  type Tensors = ReturnType<typeof readSafetensors>["tensors"];
  /** The sound checkpoint with other tensors or another record, and its checksum right. */
  const forged = (
    change: (record: Record<string, unknown>, metadata: Record<string, string>) => void,
    tensors: (all: Map<string, { shape: readonly number[]; data: never }>) => void = () => undefined,
  ) => {
    const file = readSafetensors(sound);
    const metadata: Record<string, string> = { ...file.metadata, crc32: "00000000" };
    const record = JSON.parse(metadata.fit as string) as Record<string, unknown>;
    metadata.fit = "";
    change(record, metadata);
    if (metadata.fit === "") metadata.fit = JSON.stringify(record);
    const all = new Map(file.tensors as Tensors) as unknown as Map<
      string,
      { shape: readonly number[]; data: never }
    >;
    tensors(all);
    return addChecksum(writeSafetensors(all, metadata));
  };
  const set = (path: string, value: unknown) => (record: Record<string, unknown>) => {
    const names = path.split(".");
    let at = record as Record<string, never>;
    for (const name of names.slice(0, -1)) at = at[name] as unknown as Record<string, never>;
    at[names.at(-1) as string] = value as never;
  };
  const step = (data: unknown, shape = [1]) =>
    forged(
      () => undefined,
      (all) => void all.set("trainer.step", { shape, data: data as never }),
    );

  test("a step of any type is its number, or is refused; so is every other tensor", async () => {
    for (const data of [Int32Array.of(8), Float32Array.of(8), Float64Array.of(8), Uint8Array.of(8)]) {
      const trainer = await makeTrainer();
      expect((await trainer.restore(step(data), "x")).step).toBe(8);
      expect(trainer.steps).toBe(8);
    }
    for (const data of [[8.5], [-1], [Number.NaN], [Infinity], [1e300], [2 ** 31], [2 ** 32 - 1]].map(
      ([n]) => n,
    )) {
      const attempt = (await makeTrainer()).restore(step(Float64Array.of(data as number)), "x.safetensors");
      await expect(attempt, String(data)).rejects.toThrow(FormatError);
      await expect(attempt, String(data)).rejects.toThrow(/^x\.safetensors: trainer\.step/);
    }
    for (const [data, shape] of [
      [new Uint32Array(2), [2]],
      [new Uint32Array(0), [0]],
      [Uint32Array.of(8), []],
    ] as const)
      await expect((await makeTrainer()).restore(step(data, [...shape]), "x")).rejects.toThrow(/shape/);
    const wrong: [string, unknown][] = [
      ["trainer.best.1.weight", { shape: [2], data: new Float32Array(2) }],
      ["trainer.best.else", { shape: [1], data: new Float32Array(1) }],
      ["trainer.key", { shape: [2], data: Float32Array.of(0.5, 1) }],
      ["trainer.learningRate", { shape: [2], data: new Float32Array(2) }],
      ["1.weight", { shape: [3, 783], data: new Float32Array(3 * 783) }],
    ];
    for (const [name, tensor] of wrong) {
      const bytes = forged(
        () => undefined,
        (all) => void all.set(name, tensor as never),
      );
      await expect((await makeTrainer()).restore(bytes, "x"), name).rejects.toThrow(FormatError);
    }
  });

  test.each<[string, unknown]>([
    ["begin", 99],
    ["begin", -1],
    ["begin", 0.5],
    ["evaluatedAt", 1e9],
    ["seconds", null],
    ["seconds", -1],
    ["epochs", {}],
    ["epochs", [null]],
    ["epochs", [{ epoch: 2, loss: 1 }]],
    ["epochs", [{ epoch: 1 }]],
    ["epochs", [{ epoch: 1, loss: "1" }]],
    ["epochs", [{ epoch: 1, loss: 1, val: 5 }]],
    ["epochs", [{ epoch: 1, loss: 1, metrics: { f1: { deep: 1 } } }]],
    ["evaluations", [{}]],
    ["totals", undefined],
    ["totals.sums", ["1"]],
    ["totals.sums", "1"],
    ["totals.steps", 1e9],
    ["early", 7],
    ["early.bad", -1],
    ["early.best", {}],
    ["stopped", 5],
    ["format", 2],
    ["format", "1"],
  ])("a record whose %s is %j is refused by name", async (path, value) => {
    const attempt = (await makeTrainer()).restore(forged(set(path, value)), "x.safetensors");
    await expect(attempt).rejects.toThrow(FormatError);
    await expect(attempt).rejects.toThrow(/^x\.safetensors: the record of its run/);
  });

  test("what is no record, later formats, and files without a number", async () => {
    for (const fit of ["[]", "null", "{", "7", "[".repeat(200_000)]) {
      const bytes = forged((_, metadata) => void Object.assign(metadata, { fit }));
      await expect((await makeTrainer()).restore(bytes, "x")).rejects.toThrow(FormatError);
    }
    const later = forged((_, metadata) => void Object.assign(metadata, { weftFormat: "2" }));
    await expect((await makeTrainer()).restore(later, "x")).rejects.toThrow(
      /x: has format 2, .* up to 1; update Weft/,
    );
    await expect((await makeTrainer()).fromSafetensors(later, "x")).rejects.toThrow(/has format 2/);
    const old = forged((record, metadata) => {
      delete metadata.weftFormat;
      delete metadata.weftRun;
      delete record.format;
    });
    expect((await (await makeTrainer()).restore(old, "x")).step).toBe(8);
  });

  test("three thousand mutants: refused by name, or sound and able to go on", async () => {
    const trainer = await makeTrainer();
    const result = await fuzz(
      {
        name: "checkpoint",
        files: [sound],
        words: [
          "null",
          "{}",
          "[",
          '"fit"',
          "trainer.step",
          "U32",
          "F32",
          "1e9",
          '\\"epochs\\":',
          "-1",
          "[1]",
        ],
        repair: (bytes) => {
          try {
            // The place of the checksum may be gone.
            const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf('"crc32":"') + 9;
            bytes.set(Buffer.from("00000000"), at);
            addChecksum(bytes);
          } catch {
            // Refused then.
          }
        },
        async read(bytes, file) {
          const { step, epochs } = await trainer.restore(bytes, file);
          return Number.isSafeInteger(step) && step >= 0 && Array.isArray(epochs);
        },
      },
      3000,
    );
    expect(result.failures).toEqual([]);
    expect(result.refused).toBeGreaterThan(1500);
    expect(result.accepted).toBeGreaterThan(10);
  });
});

describe("run.json", () => {
  const write = (name: string, change: (run: Record<string, unknown>) => void) => {
    rmSync(inFolder(name), { recursive: true, force: true });
    cpSync(inFolder("run"), inFolder(name), { recursive: true });
    const run = JSON.parse(text("run/run.json")) as { options: Record<string, unknown> };
    for (const option of ["log", "report"]) delete run.options[option];
    change(run);
    writeFileSync(inFolder(name, "run.json"), JSON.stringify(run));
    return name;
  };
  const option = (name: string, value: unknown) => (run: Record<string, unknown>) =>
    void Object.assign(run.options as object, { [name]: value });

  test("a run of one's own goes on with its paths; a stranger's writes nowhere but in its folder unless asked to", async () => {
    const own = await cli.run(["train", "mlp", ...short, "--run", "own", "--save", "own.safetensors"]);
    expect(own.code).toBe(0);
    expect((await cli.run(["train", "--resume", "own"])).code).toBe(0);
    const outside = inFolder("outside");
    mkdirSync(outside);
    const attacks: [string, string][] = [
      ["save", join(outside, "model")],
      ["save", "outside/model"],
      ["save", "stranger/../outside/model"],
      ["history", join(outside, "history.csv")],
      ["log", join(outside, "log")],
      ["picture", join(outside, "picture.svg")],
      ["report", join(outside, "report.html")],
      ["dataDir", outside],
    ];
    for (const [name, value] of attacks) {
      const folder = write("stranger", option(name, value));
      const { code, stderr } = await cli.refusal(["train", "--resume", folder]);
      expect(code, `${name} ${value}`).toBe(2);
      expect(stderr).toMatch(
        /would write to .*outside.*, outside its folder, and was not written by your Weft: give --/,
      );
      expect(readdirSync(outside)).toEqual([]);
    }
    // Asked to.
    const folder = write("stranger", option("save", join(outside, "model")));
    const asked = await cli.run(["train", "--resume", folder, "--save", "outside/mine"]);
    expect(asked.code, asked.stderr).toBe(0);
    expect(readdirSync(outside)).toEqual(["mine"]);
    // Within its folder nothing need be asked.
    const within = await cli.run([
      "train",
      "--resume",
      write("stranger", option("save", "stranger/deep/model")),
    ]);
    expect(within.code, within.stderr).toBe(0);
    expect(existsSync(inFolder("stranger/deep/model"))).toBe(true);
    // Links out of it, also into the void.
    for (const [name, target] of [
      ["checkpoints", outside],
      ["link", outside],
      ["link", inFolder("nowhere")],
      ["history.csv", join(outside, "mine")],
    ]) {
      write("stranger", (run) => void delete run.signature);
      rmSync(inFolder("stranger", name as string), { recursive: true, force: true });
      symlinkSync(target as string, inFolder("stranger", name as string));
      if (name === "link") {
        const run = JSON.parse(text("stranger/run.json")) as { options: Record<string, string> };
        run.options.save = inFolder("stranger/link/model");
        writeFileSync(inFolder("stranger/run.json"), JSON.stringify(run));
      }
      const { code, stderr } = await cli.refusal(["train", "--resume", "stranger"]);
      expect(code, name).toBe(2);
      expect(stderr).toMatch(/was not written by your Weft|is a link that leads out of stranger; remove it/);
    }
    expect(readdirSync(outside)).toEqual(["mine"]);
    // One's own may be moved and changed in other ways.
    cpSync(inFolder("own"), inFolder("moved"), { recursive: true });
    expect((await cli.run(["train", "--resume", "moved"])).code).toBe(0);
  });

  test.each<[string, (run: Record<string, unknown>) => void, RegExp]>([
    ["an option that there is not", option("shell", "x"), /weft train has no option "shell"/],
    ["an option in a name", option("save=/x", true), /weft train has no option "save=\/x"/],
    ["a number", option("epochs", 3), /options: epochs must be a text/],
    ["help", option("help", true), /weft train has no option "help"/],
    [
      "a recipe that is an option",
      (run) => Object.assign(run, { recipe: "--save=x" }),
      /recipe must be the name of a recipe/,
    ],
    ["a later format", (run) => Object.assign(run, { format: 2 }), /has format 2, .* update Weft/],
    ["no data", (run) => Object.assign(run, { data: null }), /data: expected an object/],
    [
      "samples that are no number",
      (run) => Object.assign(run, { data: { ...(run.data as object), train: "5" } }),
      /train must be a whole number/,
    ],
    ["a run that is no text", (run) => Object.assign(run, { run: {} }), /run must be hexadecimal digits/],
  ])("with %s is refused by name", async (_, change, message) => {
    const { code, stdout, stderr } = await cli.refusal(["train", "--resume", write("forged", change)]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(message);
  });

  test("of an early version still works", async () => {
    const folder = write("early", (run) => {
      for (const name of ["format", "run", "signature"]) delete run[name];
    });
    const { code, stderr } = await cli.run(["train", "--resume", folder, "--save", "early.safetensors"]);
    expect([code, stderr]).toEqual([0, expect.not.stringMatching(/weft:/)]);
  });

  test("a pipe is no run and no model", async () => {
    mkdirSync(inFolder("piped"));
    execFileSync("mkfifo", [inFolder("piped/run.json")]);
    const runs = await Promise.all([
      cli.run(["train", "--resume", "piped"]),
      cli.run(["eval", "piped/run.json"]),
      cli.run(["eval", "/dev/zero"]),
    ]);
    for (const { code, stderr } of runs) {
      expect(code).toBe(2);
      expect(stderr).toMatch(/it is a [\w ]+, not a file/);
    }
  });

  test("two thousand mutants: refused by name or followed", async () => {
    const flags = { backend: "cpu", seed: 0, conv: "auto" } as const;
    mkdirSync(inFolder("fuzzed"), { recursive: true });
    let turn = Promise.resolve<unknown>(0);
    const result = await fuzz(
      {
        name: "run.json",
        files: [readFileSync(inFolder("run/run.json"))],
        words: [
          '"options"',
          "{",
          "}",
          "[]",
          "null",
          "true",
          '"save": "/x",',
          '"format": 9,',
          "--",
          "\\u001b",
        ],
        read(bytes, file) {
          // One after the other: they share a folder.
          const mine = turn.then(async () => {
            mkdirSync(inFolder("fuzzed", file));
            writeFileSync(inFolder("fuzzed", file, "run.json"), bytes);
            try {
              const { flags: found } = await readRun(inFolder("fuzzed", file), flags, []);
              return typeof found.seed === "number" && found.run === inFolder("fuzzed", file);
            } finally {
              rmSync(inFolder("fuzzed", file), { recursive: true });
            }
          });
          turn = mine.catch(() => undefined);
          return mine;
        },
      },
      2000,
    );
    expect(result.failures).toEqual([]);
    expect(result.refused).toBeGreaterThan(200);
  });
});

describe("logs, reports, kernel choices", () => {
  test("mutants are refused by name or sound", async () => {
    const log = await fuzz(
      {
        name: "log",
        files: [readFileSync(inFolder("log.jsonl"))],
        words: ['"epoch"', "null", "{}", "[]", '"loss":{}', "\n"],
        async read(bytes, file) {
          const path = inFolder(file);
          writeFileSync(path, bytes);
          try {
            const [run] = await readLogs([path]);
            return run?.epochs.every(({ epoch }) => Number.isSafeInteger(epoch)) === true;
          } finally {
            rmSync(path);
          }
        },
      },
      1500,
    );
    expect(log.failures).toEqual([]);
    const report = await fuzz(
      {
        name: "report",
        files: [Buffer.from(text("report.html").slice(text("report.html").indexOf("<script type")))],
        words: ['"epochs":', "null", "{}", "[]", '"title":', "</script>"],
        read: (bytes, file) =>
          readReport(Buffer.from(bytes).toString(), file).epochs.every(({ epoch }) =>
            Number.isSafeInteger(epoch),
          ),
      },
      1500,
    );
    expect(report.failures).toEqual([]);
    expect(() => readReport(text("report.html").replace('"format":1', '"format":2'))).toThrow(/has format 2/);
  });

  test("stored kernel choices that are not as they should be are left out, and that is said", async () => {
    const stored = new Map<string, string>();
    const store = {
      place: "here",
      load: async (adapter: string) => stored.get(adapter),
      save: async (adapter: string, content: string) => void stored.set(adapter, content),
    };
    const choices = await StoredChoices.load("gpu", store, () => undefined, false);
    await choices.add(new Map([["conv2d {}", { variant: "direct", ratio: 0.5, fingerprint: "f" }]]));
    const sound = stored.get("gpu") as string;
    const group = {
      key: "conv2d {}",
      fingerprint: "f",
      alternatives: [{ name: "direct", kernels: [] }],
    } as never;
    const load = async (content: string) => {
      const told: string[] = [];
      stored.set("gpu", content);
      const loaded = await StoredChoices.load("gpu", store, (line) => void told.push(line), false);
      return { found: loaded.find(group), told };
    };
    expect(await load(sound)).toMatchObject({ found: { ratio: 0.5 }, told: [] });
    for (const [from, to] of [
      ['"format": 1', '"format": 2'],
      ['"ratio": 0.5', '"ratio": "0.5"'],
      ['"variant": "direct"', '"variant": {}'],
      ['"choices": {', '"choices": 5, "x": {'],
      ["{", "["],
    ] as const) {
      expect(await load(sound.replace(from, to)), to).toEqual({
        found: undefined,
        told: [expect.stringMatching(/^the stored kernel choices in here are damaged and ignored \(/)],
      });
    }
  });
});

describe("a file in the way", () => {
  test("is not overwritten where it is read from, or written for another purpose", async () => {
    const rows = Array.from({ length: 20 }, (_, i) => `${i},${i % 2 ? "a" : "b"}`);
    writeFileSync(inFolder("table.csv"), `x,label\n${rows.join("\n")}\n`);
    linkSync(inFolder("table.csv"), inFolder("hard.csv"));
    symlinkSync(inFolder("table.csv"), inFolder("soft.csv"));
    symlinkSync(cli.folder, inFolder("loop"));
    mkdirSync(inFolder("no-data/mnist"), { recursive: true });
    writeFileSync(inFolder("no-data/mnist/train"), "x");
    const before = text("table.csv");
    const own = ["train", "--csv", "table.csv", "--label", "label", "--epochs", "1", "--backend", "cpu"];
    const own2 = ["train", "mlp", ...short];
    const cases: [string[], RegExp][] = [
      ...["table.csv", "./table.csv", "hard.csv", "soft.csv", "loop/table.csv", inFolder("table.csv")].map(
        (path): [string[], RegExp] => [
          [...own, "--save", path],
          /--save: won't write to .*, which is the table to learn from/,
        ],
      ),
      [[...own, "--history", "hard.csv"], /--history: won't write to hard\.csv/],
      [[...own, "--log", "table.csv"], /--log: won't write/],
      [[...own, "--report", "table.html"], /--report: won't write to table\.csv/],
      [[...own, "--save", "m", "--log", "m"], /--log: m is the file of --save already/],
      [
        [...own2, "--run", "new", "--save", "new/run.json"],
        /--save: won't write to new\/run\.json, which is the run's own/,
      ],
      [
        [...own2, "--run", "new", "--save", "new/history.csv"],
        /--run: .*history\.csv is the file of --save already/,
      ],
      [
        [
          "train",
          "--resume",
          "run",
          "--save",
          `run/checkpoints/${readdirSync(inFolder("run/checkpoints"))[0]}`,
        ],
        /a checkpoint of the run/,
      ],
      [
        [...own2, "--report", "r.html", "--compare", "log.jsonl", "--log", "log.jsonl"],
        /--log: won't write to log\.jsonl, which is a file to compare with/,
      ],
      [
        ["train", "lenet5", "--dataset", "mnist", "--save", "no-data/mnist/train"],
        /which is a file of the data set mnist/,
      ],
      [
        ["compile", "lenet5", "--dataset", "mnist", "--out", "no-data/mnist/train"],
        /--out: won't write .*data set mnist/,
      ],
    ];
    for (const [words, message] of cases) {
      const { code, stderr } = await cli.run(words);
      expect(stderr, words.join(" ")).toMatch(message);
      expect(code).toBe(2);
    }
    expect(text("table.csv")).toBe(before);
    const good = await cli.run([
      ...own,
      "--save",
      "m.safetensors",
      "--report",
      "r.html",
      "--history",
      "r.csv",
    ]);
    expect(good.code, good.stderr).toBe(0);
  });
});
