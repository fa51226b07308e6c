/** Runs that are killed without warning and resumed end with the very bytes of a run that nobody disturbed. */
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Random } from "../../src/numbers/random.ts";
import { buildCli, type Cli } from "../support/cli.ts";

let cli: Cli;
beforeAll(async () => {
  cli = await buildCli();
});
afterAll(() => cli.remove());

/** attack.test.ts kills as often at other moments, bench/attack.mjs more often. */
const KILLS = 4;
const EVERY = 15;

/**
 * Moments, gathered gradients, schedule, records, the best weights; few kernels, since each process compiles them. More
 * of what a run can carry along is in test/train/resume.test.ts.
 */
const settings = [
  ...["train", "mlp", "--dataset", "synthetic", "--limit", "1200", "--batch-size", "5", "--epochs", "3"],
  ...["--seed", "3", "--optimizer", "adamw", "--schedule", "cosine", "--warmup", "20", "--accumulate", "2"],
  ...["--evaluate-every", "130", "--keep-best"],
];

const checkpointsIn = (folder: string): string[] => {
  const path = join(cli.folder, folder, "checkpoints");
  return existsSync(path)
    ? readdirSync(path)
        .filter((name) => name.startsWith("step-"))
        .sort()
    : [];
};

/**
 * Runs until the newest checkpoint has changed `changes` times and `delay` ms have passed, then gets `signal`. It sends
 * that to itself: on a busy machine another process would notice too late, when the run has ended.
 */
async function broken(
  words: readonly string[],
  folder: string,
  changes: number,
  delay: number,
  signal: "SIGKILL" | "SIGINT",
) {
  const spoil = join(cli.file, "../break.mjs");
  writeFileSync(
    spoil,
    `import { existsSync, readdirSync } from "node:fs";
     const folder = ${JSON.stringify(join(cli.folder, folder, "checkpoints"))};
     const newest = () => existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith("step-")).sort().at(-1) : undefined;
     let [last, left] = [newest(), ${changes}];
     const watch = setInterval(() => {
       const now = newest();
       if (now === last) return;
       last = now;
       if (--left > 0) return;
       clearInterval(watch);
       setTimeout(() => process.kill(process.pid, "${signal}"), ${delay});
     }, 2);
     watch.unref();`,
  );
  return cli.run(words, { env: { NODE_OPTIONS: `--import ${spoil}` } });
}

/** Without what a clock says. */
const timeless = (file: string): unknown =>
  JSON.parse(readFileSync(join(cli.folder, file), "utf8"), (key, value: unknown) =>
    key === "seconds" || key === "stepsPerSecond" ? undefined : value,
  );

test("kill -9 at four random moments, Ctrl-C, a damaged checkpoint", async () => {
  const whole = await cli.run([...settings, "--save", "whole.safetensors", "--history", "whole.json"]);
  expect(whole).toMatchObject({ code: 0 });

  const random = new Random(20);
  const between = (low: number, high: number) => Math.floor(random.uniform(low, high));
  const run = ["--run", "run", "--checkpoint-steps", String(EVERY), "--save", "run.safetensors"];
  const resume = ["train", "--resume", "run"];
  const stops: string[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    const words = kill === 0 ? [...settings, ...run] : resume;
    const { signal } = await broken(words, "run", between(1, 3), between(0, 12), "SIGKILL");
    expect(signal).toBe("SIGKILL");
    stops.push(checkpointsIn("run").at(-1) as string);
    if (kill !== 2) continue;
    const last = join(cli.folder, "run/checkpoints", checkpointsIn("run").at(-1) as string);
    truncateSync(last, readFileSync(last).length - 1000);
    // What a process leaves that was killed while it wrote.
    writeFileSync(join(cli.folder, "run/checkpoints", ".step-000000000001.safetensors.1.ab.tmp"), "x");
    const { signal: next, stdout } = await broken(resume, "run", 1, 0, "SIGKILL");
    expect(next).toBe("SIGKILL");
    expect(stdout).toMatch(
      /step-\d+\.safetensors: .*\. Using the checkpoint before it\.\nResuming after step/,
    );
  }
  // They were different moments, and none of them the end.
  expect(new Set(stops).size).toBeGreaterThan(KILLS / 2);
  const stopped = await broken(resume, "run", 1, 5, "SIGINT");
  expect(stopped).toMatchObject({ code: 130 });

  const last = await cli.run(resume);
  expect(last).toMatchObject({ code: 0, signal: null });
  expect(last.stdout).toMatch(/Resuming after step [\d,]+, \d of 3 epochs done\.\n/);
  const bytes = (file: string) => readFileSync(join(cli.folder, file));
  expect(bytes("run.safetensors").equals(bytes("whole.safetensors"))).toBe(true);
  expect(timeless("run/history.json")).toEqual(timeless("whole.json"));
  const kept = expect.stringMatching(/^step-\d{12}\.safetensors$/);
  expect(readdirSync(join(cli.folder, "run/checkpoints"))).toEqual([kept, kept, kept]);
});

