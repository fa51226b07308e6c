/** What leaves the process: no controls from names, nothing but JSON on stdout with --json, a terminal left as it was. */
import type { ChildProcess } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PNG } from "pngjs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readSafetensors, writeSafetensors } from "../../src/io/safetensors.ts";
import { lineChart } from "../../src/report/svg.ts";
import { historyCsv } from "../../src/train/loop/history.ts";
import { printable } from "../../src/validation/printable.ts";
import { bundle, type Ended, runScript } from "../support/child.ts";
import { buildCli, type Cli, jsonLines, neverSaved } from "../support/cli.ts";

let cli: Cli;
beforeAll(async () => {
  cli = await buildCli();
});
afterAll(() => cli.remove());

/** Clears the screen, sets the title, C1's own CSI, turns the direction, forges a line. */
const EVIL = "a\u001b[2J\u001b]0;title\u0007b\u009b31mc\u007fd\u202ee\nweft: forged\r";
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
const RAW = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

const expectClean = ({ stdout, stderr }: Ended, what: string) => {
  expect(stdout, what).not.toMatch(RAW);
  expect(stderr, what).not.toMatch(RAW);
  expect(`${stdout}${stderr}`, what).not.toMatch(/^weft: forged/m);
};

test("printable: one line, the same string within JSON, other writing untouched", () => {
  expect(printable(EVIL)).toBe(
    "a\\u001b[2J\\u001b]0;title\\u0007b\\u009b31mc\\u007fd\\u202ee\\nweft: forged\\u000d",
  );
  expect(JSON.parse(printable(JSON.stringify({ name: EVIL })))).toEqual({ name: EVIL });
  for (const text of ["Straße, naïve", "日本語", "سلام", "👩‍🔬 👍🏽", "a\\b \"c\" 'd' <e>"])
    expect(printable(text)).toBe(text);
  const chart = lineChart({
    title: EVIL,
    xLabel: EVIL,
    yLabel: EVIL,
    series: [{ name: EVIL, points: [[1, 1]] }],
  });
  expect(chart).not.toMatch(RAW);
  expect(
    lineChart({ title: "<script>&", xLabel: "", yLabel: "", series: [{ name: "", points: [[1, 1]] }] }),
  ).not.toContain("<script>");
});

test("names of classes, files, columns, tensors and options reach the terminal as their escapes", async () => {
  const classes = [`x${EVIL.replaceAll("/", "")}`, "plain"];
  for (const [label, name] of classes.entries()) {
    mkdirSync(join(cli.folder, "images", name), { recursive: true });
    for (let i = 0; i < 6; i++) {
      const png = new PNG({ width: 28, height: 28 });
      png.data.fill(label * 200 + i);
      writeFileSync(join(cli.folder, "images", name, `${i}.png`), PNG.sync.write(png));
    }
  }
  const table = [
    `one,${JSON.stringify(EVIL.replace("\n", ""))}`,
    ...Array.from({ length: 20 }, (_, i) => `${i},c${i % 2}`),
  ];
  writeFileSync(join(cli.folder, "table.csv"), `${table.join("\n")}\n`);
  const file = `model-${EVIL}.safetensors`;
  writeFileSync(
    join(cli.folder, file),
    writeSafetensors([[EVIL, { shape: [1], data: new Float32Array(1) }]]),
  );
  const run = [
    "train",
    "--images",
    "images",
    "--batch-size",
    "4",
    "--epochs",
    "1",
    "--metrics",
    "--backend",
    "cpu",
  ];
  const good = [
    ...run,
    "--save",
    "out.safetensors",
    "--report",
    "out.html",
    "--picture",
    "out.svg",
    "--history",
    "out.csv",
  ];
  const commands: [words: string[], code: number][] = [
    [good, 0],
    [["eval", "out.safetensors", "--backend", "cpu"], 0],
    [["eval", "out.safetensors", "--backend", "cpu", "--json"], 0],
    [["predict", "out.safetensors", join("images", classes[0] as string, "0.png"), "--backend", "cpu"], 0],
    [
      [
        "predict",
        "out.safetensors",
        join("images", classes[0] as string, "0.png"),
        "--backend",
        "cpu",
        "--json",
      ],
      0,
    ],
    [["predict", "out.safetensors", EVIL], 2],
    [["eval", file, "--recipe", "lenet5", "--dataset", "synthetic"], 2],
    [["eval", file], 2],
    [["summary", file], 2],
    [["summary", EVIL], 2],
    [["train", "--csv", "table.csv", "--label", EVIL], 2],
    [["train", "--csv", EVIL, "--label", "x"], 2],
    [["train", "--optimizer", EVIL], 2],
    [["train", "--dataset", EVIL], 2],
    [["train", EVIL], 2],
    [[EVIL], 2],
    [[`--${EVIL}`], 2],
    [["train", "--resume", EVIL], 2],
    [["data", "get", EVIL], 2],
    [["data", "get", "usps", "--data-dir", EVIL], 2],
  ];
  for (const [words, code] of commands) {
    const ended = await cli.run(words);
    const what = `${JSON.stringify(words)}\n${ended.stderr}`;
    expect(ended.code, what).toBe(code);
    expectClean(ended, what);
    if (code !== 0) expect(ended.stderr.match(/^weft: /gm), what).toHaveLength(1);
    if (words.includes("--json")) expect(jsonLines(ended.stdout)[0], what).toBeDefined();
  }
  for (const page of ["out.html", "out.svg"])
    expect(readFileSync(join(cli.folder, page), "utf8")).not.toMatch(RAW);
});

