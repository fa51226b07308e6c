/**
 * The doctor finds no failure on a correct device, checks every op and variant, and finds kernels broken on purpose. In Node
 * only, because test/ops checks the same on all hosts; test/browser runs a part of it in a page.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { type DoctorResult, type Report, runDoctor } from "../../src/doctor/index.ts";
import type { KernelEnv } from "../../src/graph/kernel.ts";
import type { Op } from "../../src/graph/tensor.ts";
import { gpuBackend } from "../support/backend.ts";
import { brokenBackend, offByAThousandth } from "../support/broken-kernels.ts";

const modules = import.meta.glob<Record<string, unknown>>(
  ["../../src/{ops,fusion,optim/updates}/**/*.ts", "../../src/train/{input,metrics}/*.ts"],
  { eager: true },
);
const ops = [
  ...new Set(
    Object.values(modules)
      .flatMap((m) => Object.values(m))
      .filter(isOp),
  ),
];

function isOp(value: unknown): value is Op {
  return (
    typeof value === "object" && value !== null && "cpu" in value && "kernels" in value && "args" in value
  );
}

let report: Report;

describe("on a correct device", () => {
  const told: DoctorResult[] = [];
  /** By op, the variants whose kernels were requested during the examination; "auto" where none was forced. */
  const asked = new Map<Op, Set<string>>();

  beforeAll(async () => {
    const restore = ops.map((op) => {
      const { kernels } = op;
      op.kernels = (constants, env: KernelEnv) => {
        const seen = asked.get(op) ?? new Set();
        asked.set(op, seen.add(env.variant ?? "auto"));
        return kernels!.call(op, constants, env);
      };
      return () => {
        op.kernels = kernels!;
      };
    });
    try {
      report = await runDoctor(await gpuBackend(), { onResult: (r) => void told.push(r) });
    } finally {
      for (const undo of restore) undo();
    }
    console.info(`${report.results.length} checks took ${(report.milliseconds / 1000).toFixed(1)} s`);
  });

  it("everything agrees with the reference, and is reported in order", () => {
    expect(report.results.filter((r) => !r.ok || !(r.worst <= 1) || r.failures.length > 0)).toEqual([]);
    expect(report).toMatchObject({ ok: true, backend: "webgpu" });
    expect(told).toEqual(report.results);
  });

  it("every op is checked in every variant", () => {
    expect(ops.length).toBeGreaterThan(30);
    const missed = ops.flatMap((op) =>
      ["auto", ...op.variants].filter((v) => !asked.get(op)?.has(v)).map((v) => `${op.name} ${v}`),
    );
    expect(missed, "what src/doctor/cases has no case for").toEqual([]);
  });

  it("special values are checked op by op and fused, and the driver's choices reported", () => {
    const results = report.results.filter((r) => r.op === "special values");
    expect(results.map((r) => r.variant)).toEqual(["auto", "fused", "driver"]);
    expect(results.every((r) => r.ok)).toBe(true);
    expect(results[0]?.cases).toBeGreaterThan(50);
    expect(results[0]?.notes?.join()).toMatch(/^denormal numbers (are kept|become 0)/);
    expect(results[2]?.notes).toContainEqual(expect.stringMatching(/^x != x of NaN is [01]$/));
  });

  it("whole training steps are checked, fused and with each kind of convolution", () => {
    const steps = report.results.filter((r) => r.op.startsWith("LeNet-5")).map((r) => r.variant);
    expect(steps).toEqual(["fused", "direct", "im2col"]);
  });
});

it("a device that loses special values fails by op and value", async () => {
  const backend = await brokenBackend((_, code) =>
    code.replace("fn isNan(v: f32) -> bool { return", "fn isNan(v: f32) -> bool { return v == 12345.0 &&"),
  );
  const { ok, results } = await runDoctor(backend, { only: "special values" });
  await backend.close();
  expect(ok).toBe(false);
  expect(results[0]?.failures).toContainEqual(expect.stringMatching(/^clamp of NaN: [-\d.]+, expected NaN$/));
  expect(results[2]?.ok).toBe(true);
});

it("a kernel broken on purpose fails with place and values, and no other does", async () => {
  const isUpdate = (file: string) => file.startsWith("elementwiseUpdate");
  const backend = await brokenBackend((file, code) => (isUpdate(file) ? offByAThousandth(code) : code));
  const broken = await runDoctor(backend, { only: "sgd" });
  const whole = await runDoctor(backend, { only: "sum" });
  await backend.close();
  expect(whole.ok).toBe(true);
  expect(broken.ok).toBe(false);
  expect(broken.results.filter((r) => r.ok)).toEqual([]);
  expect(broken.results[0]?.failures[0]).toMatch(
    /^1 and 1 parameters, state 0: 1 of 1 values differ, the first at \[0\] of \[1\]: -?[\d.]+, expected -?[\d.]+ \(tolerated/,
  );
});

it("refuses an unknown op and names the known ones", async () => {
  await expect(runDoctor(await gpuBackend(), { only: "conv5d" })).rejects.toThrow(
    /doctor: there is no op conv5d; there are add, .*conv2d, .*LeNet-5/,
  );
});
