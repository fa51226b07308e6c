/** Prints runs as a Markdown table: for each recipe and goal the limit, the result of every seed, and whether it is reached. */
import type { Judged, RunRecord } from "./run.ts";

const VERDICTS = new Map([
  [true, "yes"],
  [false, "NO"],
  [undefined, ""],
]);

interface Row {
  readonly cells: readonly string[];
  /** Undefined for runs with a label, whose settings are not those that the goals are for. */
  readonly reached: boolean | undefined;
}

/** Prints the table; true when every goal was reached. */
export function printTable(records: readonly RunRecord[]): boolean {
  const rows = [...groups(records).values()].flatMap(rowsOf);
  const text = [
    "| recipe | what | must | measured | seconds each | |",
    "| --- | --- | --- | --- | --- | --- |",
  ];
  for (const { cells, reached } of rows) text.push(`| ${cells.join(" | ")} | ${VERDICTS.get(reached)} |`);
  console.log(`\n${text.join("\n")}`);
  return rows.every(({ reached }) => reached !== false);
}

function groups(records: readonly RunRecord[]): Map<string, RunRecord[]> {
  const found = new Map<string, RunRecord[]>();
  for (const record of records) {
    const key = `${record.recipe} ${record.label ?? ""}`.trim();
    found.set(key, [...(found.get(key) ?? []), record]);
  }
  return found;
}

function rowsOf(runs: readonly RunRecord[]): Row[] {
  const [first] = runs as [RunRecord, ...RunRecord[]];
  const name = first.label === undefined ? `\`${first.recipe}\`` : `\`${first.recipe}\` ${first.label}`;
  const seconds = spread(
    runs.map((r) => r.seconds),
    (v) => String(Math.round(v)),
  );
  return first.goals.map((goal, i) => {
    const judged = runs.map((r) => r.goals[i] as Judged);
    const values = judged.map((j) => j.value);
    const one = goal.over === "mean" ? mean(values) : goal.over === "median" ? median(values) : undefined;
    const share = goal.goal.includes("Accuracy");
    const shown = (v: number) => (share ? `${(100 * v).toFixed(2)} %` : fourDigits(v));
    const limit = (sign: string, values: (number | undefined)[]) =>
      values.every((v) => v !== undefined) ? [`${sign} ${spread(values, shown)}`] : [];
    const low = limit(
      ">=",
      judged.map((j) => j.atLeast),
    );
    const high = limit(
      "<=",
      judged.map((j) => j.atMost),
    );
    const must = [...low, ...high].join(", ");
    const enough = (v: number) =>
      (goal.atLeast === undefined || v >= goal.atLeast) && (goal.atMost === undefined || v <= goal.atMost);
    const good = one === undefined ? judged.every((j) => j.reached) : enough(one);
    const reached = first.label === undefined ? good : undefined;
    const measured =
      one === undefined ? values.map(shown).join(", ") : `${goal.over} of ${values.length}: ${shown(one)}`;
    return { cells: [name, words(goal.goal), must, measured, seconds], reached };
  });
}

const words = (goal: string) =>
  goal
    .replace("testAccuracy", "test accuracy")
    .replace("trainAccuracy", "training accuracy")
    .replace("testLoss", "test loss")
    .replace("trainLoss", "training loss");

function spread(values: readonly number[], shown: (v: number) => string): string {
  const [low, high] = [shown(Math.min(...values)), shown(Math.max(...values))];
  return low === high ? low : `${low} to ${high}`;
}

/** At most four digits that matter, but whole numbers as they are. */
function fourDigits(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return ((sorted[Math.floor(half)] as number) + (sorted[Math.ceil(half) - 1] as number)) / 2;
}
