/** The doctor: finds nothing wrong with a good device, goes through every op and variant, and finds kernels broken on purpose. */
import { beforeAll, describe, expect, it } from "vitest";
import { type DoctorResult, type Report, runDoctor } from "../src/doctor/index.ts";
import type { KernelEnv, Op } from "../src/op.ts";
import { gpuBackend } from "./support/backend.ts";
import { brokenBackend, offByAThousandth } from "./support/broken-kernels.ts";

const modules = import.meta.glob<Record<string, unknown>>("../src/ops/*.ts", { eager: true });
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

const LIMIT = 120_000;
let report: Report;

describe("on a good device", () => {
  const told: DoctorResult[] = [];
  /** Kernels asked for during the examination: by op, the variants that were forced, or "auto". */
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
    report = await runDoctor(await gpuBackend(), { onResult: (r) => void told.push(r) });
    for (const undo of restore) undo();
    console.info(`${report.results.length} checks took ${(report.milliseconds / 1000).toFixed(1)} s`);
  }, LIMIT);

  it("everything agrees with the reference, and is told as it comes", () => {
    expect(report.results.filter((r) => !r.ok || !(r.worst <= 1) || r.failures.length > 0)).toEqual([]);
    expect(report).toMatchObject({ ok: true, backend: "webgpu" });
    expect(told).toEqual(report.results);
  });

  it("every op is examined, in every variant", () => {
    expect(ops.length).toBeGreaterThan(30);
    const missed = ops.flatMap((op) =>
      ["auto", ...op.variants].filter((v) => !asked.get(op)?.has(v)).map((v) => `${op.name} ${v}`),
    );
    expect(missed).toEqual([]);
  });

  it("a whole training step is examined, fused and with each kind of convolution", () => {
    const steps = report.results.filter((r) => r.op.startsWith("LeNet-5")).map((r) => r.variant);
    expect(steps).toEqual(["fused", "direct", "im2col"]);
  });
});

describe("on a device whose kernels are broken", () => {
  it(
    "all of them by a thousandth: no check passes",
    async () => {
      const backend = await brokenBackend((_, code) => offByAThousandth(code));
      const broken = await runDoctor(backend);
      await backend.close();
      expect(broken.ok).toBe(false);
      expect(broken.results.filter((r) => r.ok).map((r) => `${r.op} (${r.variant})`)).toEqual([]);
      expect(broken.results.every((r) => r.worst > 1 && r.failures.length > 0)).toBe(true);
    },
    LIMIT,
  );

  it(
    "one file: its ops fail with place and values, the others pass",
    async () => {
      const backend = await brokenBackend((file, code) =>
        file === "sgd.wgsl" ? offByAThousandth(code) : code,
      );
      const broken = await runDoctor(backend);
      await backend.close();
      const failed = broken.results.filter((r) => !r.ok);
      expect(new Set(failed.map((r) => r.op))).toEqual(
        new Set(["sgd", "sgd with momentum", "LeNet-5, 2 steps"]),
      );
      expect(failed[0]?.failures[0]).toMatch(
        /^1 and 1 parameters, state 0: 1 of 1 values differ, the first at \[0\] of \[1\]: -?[\d.]+, expected -?[\d.]+ \(tolerated/,
      );
    },
    LIMIT,
  );

  it("a shader that does not compile is a failed check with the compiler's words", async () => {
    const backend = await brokenBackend((file, code) =>
      file === "sum.wgsl" ? code.replace("fn sum", "fn nonsense") : code,
    );
    const results: DoctorResult[] = [];
    const stop = new AbortController();
    const examination = runDoctor(backend, {
      signal: stop.signal,
      onResult: (r) => {
        if (results.push(r) && r.op === "sum") stop.abort(new Error("seen enough"));
      },
    });
    await expect(examination).rejects.toThrow("seen enough");
    await backend.close();
    expect(results.at(-1)).toMatchObject({ op: "sum", ok: false, worst: Number.POSITIVE_INFINITY });
    expect(results.at(-1)?.failures[0]).toMatch(/sum\.wgsl:sum/);
  });
});
