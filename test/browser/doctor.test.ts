/** The doctor in a page: the same checks, on the page's own device. */
import { expect, it } from "vitest";
import { runDoctor } from "../../src/doctor/index.ts";
import { gpuBackend } from "../support/backend.ts";

it("examines a page's device", async () => {
  const report = await runDoctor(await gpuBackend(), { only: "softmax" });
  expect(report.results.length).toBeGreaterThan(2);
  expect(report.results.filter((r) => !r.ok)).toEqual([]);
  expect(report).toMatchObject({ ok: true, backend: "webgpu" });
});
