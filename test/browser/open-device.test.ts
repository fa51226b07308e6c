/** openDevice in a page without WebGPU, or without an adapter. */
import { afterEach, expect, it, vi } from "vitest";
import { openDevice } from "../../src/browser/index.ts";
import { DeviceError } from "../../src/validation/errors.ts";

const gpu = Object.getOwnPropertyDescriptor(Navigator.prototype, "gpu") as PropertyDescriptor;
afterEach(() => {
  Object.defineProperty(Navigator.prototype, "gpu", gpu);
  vi.restoreAllMocks();
});

it.each([
  ["no WebGPU", undefined, /use a recent Chrome, Edge, Safari or Firefox/],
  ["no adapter", { requestAdapter: async () => null }, /enable graphics acceleration/],
])("%s: warns and falls back, or throws", async (_, value, words) => {
  Object.defineProperty(Navigator.prototype, "gpu", { configurable: true, get: () => value });
  const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  expect((await openDevice()).kind).toBe("cpu");
  expect(warn.mock.calls).toEqual([[expect.stringMatching(words)]]);
  await expect(openDevice({ require: "webgpu" })).rejects.toThrow(DeviceError);
  await expect(openDevice({ backend: "webgpu" })).rejects.toThrow(words);
});

it("opens the page's GPU without a word", async () => {
  const warn = vi.spyOn(console, "warn");
  const device = await openDevice();
  expect(device.kind).toBe("webgpu");
  expect(warn).not.toHaveBeenCalled();
  await device.close();
});
