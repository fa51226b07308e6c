/** The driver that worked is asked first in the next process, as long as the system's drivers are the same. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { knownDriver, rememberDriver } from "../../src/node/device/known-driver.ts";
import { bundle, runScript } from "../support/child.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weft-driver-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  vi.unstubAllEnvs();
  vi.useRealTimers();
});

test("is remembered, forgotten, and believed only while drivers are the same and for 30 days", () => {
  vi.stubEnv("XDG_DATA_HOME", join(folder, "data"));
  const cache = join(folder, "cache");
  expect(knownDriver(cache)).toBeUndefined();
  rememberDriver("SwiftShader", cache);
  expect(knownDriver(cache)).toBe("SwiftShader");
  expect(readdirSync(cache)).toEqual(["driver.json"]);
  mkdirSync(join(folder, "data/vulkan/icd.d"), { recursive: true });
  writeFileSync(join(folder, "data/vulkan/icd.d/new_icd.json"), "{}");
  expect(knownDriver(cache)).toBeUndefined();
  rememberDriver("SwiftShader", cache);
  vi.useFakeTimers({ now: Date.now() + 31 * 86_400_000 });
  expect(knownDriver(cache)).toBeUndefined();
  vi.useRealTimers();
  for (const text of ["", "[", "null", "[]", '{"place":"SwiftShader"}', '{"place":7,"system":"x","at":1}']) {
    writeFileSync(join(cache, "driver.json"), text);
    expect(knownDriver(cache), text).toBeUndefined();
  }
  rememberDriver(undefined, cache);
  expect(readdirSync(cache)).toEqual([]);
  // A folder that can't be written is no error.
  writeFileSync(join(folder, "file"), "");
  rememberDriver("SwiftShader", join(folder, "file"));
  expect(knownDriver(join(folder, "file"))).toBeUndefined();
});

test("a second process has the same adapter, and Dawn has nothing to refuse", async () => {
  const built = await bundle("src/node/device/dawn.ts");
  const script = `
    import { openDawn } from ${JSON.stringify(built.file)};
    const dawn = await openDawn();
    console.log(dawn.driver);
    await dawn.close();`;
  const env = { XDG_CACHE_HOME: folder, VK_ICD_FILENAMES: undefined, VK_DRIVER_FILES: undefined };
  const first = await runScript(script, env);
  const second = await runScript(script, env);
  built.remove();
  expect(first.stdout).not.toBe("");
  expect(second.stdout).toBe(first.stdout);
  expect(second.stderr).not.toContain("While initializing adapter");
});
