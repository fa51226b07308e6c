/** How weft ends: wrong words, Ctrl-C, a device that is not there, many times in a row. */
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readSafetensors } from "../../src/io/safetensors.ts";
import { buildCli, type Cli, jsonLines, neverSaved } from "../support/cli.ts";

let cli: Cli;
beforeAll(async () => {
  cli = await buildCli();
  mkdirSync(join(cli.folder, "folder"));
  writeFileSync(join(cli.folder, "plain.txt"), "hello");
  writeFileSync(join(cli.folder, "cut.safetensors"), new Uint8Array([1, 2, 3]));
});
afterAll(() => cli.remove());

describe("words that can't be followed: one line, exit code 2", () => {
  // The first in a process of its own, too.
  test.each([
    ["bogus", /unknown command 'bogus'/],
    ["train --epoch 3", /unknown option '--epoch' \(Did you mean --epochs\?\)/],
    ["train --learning-rate 0.1", /unknown option '--learning-rate' \(Did you mean --lr\?\)/],
    ["evaluate m.safetensors", /unknown command 'evaluate' \(Did you mean eval\?\)/],
    ["train resnet", /there is no resnet; there are .*lenet5,/],
    ["train lenet5 twice", /too many arguments/],
    ["train --epochs 0", /'--epochs <n>' argument '0' is invalid.*whole number of at least 1/],
    ["train --epochs 1.5", /'--epochs <n>' argument '1\.5' is invalid/],
    ["train --epochs", /'--epochs <n>' argument missing/],
    ["train --batch-size -4", /'--batch-size <n>' argument '-4' is invalid/],
    ["train --limit 1e3", /'--limit <n>' argument '1e3' is invalid/],
    ["train --lr fast", /'--lr <number>' argument 'fast' is invalid.*number above 0/],
    ["train --lr 0", /'--lr <number>' argument '0' is invalid/],
    ["train --seed 99999999999999999", /'--seed <n>' argument .* is invalid/],
    [
      "train --optimizer adamix",
      /Allowed choices are sgd, momentum, adam, adamw, rmsprop, adagrad, lion, .*adamax/,
    ],
    ["train --optimizer adam --momentum 0.9 --dataset synthetic --limit 8", /adam: has no momentum/],
    ["train --ema 1", /'--ema <decay>' argument '1' is invalid.*from 0 to below 1/],
    ["train --resume nowhere", /--resume: there is no run in nowhere/],
    [
      "train lenet5 --resume nowhere",
      /--resume: the run in nowhere has its own settings; leave out the recipe/,
    ],
    ["train --resume nowhere --batch-size 8", /leave out --batch-size/],
    ["train --backend vulkan", /Allowed choices are auto, webgpu, cpu/],
    ["train --conv fft", /Allowed choices are direct, im2col, auto/],
    ["train --dataset cifar", /there is no data set cifar; there are mnist, fashion-mnist, .*synthetic/],
    ["train --save folder", /--save: can't write folder: it is a folder/],
    [
      "train --save plain.txt/model",
      /--save: can't write plain\.txt\/model: .*(ENOTDIR|EEXIST|not a directory)/,
    ],
    ["train --log /proc/nowhere/run.jsonl", /--log: can't write \/proc\/nowhere\/run\.jsonl/],
    ["eval", /missing required argument 'file'/],
    ["eval missing.safetensors", /missing\.safetensors: can't be read: ENOENT/],
    ["eval folder", /folder: can't be read: it is a folder, not a file/],
    ["eval plain.txt", /plain\.txt: /],
    ["eval cut.safetensors", /cut\.safetensors: /],
    ["data", /needs a subcommand/],
    ["data get imagenet", /there is no data set imagenet/],
    ["doctor --hard", /unknown option '--hard'/],
    ["train --dataset mnist --data-dir plain.txt", /plain\.txt.*can't be read/],
  ])("weft %s", async (words, message) => {
    const { code, stdout, stderr } = await cli.refusal(words.split(" "));
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/^weft: [^\n]+\n$/);
    expect(stderr).toMatch(message);
    if (words === "bogus") expect(await cli.run([words])).toEqual({ code, signal: null, stdout, stderr });
  });

  test("a file without a recipe's name wants one, and a model that does not fit is told apart", async () => {
    const bare = writeSafetensorsFile({ weight: { shape: [1], values: [1] } });
    writeFileSync(join(cli.folder, "bare.safetensors"), bare);
    const nameless = await cli.run(["eval", "bare.safetensors"]);
    expect(nameless).toMatchObject({ code: 2, stdout: "" });
    expect(nameless.stderr).toMatch(/does not name its recipe; name it, as in --recipe lenet5/);
    const unfit = await cli.run(["eval", "bare.safetensors", "--recipe", "lenet5", "--dataset", "synthetic"]);
    expect(unfit).toMatchObject({ code: 2, stdout: "" });
    expect(unfit.stderr).toMatch(/^weft: bare\.safetensors: lacks 0\.weight, 0\.bias.*it holds weight\n$/);
  });
});

/** A safetensors file by hand. */
function writeSafetensorsFile(tensors: Record<string, { shape: number[]; values: number[] }>): Uint8Array {
  let at = 0;
  const header: Record<string, object> = {};
  for (const [name, { shape, values }] of Object.entries(tensors)) {
    header[name] = { dtype: "F32", shape, data_offsets: [at, at + 4 * values.length] };
    at += 4 * values.length;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const floats = Object.values(tensors).map((t) => Buffer.from(Float32Array.from(t.values).buffer));
  return Buffer.concat([length, text, ...floats]);
}

test("insisting on WebGPU where there is none ends with 1", async () => {
  const env = { VK_ICD_FILENAMES: join(cli.folder, "no-such-driver.json") };
  for (const words of [
    ["train", "--backend", "webgpu", "--dataset", "synthetic", "--limit", "8"],
    ["doctor"],
  ]) {
    const { code, stdout, stderr } = await cli.run(words, { env });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/weft: openDawn: no WebGPU adapter found.*Install a driver/);
  }
});

test("a loss that is no number ends with 1 and saves nothing", async () => {
  const words = ["train", "--dataset", "synthetic", "--limit", "64", "--batch-size", "8", "--lr", "1e30"];
  const { code, stderr } = await cli.run([...words, "--optimizer", "sgd", "--save", "diverged.safetensors"]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^weft: training: the loss became .* try a smaller learning rate/);
  expect(existsSync(join(cli.folder, "diverged.safetensors"))).toBe(false);
});

describe("Ctrl-C", () => {
  const long = [
    "train",
    "--dataset",
    "synthetic",
    "--limit",
    "320",
    "--batch-size",
    "16",
    "--epochs",
    "1000",
  ];
  /** Sends SIGINT once the first epoch has been told. */
  const afterFirstEpoch = (then: (child: ChildProcess) => void) => (child: ChildProcess) => {
    let seen = "";
    child.stdout?.on("data", (text: string) => {
      const before = seen.includes("\n");
      seen += text;
      if (!before && seen.includes("\n")) then(child);
    });
  };

  test.each([["webgpu"], ["cpu"]])("stops, saves and ends with 130 (%s)", async (backend) => {
    const save = `stopped-${backend}.safetensors`;
    const words = backend === "cpu" ? [...long, "--limit", "8", "--batch-size", "4"] : long;
    const { code, signal, stdout, stderr } = await cli.run(
      [...words, "--backend", backend, "--json", "--save", save],
      { onStart: afterFirstEpoch((child) => child.kill("SIGINT")) },
    );
    expect({ code, signal, stderr: stderr.replace(/^No GPU found.*\n/, "") }).toMatchObject({
      code: 130,
      signal: null,
    });
    const done = jsonLines(stdout).at(-1);
    expect(done).toMatchObject({ event: "done", interrupted: true, testAccuracy: null, file: save });
    const { tensors } = readSafetensors(readFileSync(join(cli.folder, save)));
    expect([...(tensors.get("trainer.step")?.data ?? [])]).toEqual([done?.steps]);
    const evaluated = await cli.run(["eval", save, "--json", "--backend", "cpu", "--limit", "5"]);
    expect(evaluated.code).toBe(0);
  });

  test("twice ends at once with 130, and one key press counts once however often it is passed on", async () => {
    const save = "twice.safetensors";
    const double = await cli.run([...long, "--json", "--save", save], {
      onStart: afterFirstEpoch((child) => {
        child.kill("SIGINT");
        child.kill("SIGINT");
      }),
    });
    expect(double.code).toBe(130);
    expect(existsSync(join(cli.folder, save))).toBe(true);
    rmSync(join(cli.folder, save));
    // The clean stop that the first one asks for never comes to its end.
    const twice = await cli.run(
      [...long, "--backend", "cpu", "--limit", "64", "--batch-size", "8", "--json", "--save", save],
      {
        env: neverSaved(cli),
        onStart: afterFirstEpoch((child) => {
          child.kill("SIGINT");
          const again = setInterval(() => child.kill("SIGINT"), 400);
          child.on("close", () => clearInterval(again));
        }),
      },
    );
    expect(twice).toMatchObject({ code: 130, signal: null });
    expect(existsSync(join(cli.folder, save))).toBe(false);
  });

  test("before the first step saves nothing and ends with 130", async () => {
    const save = "early.safetensors";
    const { code } = await cli.run([...long, "--save", save], {
      onStart: (child) => void setTimeout(() => child.kill("SIGINT"), 250),
    });
    expect([130, null]).toContain(code);
    expect(existsSync(join(cli.folder, save))).toBe(false);
  });
});

test("ten runs in a row end by themselves with 0", async () => {
  const words = [
    "train",
    "mlp",
    "--dataset",
    "synthetic",
    "--limit",
    "32",
    "--batch-size",
    "16",
    "--epochs",
    "1",
    "--json",
  ];
  for (let i = 0; i < 10; i += 2) {
    const two = [i, i + 1].map((n) => cli.run([...words, "--save", `row-${n}.safetensors`]));
    for (const end of await Promise.all(two)) {
      expect(end).toMatchObject({ code: 0, signal: null });
      expect(jsonLines(end.stdout).map((line) => line.event)).toEqual(["epoch", "done"]);
    }
  }
});

describe("weft doctor", () => {
  test("a table, the verdict, exit code 0", async () => {
    const { code, stdout, stderr } = await cli.run(["doctor", "softmax"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^Adapter: .*\(software\)\.\nop +variant +cases +worst error +time\n/);
    expect(stdout).toMatch(/\nsoftmax +shared +\d+ +[\d.]+ % +\d+ ms {2}ok\n/);
    expect(stdout).toMatch(/\nAll \d+ checks passed on .*, in .*\.\n$/);
  });

  test("a kernel broken on purpose: FAILED, what is wrong, exit code 1", async () => {
    // Dawn's own class, changed before the command starts.
    const spoil = join(cli.file, "../spoil.mjs");
    writeFileSync(
      spoil,
      `import { globals } from "webgpu";
       const { prototype } = globals.GPUDevice;
       const create = prototype.createShaderModule;
       prototype.createShaderModule = function (d) {
         const code = d.label === "sum.wgsl" ? d.code.replaceAll("+=", "-=") : d.code;
         return create.call(this, { ...d, code });
       };`,
    );
    const { code, stdout } = await cli.run(["doctor", "sum", "--json"], {
      env: { NODE_OPTIONS: `--import ${spoil}` },
    });
    expect(code).toBe(1);
    const lines = jsonLines(stdout);
    expect(lines.at(-1)).toMatchObject({ event: "done", ok: false });
    const failed = lines.filter((line) => line.event === "check" && line.ok === false);
    expect(failed.map((line) => line.op)).toContain("sum");
    const other = await cli.run(["doctor", "tanh"], { env: { NODE_OPTIONS: `--import ${spoil}` } });
    expect(other).toMatchObject({ code: 0, stdout: expect.stringMatching(/All \d+ checks passed/) });
  });
});
