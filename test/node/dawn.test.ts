/** openDawn in this process: which adapter it takes and refuses, and that waiting for it costs no CPU time. */
import { performance } from "node:perf_hooks";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Dawn, openDawn } from "../../src/node/device/dawn.ts";
import { adapterKind } from "../../src/runtime/gpu/adapter-kind.ts";
import { DeviceError } from "../../src/validation/errors.ts";
import { submitLongJob } from "../support/long-job.ts";

const info = (text: Partial<GPUAdapterInfo>) =>
  ({
    vendor: "",
    architecture: "",
    device: "",
    description: "",
    isFallbackAdapter: false,
    ...text,
  }) as GPUAdapterInfo;

describe("adapterKind", () => {
  test.each([
    { vendor: "google", architecture: "swiftshader", description: "SwiftShader driver 5.0.0" },
    { vendor: "mesa", architecture: "software", description: "llvmpipe: Mesa 25.0.7 (LLVM 15.0.6) 0.0.1" },
    { vendor: "microsoft", description: "Microsoft Basic Render Driver" },
    { description: "anything", isFallbackAdapter: true },
  ])("software: $description", (text) => expect(adapterKind(info(text))).toBe("software"));

  test.each([
    { vendor: "nvidia", architecture: "ampere", description: "NVIDIA: 535.183.01 580.0.0" },
    { vendor: "apple", architecture: "common-3", description: "Metal driver on macOS" },
    { vendor: "intel", architecture: "gen-12lp", description: "Intel open-source Mesa driver: Mesa 23.2.1" },
  ])("hardware: $description", (text) => expect(adapterKind(info(text))).toBe("hardware"));
});

describe("openDawn", () => {
  test("gives a software adapter with a name, and leaves the environment as it was", async () => {
    const before = { ...process.env };
    const dawn = await openDawn({ software: true });
    expect(dawn.kind).toBe("software");
    expect(dawn.driver).toMatch(/SwiftShader|llvmpipe/);
    expect(process.env).toEqual(before);
    await dawn.close();
  });

  test("gives a second adapter and device after the first, and close ends both", async () => {
    const dawn = await openDawn({ software: true });
    const first = await dawn.adapter.requestDevice();
    const again = await dawn.gpu.requestAdapter();
    const second = await again?.requestDevice();
    await dawn.close();
    await dawn.close();
    expect((await first.lost).reason).toBe("destroyed");
    expect((await second?.lost)?.reason).toBe("destroyed");
  });

  test("refuses the null backend, which would compute nothing", async () => {
    const refusal = openDawn({ flags: ["backend=null"] });
    await expect(refusal).rejects.toThrow(DeviceError);
    await expect(openDawn({ flags: ["backend=null"] })).rejects.toThrow("no real adapter");
  });
});

describe("waiting for the GPU", () => {
  const own = globalThis.setImmediate;
  let dawn: Dawn;
  let device: GPUDevice;
  beforeAll(async () => {
    dawn = await openDawn({ software: true });
    device = await dawn.adapter.requestDevice();
  });
  afterAll(() => dawn.close());

  test("does not spin: it looks about once in a millisecond whether the job is done", async () => {
    await submitLongJob(device, 10_000);
    let looks = 0;
    const paced = globalThis.setImmediate;
    const counted = (...given: Parameters<typeof setImmediate>) => {
      looks++;
      return paced(...given);
    };
    globalThis.setImmediate = counted as typeof setImmediate;
    const begun = performance.now();
    await device.queue.onSubmittedWorkDone();
    // A busy machine makes this longer, which allows more looks and takes fewer.
    const took = performance.now() - begun;
    globalThis.setImmediate = paced;
    expect(took, "the job is too short to tell").toBeGreaterThan(100);
    expect(looks).toBeGreaterThan(0);
    expect(looks).toBeLessThan(2 * took);
  });

  test("a job that is done at once is not made to wait", async () => {
    await device.queue.onSubmittedWorkDone();
    const times: number[] = [];
    for (let i = 0; i < 300; i++) {
      const start = performance.now();
      await device.queue.onSubmittedWorkDone();
      times.push(performance.now() - start);
    }
    // Of most a timer makes about a millisecond. The quickest tenth is quick on a busy machine too.
    times.sort((a, b) => a - b);
    expect(times[30]).toBeLessThan(0.5);
  });

  test("setImmediate of others keeps its pace, arguments and promise form", async () => {
    await submitLongJob(device, 10_000);
    const done = device.queue.onSubmittedWorkDone();
    const before = performance.eventLoopUtilization();
    for (let i = 0; i < 1000; i++) await new Promise((resolve) => setImmediate(resolve));
    // Made to wait a millisecond each, they would leave the loop idle for a second. Other processes don't make it idle.
    expect(performance.eventLoopUtilization(before).idle).toBeLessThan(100);
    expect(await new Promise((resolve) => setImmediate((a, b) => resolve([a, b]), 1, "two"))).toEqual([
      1,
      "two",
    ]);
    expect(await promisify(setImmediate)("value")).toBe("value");
    const cancelled = setImmediate(() => expect.unreachable());
    clearImmediate(cancelled);
    await done;
  });

  test("setImmediate is Node's own again after the last close", async () => {
    expect(globalThis.setImmediate).not.toBe(own);
    await dawn.close();
    expect(globalThis.setImmediate).toBe(own);
  });
});
