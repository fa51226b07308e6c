/** Races by a clock that is made up: what counts as faster, who is out early, how often everybody runs. */
import { describe, expect, it } from "vitest";
import { Random } from "../../src/common/random.ts";
import { type Runner, race } from "../../src/tune/race.ts";

const options = { margin: 0.07, turn: 4 };

/** Runners that take so many milliseconds each time, give or take a share; `calls` counts. */
function runners(costs: readonly number[], noise = 0, seed = 1) {
  const random = new Random(seed, 0);
  const calls = costs.map(() => 0);
  const run = costs.map((cost, i): Runner => {
    return async (times) => {
      calls[i]!++;
      return cost * times * (1 + noise * (2 * random.uniform() - 1));
    };
  });
  return { run, calls };
}

describe("the winner", () => {
  it("is the fastest", async () => {
    const { winner, ratios, milliseconds } = await race(runners([2, 1, 0.5, 1.5]).run, options);
    expect({ winner, milliseconds }).toEqual({ winner: 2, milliseconds: 2 });
    expect(ratios[2]).toBeCloseTo(0.25);
  });

  it.each([
    ["no slower than the others", [1, 1, 1.2]],
    ["slower by less than the margin", [1, 0.95, 0.94]],
  ])("stays the first where that is %s", async (_, costs) => {
    expect((await race(runners(costs).run, options)).winner).toBe(0);
  });

  it("is seldom taken from the first by noise, and found through it", async () => {
    let wrong = 0;
    let right = 0;
    for (let seed = 0; seed < 100; seed++) {
      if ((await race(runners([1, 1, 1, 1, 1], 0.2, seed).run, options)).winner !== 0) wrong++;
      if ((await race(runners([1, 1, 0.7, 1, 1], 0.2, seed).run, options)).winner === 2) right++;
    }
    expect(wrong).toBeLessThanOrEqual(2);
    expect(right).toBeGreaterThanOrEqual(90);
  });

  it("is not one who was lucky once", async () => {
    let call = 0;
    const lucky: Runner = async (times) => (call++ < 8 ? 0.1 : 1) * times;
    expect((await race([runners([1]).run[0]!, lucky], options)).winner).toBe(0);
  });
});

it("short work is done often enough to be seen, long work seldom", async () => {
  const asked: number[] = [];
  const watching =
    (cost: number): Runner =>
    async (times) => {
      asked.push(times);
      return cost * times;
    };
  await race([watching(0.01), watching(0.02)], options);
  expect(Math.max(...asked)).toBe(400);
  asked.length = 0;
  await race([watching(500), watching(490)], options);
  expect(Math.max(...asked)).toBe(1);
  expect(asked.length).toBeLessThanOrEqual(10);
});

it("a clock that goes in long steps is no hindrance", async () => {
  const step = 0.065;
  const { run } = runners([0.02, 0.014, 0.03]);
  const stepping = run.map(
    (runner): Runner =>
      async (times) =>
        Math.floor((await runner(times)) / step) * step,
  );
  expect((await race(stepping, options)).winner).toBe(1);
});

it("who is hopeless runs once, who is far behind a few times", async () => {
  const { run, calls } = runners([5, 60, 20, 10]);
  const { ratios } = await race(run, options);
  expect(calls.slice(1)).toEqual([1, 2, 5]);
  expect(ratios.slice(0, 3)).toEqual([1, 12, 4]);
});

it("an abort ends it with the signal's reason", async () => {
  const controller = new AbortController();
  const { run } = runners([1, 0.5]);
  const aborting: Runner = async (times) => {
    controller.abort(new Error("enough"));
    return times;
  };
  await expect(race([run[0]!, aborting], { ...options, signal: controller.signal })).rejects.toThrow(
    "enough",
  );
});
