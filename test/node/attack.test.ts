/** The short form of bench/attack.mjs: kill -9, lost devices, two processes on one run. */
import { spawn } from "node:child_process";
import { dirname, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildCli, type Cli } from "../support/cli.ts";

let cli: Cli;
beforeAll(async () => {
  cli = await buildCli();
});
afterAll(() => cli.remove());

async function attack(...options: string[]): Promise<{ out: string; err: string; code: unknown }> {
  const script = resolve(import.meta.dirname, "../../bench/attack.mjs");
  const child = spawn(process.execPath, [script, "--short", ...options, "--dist", dirname(cli.file)]);
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const code = await new Promise((done) => child.on("close", done));
  return { out, err, code };
}

test("runs that are attacked end with the same bits, or with a clear refusal", async () => {
  const { out, err, code } = await attack("--seed", "7");
  expect(out, err).toMatch(/^0 wrong, \d+ s$/m);
  expect(out).toMatch(/^device lost: 8 of 8 done, \d+ of \d+ runs ended with the same results$/m);
  expect(out).toMatch(/^kill -9: 4 of 4 done, \d+ runs ended with the same bits$/m);
  expect(out).toMatch(/^two processes: 3 of 3 done, \d+ clear refusals, \d runs ended with the same bits$/m);
  expect(code).toBe(0);
});

test("attacks that the time limit cuts short fail and say how many were done", async () => {
  const { out, err, code } = await attack("--limit", "0");
  expect(out, err).toContain(
    "Cut short by the limit of 0 s: 0 of 8 done (device lost), 0 of 4 done (kill -9), 0 of 3 done (two processes)",
  );
  expect(code).toBe(1);
});
