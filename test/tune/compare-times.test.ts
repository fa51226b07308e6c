/** Comparing times with a simulated clock: what counts as faster, what is given up early, how often each candidate runs. */
import { describe, expect, it } from "vitest";
import { Random } from "../../src/numbers/random.ts";
import { findFastest, type TimedWork } from "../../src/tune/compare-times.ts";

const options = { margin: 0.07, duration: 4 };

/** Candidates that take `costs` milliseconds, with a relative noise; `calls` counts how often each is asked. */
function candidates(costs: readonly number[], noise = 0, seed = 1) {
  const random = new Random(seed, 0);
  const calls = costs.map(() => 0);
  const run = costs.map((cost, i): TimedWork => {
    return async (times) => {
      calls[i]!++;
      return cost * times * (1 + noise * (2 * random.uniform() - 1));
    };
  });
  return { run, calls };
}

describe("the winner", () => {
  it("is the fastest", async () => {
    const { winner, ratios, milliseconds } = await findFastest(candidates([2, 1, 0.5, 1.5]).run, options);
    expect({ winner, milliseconds }).toEqual({ winner: 2, milliseconds: 2 });
    expect(ratios[2]).toBeCloseTo(0.25);
  });

  it.each([
    ["no slower than the others", [1, 1, 1.2]],
    ["slower by less than the margin", [1, 0.95, 0.94]],
  ])("stays the first where that is %s", async (_, costs) => {
    expect((await findFastest(candidates(costs).run, options)).winner).toBe(0);
  });

  it("is seldom taken from the first by noise, and found through it", async () => {
    let wrong = 0;
    let right = 0;
    for (let seed = 0; seed < 100; seed++) {
      if ((await findFastest(candidates([1, 1, 1, 1, 1], 0.2, seed).run, options)).winner !== 0) wrong++;
      if ((await findFastest(candidates([1, 1, 0.7, 1, 1], 0.2, seed).run, options)).winner === 2) right++;
    }
    expect(wrong).toBeLessThanOrEqual(2);
    expect(right).toBeGreaterThanOrEqual(90);
  });

  it("is not one that was lucky once", async () => {
    let call = 0;
    const lucky: TimedWork = async (times) => (call++ < 8 ? 0.1 : 1) * times;
    expect((await findFastest([candidates([1]).run[0]!, lucky], options)).winner).toBe(0);
  });
});

it("short work is done often enough to be seen, long work seldom", async () => {
  const asked: number[] = [];
  const watching =
    (cost: number): TimedWork =>
    async (times) => {
      asked.push(times);
      return cost * times;
    };
  await findFastest([watching(0.01), watching(0.02)], options);
  expect(Math.max(...asked)).toBe(400);
  asked.length = 0;
  await findFastest([watching(500), watching(490)], options);
  expect(Math.max(...asked)).toBe(1);
  expect(asked.length).toBeLessThanOrEqual(10);
});

it("a coarse clock is enough", async () => {
  const step = 0.065;
  const { run } = candidates([0.02, 0.014, 0.03]);
  const stepping = run.map(
    (work): TimedWork =>
      async (times) =>
        Math.floor((await work(times)) / step) * step,
  );
  expect((await findFastest(stepping, options)).winner).toBe(1);
});

it("a hopeless candidate runs once, one that is far behind a few times", async () => {
  const { run, calls } = candidates([5, 60, 20, 10]);
  const { ratios } = await findFastest(run, options);
  expect(calls.slice(1)).toEqual([1, 2, 5]);
  expect(ratios.slice(0, 3)).toEqual([1, 12, 4]);
});

it("an abort ends it with the signal's reason", async () => {
  const controller = new AbortController();
  const { run } = candidates([1, 0.5]);
  const aborting: TimedWork = async (times) => {
    controller.abort(new Error("enough"));
    return times;
  };
  await expect(findFastest([run[0]!, aborting], { ...options, signal: controller.signal })).rejects.toThrow(
    "enough",
  );
});
