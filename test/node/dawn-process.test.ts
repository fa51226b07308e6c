/** openDawn over the life of whole processes: they end by themselves, with the right code, and start from nothing. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundle, runScript } from "../support/child.ts";

let dawn: Awaited<ReturnType<typeof bundle>>;
let job: Awaited<ReturnType<typeof bundle>>;
beforeAll(async () => {
  dawn = await bundle("src/node/device/dawn.ts");
  job = await bundle("test/support/long-job.ts");
});
afterAll(() => {
  dawn.remove();
  job.remove();
});

/** Opens a device, leaves it with work under way, and ends as told. */
const script = (ending: string) => `
  import { openDawn } from ${JSON.stringify(dawn.file)};
  import { submitLongJob } from ${JSON.stringify(job.file)};
  const dawn = await openDawn({ software: true });
  const device = await dawn.adapter.requestDevice();
  await submitLongJob(device, 1000);
  ${ending}`;

describe("a process with a device", () => {
  test.each([
    [20, "ends by itself after close", "await device.queue.onSubmittedWorkDone(); await dawn.close();", 0],
    [6, "ends by itself when closed amid work", "await dawn.close();", 0],
    [6, "ends by itself without close", "await device.queue.onSubmittedWorkDone();", 0],
    [20, "keeps the code of process.exit amid work", "setTimeout(() => process.exit(3), 1);", 3],
    [6, "keeps the code of an uncaught error amid work", "setTimeout(() => { throw 'oops'; }, 1);", 1],
  ])("%d times out of as many: %s", async (times, _, ending, code) => {
    for (let i = 0; i < times; i += 2) {
      const two = await Promise.all([runScript(script(ending)), runScript(script(ending))]);
      for (const end of two) expect(end).toMatchObject({ code, signal: null });
    }
  });
});

test("a device lives on though nobody holds what it came from", async () => {
  const start = `
    import { setFlagsFromString } from "node:v8";
    import { openDawn } from ${JSON.stringify(dawn.file)};
    setFlagsFromString("--expose-gc");
    const openDevice = async (close) => {
      const dawn = await openDawn({ software: true });
      const device = await dawn.adapter.requestDevice();
      if (close) await dawn.close();
      return device;
    };
    for (const close of [true, false]) {
      const device = await openDevice(close);
      for (let i = 0; i < 10; i++) {
        (await import("node:vm")).runInNewContext("gc")();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      device.createBuffer({ size: 16, usage: GPUBufferUsage.STORAGE });
      await device.queue.onSubmittedWorkDone();
    }`;
  expect(await runScript(start)).toMatchObject({ code: 0, signal: null });
});

describe("SwiftShader from the package", () => {
  const env = { VK_ICD_FILENAMES: undefined, VK_DRIVER_FILES: undefined };

  test("is unpacked once and whole when four processes start at the same time", async () => {
    const cache = mkdtempSync(join(tmpdir(), "weft-cache-"));
    const start = `
      import { openDawn } from ${JSON.stringify(dawn.file)};
      const dawn = await openDawn({ software: true });
      console.log(dawn.driver);
      await dawn.close();`;
    const ends = await Promise.all(
      Array.from({ length: 4 }, () => runScript(start, { ...env, XDG_CACHE_HOME: cache })),
    );
    for (const end of ends)
      expect(end).toMatchObject({ code: 0, stdout: expect.stringContaining("SwiftShader") });
    const folders = readdirSync(join(cache, "weft"));
    expect(folders).toEqual([expect.stringMatching(/^swiftshader-[\d.]+$/)]);
    expect(readdirSync(join(cache, "weft", folders[0]!)).sort()).toEqual([
      "libvk_swiftshader.so",
      "libvulkan.so.1",
      "vk_swiftshader_icd.json",
    ]);
    rmSync(cache, { recursive: true });
  });

  test("goes to a private temporary folder where the cache can't be written", async () => {
    const temporary = mkdtempSync(join(tmpdir(), "weft-tmp-"));
    const start = `
      import { openDawn } from ${JSON.stringify(dawn.file)};
      await (await openDawn({ software: true })).close();`;
    const places = { XDG_CACHE_HOME: "/dev/null", TMPDIR: temporary };
    expect(await runScript(start, { ...env, ...places })).toMatchObject({ code: 0 });
    expect(readdirSync(temporary)).toEqual([expect.stringMatching(/^weft-\d+$/)]);
    rmSync(temporary, { recursive: true });
  });
});

test("a driver that the user names is the only one tried", async () => {
  const start = `
    import { openDawn } from ${JSON.stringify(dawn.file)};
    try { await openDawn(); } catch (error) { console.log(error.name + ": " + error.message); }`;
  const { stdout } = await runScript(start, { VK_ICD_FILENAMES: "/nonexistent/icd.json" });
  expect(stdout).toMatch(/^DeviceError: openDawn: no WebGPU adapter found \(VK_ICD_FILENAMES: no adapter\)/);
});

test("without the package webgpu the error says what to install", async () => {
  const hooks = `data:text/javascript,${encodeURIComponent(`
    export function resolve(name, context, next) {
      if (name !== "webgpu") return next(name, context);
      throw Object.assign(new Error("Cannot find package"), { code: "ERR_MODULE_NOT_FOUND" });
    }`)}`;
  const start = `
    import { register } from "node:module";
    register(${JSON.stringify(hooks)});
    const { openDawn } = await import(${JSON.stringify(dawn.file)});
    try { await openDawn(); } catch (error) { console.log(error.name + ": " + error.message); }`;
  const { stdout } = await runScript(start);
  expect(stdout).toMatch(/^DeviceError: openDawn: .*`webgpu` is not installed: npm install webgpu/);
});
