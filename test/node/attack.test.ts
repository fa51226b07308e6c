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

test("runs that are attacked end with the same bits, or with a clear refusal", async () => {
  const script = resolve(import.meta.dirname, "../../bench/attack.mjs");
  const child = spawn(process.execPath, [script, "--short", "--seed", "7", "--dist", dirname(cli.file)]);
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const code = await new Promise((done) => child.on("close", done));
  expect(out, err).toMatch(/^0 wrong, \d+ s$/m);
  expect(out).toMatch(/^device lost: 8 of 8, in \d+ runs of which \d+ ended with the same results$/m);
  expect(out).toMatch(/^kill -9: 4 of 4, in runs of which \d+ ended with the same bits$/m);
  expect(out).toMatch(/^two processes: 3 of 3 folders, \d+ clear refusals, \d with the same bits$/m);
  expect(code).toBe(0);
});
