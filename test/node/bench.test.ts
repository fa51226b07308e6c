/** The benchmark checks before it times: wrong kernels and losses show as wrong, statistics follow their definitions. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as weft from "../../src/index.ts";

interface Row {
  readonly kind: string;
  readonly name: string;
  readonly problem?: string;
  readonly ms?: number;
  readonly share?: number;
  readonly dispatches?: number;
  readonly callsPerStep?: Readonly<Record<string, number>>;
}

/** The benchmark is plain JavaScript, which runs without a build where the archive is unpacked. */
const load = <T>(name: string): Promise<T> => import(/* @vite-ignore */ join(root, "bench", name));
const root = join(import.meta.dirname, "../..");

describe("a run", () => {
  const folder = mkdtempSync(join(tmpdir(), "weft-bench-"));
  let rows: Map<string, Row>;

  beforeAll(async () => {
    const { buildLibrary } = await load<{ buildLibrary(from: string, to: string): Promise<string> }>(
      "build.mjs",
    );
    const { driverEnvironment } = await load<{ driverEnvironment(driver: string): NodeJS.ProcessEnv }>(
      "peers/driver.mjs",
    );
    const { runSuite } = await load<{ runSuite(settings: object): Promise<{ items: Row[] }> }>("suite.mjs");
    const build = pathToFileURL(await buildLibrary(root, join(folder, "weft")));
    const broken = join(folder, "broken.mjs");
    writeFileSync(
      broken,
      `import * as weft from "${build}";
       export * from "${build}";
       export const ops = { ...weft.ops, matmul: (a, b, o) => weft.ops.mul(weft.ops.matmul(a, b, o), 1.001) };`,
    );
    const only = "matmul fc3 forward,softmax 4096x100 forward,lenet5 batch 16";
    const pace = { rounds: 2, ms: 1, most: 4 };
    const environment = { ...driverEnvironment("swiftshader"), WEFT_BUILD: broken };
    const { items } = await runSuite({ environment, only, pace, log: () => undefined });
    rows = new Map(items.map((row) => [row.name, row]));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("a kernel that is wrong by a thousandth gets no time", () => {
    const row = [...rows.values()].find(({ name }) => name.startsWith("matmul fc3"));
    expect(row?.problem).toMatch(/^WRONG by 1\.0e-3/);
    expect(row?.ms).toBeUndefined();
  });

  test("right kernels get times and their share of what the adapter reached", () => {
    const row = rows.get("softmax 4096x100 forward");
    expect(row?.problem).toBeUndefined();
    expect(row?.ms).toBeGreaterThan(0);
    expect(row?.share).toBeGreaterThan(0);
    const limits = [...rows.values()].filter(({ kind }) => kind === "peak");
    expect(limits.map(({ problem }) => problem)).toEqual(limits.map(() => undefined));
  });

  test("calls are counted on the prototypes: as many dispatches as the plan has, nothing made", () => {
    const row = rows.get("lenet5 batch 16");
    expect(row?.problem).toBeUndefined();
    expect(row?.callsPerStep?.dispatches).toBe(row?.dispatches);
    expect(row?.callsPerStep).toMatchObject({ bindGroups: 0, buffers: 0, pipelines: 0, queueWrites: 0 });
  });
});

describe("what results are held against", () => {
  test("golden losses are those of the 64-bit CPU reference", async () => {
    const { referenceLosses } = await load<{
      referenceLosses(library: typeof weft, name: string, batch: number): Promise<number[]>;
    }>("networks/golden.mjs");
    const golden = (await import("../../bench/networks/golden.json")).default as Record<string, number[]>;
    const losses = await referenceLosses(weft, "mlp-128", 16);
    expect(losses.map((loss, i) => Math.abs(loss / (golden["mlp-128"]?.[i] ?? 0) - 1) < 1e-12)).toEqual([
      true,
      true,
      true,
    ]);
  });

  test("NaN, missing values and wrong sizes never agree", async () => {
    const { worstDifference } = await load<{
      worstDifference(actual: Float32Array[], expected: Float64Array[]): number;
    }>("kernels/reference.mjs");
    const expected = [Float64Array.of(1, -2, 4)];
    expect(worstDifference([Float32Array.of(1, -2, 4)], expected)).toBe(0);
    expect(worstDifference([Float32Array.of(1, -2, 5)], expected)).toBe(0.25);
    expect(worstDifference([Float32Array.of(1, Number.NaN, 4)], expected)).toBe(Number.POSITIVE_INFINITY);
    expect(worstDifference([Float32Array.of(1, -2)], expected)).toBe(Number.POSITIVE_INFINITY);
    expect(worstDifference([], expected)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("two builds", () => {
  interface Comparison {
    readonly ratio: number;
    readonly low: number;
    readonly high: number;
    readonly pValue: number;
  }
  const compare = async (a: number[], b: number[]) => {
    const { comparePairs } = await load<{ comparePairs(a: number[], b: number[]): Comparison }>(
      "statistics.mjs",
    );
    return comparePairs(a, b);
  };

  test("nine pairs: the interval leaves out one on each side, the sign test counts heads", async () => {
    const times = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => n / 10 + 0.55);
    // By the binomial distribution: 2 (1 + 9) / 2^9 = 0.039; with two left out on each side it would be 0.18.
    expect(
      await compare(
        times,
        times.map(() => 1),
      ),
    ).toEqual({
      ratio: 1.05,
      low: expect.closeTo(0.75),
      high: expect.closeTo(1.35),
      pValue: 1,
    });
  });

  test("always faster is significant, now and then is not", async () => {
    const ones = new Array<number>(8).fill(1);
    expect(
      (
        await compare(
          ones.map(() => 0.9),
          ones,
        )
      ).pValue,
    ).toBeCloseTo(2 / 256);
    expect(
      (
        await compare(
          ones.map((_, i) => (i % 2 ? 0.9 : 1.1)),
          ones,
        )
      ).pValue,
    ).toBe(1);
  });
});

test("cost per image that rises with the batch is reported", async () => {
  const { perImageRises } = await load<{ perImageRises(items: object[]): string[] }>("plot.mjs");
  const row = (batch: number, ms: number) => ({ kind: "network", network: "lenet5", batch, ms });
  expect(perImageRises([row(1, 1), row(16, 8), row(64, 16), row(1024, 1e6)])).toEqual([]);
  expect(perImageRises([row(64, 64), row(16, 8), row(1, 1)])).toEqual([
    "0.500 ms per image at batch 16, 1 at 64",
  ]);
});
