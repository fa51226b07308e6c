/** The doctor on devices whose kernels are broken on purpose: no wrong kernel passes. */
import { expect, it } from "vitest";
import { type DoctorResult, runDoctor } from "../../src/doctor/index.ts";
import { brokenBackend, offByAThousandth } from "../support/broken-kernels.ts";

/** Ops of every kind, without convolutions, which take longest to compile. */
const ofEveryKind = [
  "add",
  "softmax",
  "matmul",
  "avgPool2d",
  "crossEntropy",
  "sum",
  "gather",
  "adam",
  "norm",
  "cumsum",
];

it.each(ofEveryKind)("every kernel of %s a thousandth too large: no check passes", async (only) => {
  const backend = await brokenBackend((_, code) => offByAThousandth(code));
  const { ok, results } = await runDoctor(backend, { only });
  await backend.close();
  expect(ok).toBe(false);
  expect(results.length).toBeGreaterThan(0);
  expect(results.filter((r) => r.ok).map((r) => `${r.op} (${r.variant})`)).toEqual([]);
  expect(results.every((r) => r.worst > 1 && r.failures.length > 0)).toBe(true);
});

it("a broken optimizer fails in the whole training steps", async () => {
  const isUpdate = (file: string) => file.startsWith("elementwiseUpdate");
  const backend = await brokenBackend((file, code) => (isUpdate(file) ? offByAThousandth(code) : code));
  const { results } = await runDoctor(backend, { only: "LeNet-5" });
  await backend.close();
  expect(results.map((r) => r.ok)).toEqual([false, false, false]);
});

it("a shader that does not compile is a failed check with the compiler's message", async () => {
  const backend = await brokenBackend((file, code) =>
    file === "sum.wgsl" ? code.replace("fn sum", "fn nonsense") : code,
  );
  const results: DoctorResult[] = [];
  const stop = new AbortController();
  const examination = runDoctor(backend, {
    only: "sum",
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