/** Between error scopes too. */
const EVERY_NOW_AND_THEN = (buffer: string) =>
  `globalThis.timer ??= setInterval(() => this.createBuffer(${buffer}), 3).unref();`;

describe("with --json, stdout has nothing but JSON", () => {
  test.each([
    ["a shader that does not compile", `code: d.code.replaceAll("+=", "-= (")`, ""],
    ["errors that nobody asks for", "code: d.code", EVERY_NOW_AND_THEN("{ size: 16, usage: 0xffff }")],
    ["memory that is not there", "code: d.code", EVERY_NOW_AND_THEN("{ size: 2 ** 50, usage: 128 }")],
  ])("%s", async (_, change, more) => {
    const spoil = join(cli.file, "../spoil-output.mjs");
    writeFileSync(
      spoil,
      `import { globals } from "webgpu";
       const { prototype } = globals.GPUDevice;
       const create = prototype.createShaderModule;
       prototype.createShaderModule = function (d) { ${more} return create.call(this, { ...d, ${change} }); };`,
    );
    const env = { NODE_OPTIONS: `--import ${spoil}` };
    for (const words of [
      ["doctor", "sum", "--json"],
      [
        "train",
        "mlp",
        "--dataset",
        "synthetic",
        "--limit",
        "32",
        "--epochs",
        "1",
        "--json",
        "--backend",
        "webgpu",
      ],
      ["summary", "mlp", "--json", "--backend", "webgpu"],
    ]) {
      const { stdout } = await cli.run(words, { env });
      for (const line of stdout.split("\n").slice(0, -1))
        expect(JSON.parse(line), words[0]).toBeTypeOf("object");
    }
  });

  test("a device that a program opened for itself tells its errors on stderr", async () => {
    const { file, remove } = await bundle("src/node/device/dawn.ts");
    try {
      const { stdout, stderr } = await runScript(
        `import { openDawn } from ${JSON.stringify(file)};
         const dawn = await openDawn({ software: true });
         const device = await dawn.adapter.requestDevice();
         const { stderr } = process;
         const told = new Promise((done) => {
           const { write } = stderr;
           stderr.write = (...given) => (done(), write.apply(stderr, given));
         });
         device.createShaderModule({ code: "fn x( {" });
         await device.queue.onSubmittedWorkDone();
         await told;
         await dawn.close();
         console.log("{}");`,
      );
      expect(stdout).toBe("{}\n");
      expect(stderr).toMatch(/WebGPU: Error while parsing WGSL/);
    } finally {
      remove();
    }
  });
});