test("refuses what is no run, other data, and a second run in one folder", async () => {
  const expectFailure = async (words: readonly string[], message: RegExp) => {
    const { code, stderr } = await cli.run(words);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  };
  const text = readFileSync(join(cli.folder, "run/run.json"), "utf8");
  const inFolder = (name: string, content: string) => {
    mkdirSync(join(cli.folder, name));
    writeFileSync(join(cli.folder, name, "run.json"), content);
    return ["train", "--resume", name];
  };
  await Promise.all([
    expectFailure(["train", "--run", "run"], /run already holds a run; continue it with --resume run/),
    expectFailure(inFolder("cut", text.slice(0, 40)), /cut\/run\.json: is not a run description/),
    expectFailure(
      inFolder("odd", text.replace('"batchSize": "5"', '"batchSize": "none"')),
      /odd\/run\.json: can't be resumed: option '--batch-size <n>' argument 'none' is invalid/,
    ),
    expectFailure(
      inFolder("other", text.replace(/"crc32": "\w+"/, '"crc32": "00000000"')),
      /the run in other began with other data \(synthetic, 1200 training and 240 test samples, CRC-32 0{8}; now/,
    ),
  ]);
});

test("two processes in one run folder: one is refused, whatever each of them does; and so is a stranger's checkpoint", async () => {
  const pair = (one: readonly string[], other: readonly string[]) =>
    Promise.all([cli.run(one), cli.run(other)]);
  const short = [...settings, "--epochs", "1", "--limit", "300"];
  for (let round = 0; round < 3; round++) {
    const start = [...short, "--run", `pair-${round}`];
    const both = await pair(start, start);
    expect(both.map(({ code }) => code).sort()).toEqual([0, 2]);
    const refused = both.find(({ code }) => code === 2);
    expect(refused?.stderr).toMatch(
      /^weft: (pair-\d: is in use by process \d+ on .*, started .*; wait for it|--run: pair-\d already holds a run)/,
    );
    expect(readdirSync(join(cli.folder, `pair-${round}`)).filter((name) => name.startsWith(".weft"))).toEqual(
      [],
    );
  }
  const stopped = await broken([...settings, "--run", "twice"], "twice", 1, 0, "SIGKILL");
  expect(stopped.signal).toBe("SIGKILL");
  const both = await pair(["train", "--resume", "twice"], ["train", "--resume", "twice"]);
  expect(both.map(({ code }) => code).sort()).toEqual([0, 2]);
  const ended = both.find(({ code }) => code === 0);
  expect(ended?.stdout).toMatch(
    /^twice: process \d+, started .*, ended without unlocking it; taking over its lock\.$/m,
  );
  const whole = readFileSync(join(cli.folder, "whole.safetensors"));
  expect(readFileSync(join(cli.folder, "twice/mlp.safetensors")).equals(whole)).toBe(true);

  const name = checkpointsIn("twice").at(-1) as string;
  const foreign = name.replace(/\d{12}/, "000000000999");
  writeFileSync(
    join(cli.folder, "pair-0/checkpoints", foreign),
    readFileSync(join(cli.folder, "twice/checkpoints", name)),
  );
  const { code, stderr } = await cli.run(["train", "--resume", "pair-0"]);
  expect({ code, stderr }).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(
      new RegExp(`${foreign}: is of run [0-9a-f]{16}, this folder is of run [0-9a-f]{16};`),
    ),
  });
});
