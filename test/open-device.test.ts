/** The CPU reference takes the place of WebGPU only where that is allowed, and never unsaid. */
import { afterEach, expect, it, vi } from "vitest";
import { CpuBackend } from "../src/runtime/cpu/backend.ts";
import { type DeviceChoice, openChosen } from "../src/runtime/open-device.ts";
import { DeviceError, ValueError } from "../src/validation/errors.ts";
import { inPage } from "./support/in-page.ts";

const none = (reason: string) => ({
  gpu: () => Promise.reject(new DeviceError(reason)),
  cpu: () => new CpuBackend(),
});

afterEach(() => vi.restoreAllMocks());

it("warns on the console by default, once, with the reason and what to do", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  for (let i = 0; i < 3; i++) expect((await openChosen({}, none("install a driver"))).kind).toBe("cpu");
  expect(warn.mock.calls).toEqual([
    [
      expect.stringMatching(
        /^No WebGPU; using the CPU reference, .*require: "webgpu".*\(install a driver\)$/,
      ),
    ],
  ]);
});

it("tells the listener in place of the console, every time", async () => {
  const warn = vi.spyOn(console, "warn");
  const told: string[] = [];
  for (let i = 0; i < 2; i++) await openChosen({ onNotice: (line) => void told.push(line) }, none("why"));
  expect(told).toEqual([expect.stringContaining("(why)"), expect.stringContaining("(why)")]);
  expect(warn).not.toHaveBeenCalled();
});

it("says that a lost device is replaced by the CPU reference, and that results differ", async () => {
  const told: string[] = [];
  await openChosen({ onNotice: (line) => void told.push(line) }, none("gone"), true);
  expect(told).toEqual([expect.stringMatching(/^The device was lost .*CPU reference.*differ.*\(gone\)$/)]);
});

it.each([{ require: "webgpu" }, { backend: "webgpu" }, { require: "webgpu", backend: "webgpu" }] as const)(
  "%o throws what opening threw, before and after a loss",
  async (choice) => {
    const warn = vi.spyOn(console, "warn");
    for (const lost of [false, true]) {
      const opening = openChosen(choice, none("no adapter here"), lost);
      await expect(opening).rejects.toThrow(new DeviceError("no adapter here"));
    }
    expect(warn).not.toHaveBeenCalled();
  },
);

it.each([
  [{ backend: "gpu" }, "openDevice: backend"],
  [{ require: "cpu" }, "openDevice: require"],
  [{ require: true }, "openDevice: require"],
  [{ onNotice: "stderr" }, "openDevice: onNotice"],
  [{ require: "webgpu", backend: "cpu" }, "exclude each other"],
  [{ requires: "webgpu" }, "openDevice: there is no option"],
])("refuses %o", async (choice, words) => {
  // Each host has one of its own, with the same options.
  const { openDevice } = await (inPage
    ? import("../src/browser/index.ts")
    : import("../src/node/device/open-device.ts"));
  const opening = openDevice(choice as DeviceChoice);
  await expect(opening).rejects.toThrow(ValueError);
  await expect(openDevice(choice as DeviceChoice)).rejects.toThrow(words);
});

it("opens the CPU reference without a word where it is asked for", async () => {
  const warn = vi.spyOn(console, "warn");
  expect((await openChosen({ backend: "cpu" }, none("not asked"))).kind).toBe("cpu");
  expect(warn).not.toHaveBeenCalled();
});
