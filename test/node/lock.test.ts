/** One process at a time writes to a folder: locks, those of dead processes, and the checkpoints of two runs. */
import { type ChildProcess, spawn } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import * as nn from "../../src/nn/index.ts";
import { nodeFiles } from "../../src/node/device/open-device.ts";
import { LOCK_NAME, lockFolder } from "../../src/node/files/folder-lock.ts";
import * as optim from "../../src/optim/index.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { resumeFrom } from "../../src/train/state/checkpoint-folder.ts";
import { FormatError, LockedError, ValueError } from "../../src/validation/errors.ts";
import { bundle } from "../support/child.ts";

let built: Awaited<ReturnType<typeof bundle>>;
beforeAll(async () => {
  built = await bundle("src/node/files/folder-lock.ts");
});
afterAll(() => built.remove());

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weft-lock-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const lockFile = () => join(folder, LOCK_NAME);
const holder = () => JSON.parse(readFileSync(lockFile(), "utf8")) as Record<string, unknown>;
/** A lock as another process would have left it. */
const forge = (changes: Record<string, unknown>) =>
  writeFileSync(lockFile(), JSON.stringify({ ...holder(), token: "0123456789abcdef", ...changes }));

interface Child {
  readonly child: ChildProcess;
  /** Resolves with the first line that it writes. */
  readonly line: Promise<string>;
  readonly ended: Promise<number | string | null>;
}

/** A process that locks the folder, writes `locked` or why it can't, and goes on with `then`. */
function locker(then = "await new Promise(() => setInterval(() => 0, 1e6));", before = ""): Child {
  const script = `import { lockFolder } from ${JSON.stringify(built.file)};
    ${before}
    try {
      const lock = await lockFolder(${JSON.stringify(folder)}, (line) => process.stderr.write(line));
      console.log("locked");
      ${then}
    } catch (error) { console.log(error.name); }`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  let text = "";
  const line = new Promise<string>((done) => {
    child.stdout?.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
      if (text.includes("\n")) done(text.trimEnd());
    });
  });
  const ended = new Promise<number | string | null>((done) =>
    child.on("close", (code, signal) => done(signal ?? code)),
  );
  return { child, line, ended };
}

describe("a locked folder", () => {
  test("is refused by name until it is released, also within a process", async () => {
    const lock = await lockFolder(folder);
    expect(holder()).toMatchObject({ format: 1, pid: process.pid, host: hostname() });
    expect(
      Math.abs(Date.parse(String(holder().started)) + 1000 * process.uptime() - Date.now()),
    ).toBeLessThan(5000);
    await expect(lockFolder(folder)).rejects.toThrow(LockedError);
    await expect(lockFolder(folder)).rejects.toThrow(`${folder}: is in use by this process, started`);
    const { line, ended } = locker();
    expect(await line).toBe("LockedError");
    expect(await ended).toBe(0);
    await lock.verify();
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
    const again = await lockFolder(folder);
    rmSync(lockFile());
    await expect(again.verify()).rejects.toThrow("was removed or replaced during the run");
    const other = await lockFolder(folder);
    await expect(again.verify()).rejects.toThrow(LockedError);
    await again.release();
    // Not the other one's.
    await other.verify();
    await other.release();
  });

  test.each([
    ["its end", "", undefined, 0],
    ["process.exit", "process.exit(3);", undefined, 3],
    [
      "an error that nobody catches",
      "setTimeout(() => { throw new Error('x'); }, 0); await new Promise(() => setTimeout(() => 0, 9999));",
      undefined,
      1,
    ],
    ...(["SIGINT", "SIGTERM", "SIGHUP"] as const).map((name) => [name, undefined, name, name] as const),
  ] as const)("is free again after %s", async (_, then, signal, expected) => {
    const { child, line, ended } = locker(then);
    expect(await line).toBe("locked");
    if (signal !== undefined) child.kill(signal);
    expect(await ended).toBe(expected);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a signal that the program handles is left to it", async () => {
    const { child, line, ended } = locker(
      "await told; await lock.verify(); process.exitCode = 7; process.exit();",
      "setInterval(() => 0, 1e6); const told = new Promise((done) => process.on('SIGTERM', done));",
    );
    await line;
    child.kill("SIGTERM");
    expect(await ended).toBe(7);
  });
});