describe("SIGTERM and SIGHUP", () => {
  const long = [
    "train",
    "mlp",
    "--dataset",
    "synthetic",
    "--limit",
    "320",
    "--batch-size",
    "16",
    "--epochs",
    "1000",
  ];
  const afterFirstEpoch = (then: (child: ChildProcess) => void) => (child: ChildProcess) => {
    let seen = false;
    child.stdout?.on("data", (text: string) => {
      if (seen || !/"event":"epoch"|Epoch 1\//.test(text)) return;
      seen = true;
      then(child);
    });
  };

  test.each([
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("%s saves, writes a checkpoint and ends with %i", async (signal, expected) => {
    const folder = `run-${signal}`;
    const { code, stdout } = await cli.run(
      [...long, "--run", folder, "--checkpoint-every", "1000", "--json"],
      {
        onStart: afterFirstEpoch((child) => child.kill(signal)),
      },
    );
    expect(code).toBe(expected);
    const done = jsonLines(stdout).at(-1);
    expect(done).toMatchObject({ event: "done", interrupted: true });
    const newest = readdirSync(join(cli.folder, folder, "checkpoints"))
      .sort()
      .at(-1) as string;
    expect(Number(newest.slice(5, 17))).toBe(done?.steps);
    const saved = readSafetensors(readFileSync(join(cli.folder, folder, "mlp.safetensors")));
    expect([...(saved.tensors.get("trainer.step")?.data ?? [])]).toEqual([done?.steps]);
    expect(readdirSync(join(cli.folder, folder)).filter((name) => name.startsWith("."))).toEqual([]);
    const doctor = await cli.run(["doctor", "--json"], {
      onStart: (child) => child.stdout?.once("data", () => child.kill(signal)),
    });
    expect(doctor.code).toBe(expected);
  });

  test("a second signal ends at once, with its own code", async () => {
    // The clean stop that the first one asks for never comes to its end.
    const { code } = await cli.run([...long, "--backend", "cpu", "--json", "--save", "never.safetensors"], {
      env: neverSaved(cli),
      onStart: afterFirstEpoch((child) => {
        child.kill("SIGINT");
        setTimeout(() => child.kill("SIGTERM"), 1);
      }),
    });
    // On a busy machine both may wait to be heard, and the system decides which is first.
    expect([130, 143]).toContain(code);
  });

  test.each(["SIGTERM", "SIGHUP", "SIGINT"] as const)(
    "the terminal is left as it was, also without a clean stop: %s",
    async (signal) => {
      // A pipe that says that it is a terminal.
      const tty = join(cli.file, "../tty.mjs");
      writeFileSync(
        tty,
        `for (const stream of [process.stdout, process.stderr]) Object.assign(stream, { isTTY: true, columns: 80, rows: 24,
         cursorTo: () => true, moveCursor: () => true, clearLine: () => true, getWindowSize: () => [80, 24] });
       ${signal === "SIGINT" ? "process.on('SIGINT', () => process.exit(5));" : ""}`,
      );
      const { stdout } = await cli.run(long, {
        env: { NODE_OPTIONS: `--import ${tty}` },
        onStart: afterFirstEpoch((child) => child.kill(signal)),
      });
      expect(stdout.split("\u001b[?7l").length).toBeGreaterThan(1);
      expect(stdout.lastIndexOf("\u001b[?7h")).toBeGreaterThan(stdout.lastIndexOf("\u001b[?7l"));
      expect(stdout.lastIndexOf("\u001b[?25h")).toBeGreaterThanOrEqual(stdout.lastIndexOf("\u001b[?25l"));
    },
  );
});

test("historyCsv: names of metrics are quoted, and none is taken for a formula", () => {
  const metrics = { "=HYPERLINK(1)": 1, 'a,"b"\nc': 2, "@x": 3, "-y": 4, plain: 5 };
  const text = historyCsv({ epochs: [{ epoch: 1, loss: 0.5, metrics, seconds: 1, stepsPerSecond: 2 }] });
  expect(text).toBe(
    `epoch,loss,'=HYPERLINK(1),"a,""b""\nc",'@x,'-y,plain,seconds,stepsPerSecond\n1,0.5,1,2,3,4,5,1,2\n`,
  );
});