describe("the lock of a dead process", () => {
  test("is taken over, and that is said", async () => {
    const { child, line, ended } = locker();
    await line;
    child.kill("SIGKILL");
    await ended;
    const { pid } = holder();
    const told: string[] = [];
    const lock = await lockFolder(folder, (text) => void told.push(text));
    expect(told).toEqual([expect.stringContaining(`process ${pid}, started `)]);
    expect(holder().pid).toBe(process.pid);
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("also where another process has its number now, and where one was killed while it took over", async () => {
    await (await lockFolder(folder)).release();
    const sample = await lockFolder(folder);
    if (holder().start === undefined) return; // Only Linux tells when other processes started.
    const mine = holder();
    for (const start of [`${String(mine.start).split("/")[0]}/1`, "another-boot/5"]) {
      forge({ start });
      writeFileSync(
        `${lockFile()}.0123456789abcdef`,
        JSON.stringify({ ...mine, start, token: "fedcba9876543210" }),
      );
      const lock = await lockFolder(folder);
      await lock.release();
      expect(readdirSync(folder)).toEqual([]);
      writeFileSync(lockFile(), JSON.stringify(mine));
    }
    await sample.release();
  });

  test("is not taken over where nobody can know: another host, a younger container, a parent that lives", async () => {
    const sample = await lockFolder(folder);
    const mine = holder();
    for (const changes of [
      { host: "elsewhere" },
      { namespace: "pid:[1]" },
      { pid: process.ppid, start: undefined },
    ]) {
      forge(changes);
      await expect(lockFolder(folder)).rejects.toThrow(LockedError);
      if ("pid" in changes) continue;
      await expect(lockFolder(folder)).rejects.toThrow(`if it does not, delete ${lockFile()}`);
    }
    for (const text of [
      "",
      "{",
      "null",
      "[]",
      "7",
      JSON.stringify({ ...mine, format: 2 }),
      JSON.stringify({ ...mine, pid: -1 }),
    ]) {
      writeFileSync(lockFile(), text);
      await expect(lockFolder(folder)).rejects.toThrow(FormatError);
    }
    rmSync(lockFile());
    await sample.release();
  });

  test("goes to exactly one of many that want it at the same moment", async () => {
    const dead = locker();
    await dead.line;
    dead.child.kill("SIGKILL");
    await dead.ended;
    const stale = readFileSync(lockFile());
    for (let round = 0; round < 4; round++) {
      writeFileSync(lockFile(), stale);
      // All go on when all are loaded.
      const all = Array.from({ length: 8 }, () =>
        locker(
          undefined,
          "process.stderr.write('loaded'); await new Promise((done) => process.stdin.once('data', done));",
        ),
      );
      await Promise.all(all.map(({ child }) => new Promise((done) => child.stderr?.once("data", done))));
      for (const { child } of all) child.stdin?.write("go");
      const lines = await Promise.all(all.map(({ line }) => line));
      expect(lines.filter((text) => text === "locked")).toHaveLength(1);
      expect(lines.filter((text) => text === "LockedError")).toHaveLength(7);
      for (const { child } of all) child.kill("SIGTERM");
      await Promise.all(all.map(({ ended }) => ended));
      expect(existsSync(lockFile())).toBe(false);
    }
  });
});

describe("fit with checkpoints", () => {
  const { train } = syntheticDigits({ seed: 1, train: 40, test: 1 });
  const makeTrainer = () =>
    Trainer.create(new CpuBackend({ files: nodeFiles }), {
      model: nn.sequential(nn.flatten(), nn.linear(784, 10)),
      loss: nn.crossEntropy(),
      optimizer: optim.sgd({ learningRate: 0.1 }),
      batchSize: 10,
    });
  const fitting = (directory = folder) => ({ epochs: 1, checkpoints: { directory, everySteps: 1, keep: 3 } });
  const names = () => readdirSync(folder).sort();

  test("a second run in the folder is refused while the first goes on, however that ends", async () => {
    const [first, second] = [await makeTrainer(), await makeTrainer()];
    for await (const event of first.fit(train, fitting())) {
      if (event.event !== "progress") continue;
      await expect(second.fit(train, fitting())).rejects.toThrow(LockedError);
      break;
    }
    expect(names().includes(LOCK_NAME)).toBe(false);
    const failing = { ...fitting(), callbacks: [() => Promise.reject(new Error("listener"))] };
    await expect(
      (await makeTrainer()).fit(train, { ...failing, ...{ checkpoints: { directory: join(folder, "b") } } }),
    ).rejects.toThrow("listener");
    expect(readdirSync(join(folder, "b"))).toEqual([]);
  });

  test("a folder with checkpoints of another run, or later ones, is refused; nothing is lost", async () => {
    const first = await makeTrainer();
    await first.fit(train, fitting());
    const before = names();
    expect(before).toHaveLength(3);
    const second = await makeTrainer();
    const attempt = second.fit(train, fitting());
    await expect(attempt).rejects.toThrow(ValueError);
    await expect(attempt).rejects.toThrow(
      new RegExp(`step-0+4\\.safetensors is of another run \\(${first.runId}`),
    );
    // The same run goes on in its folder, also as a trainer of its own.
    await first.fit(train, fitting());
    const third = await makeTrainer();
    const resume = await resumeFrom(third, folder);
    expect([resume?.run, third.runId]).toEqual([first.runId, first.runId]);
    expect(names()).toHaveLength(3);
    // Back to an earlier step while later files are there.
    const older = await makeTrainer();
    const [oldest] = names();
    await older.restore(readFileSync(join(folder, oldest as string)));
    await expect(older.fit(train, fitting())).rejects.toThrow("is later than step 6, where this run stands");
    await older.fit(train, fitting(join(folder, "elsewhere")));
  });

  test("a stranger's checkpoint among a run's own is refused by name", async () => {
    const other = join(folder, "other");
    await (await makeTrainer()).fit(train, { ...fitting(other), epochs: 2 });
    const own = await makeTrainer();
    await own.fit(train, fitting());
    const name = "step-000000000008.safetensors";
    renameSync(join(other, name), join(folder, name));
    await expect(resumeFrom(await makeTrainer(), folder)).rejects.toThrow(FormatError);
    await expect(resumeFrom(await makeTrainer(), folder, undefined, own.runId)).rejects.toThrow(
      new RegExp(`${name}: is of run [0-9a-f]{16}, this folder is of run ${own.runId}`),
    );
  });
});
