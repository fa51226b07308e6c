/** A table longer than the longest string that JavaScript allows. */
import { expect, test } from "vitest";
import { parseCsv } from "../../src/data/csv/parse-csv.ts";

test("a table of more than 512 MiB is read", () => {
  // Long cells, so that there are few.
  const row = Buffer.from(`1.5,"${"é,\n".repeat(10_000)}",a\n2.5,y,b\n`);
  const rows = Math.ceil((2 ** 29 + 2 ** 20) / row.length);
  const bytes = Buffer.alloc(rows * row.length, row);
  expect(() => new TextDecoder().decode(bytes)).toThrow();
  const set = parseCsv(bytes, { label: -1 });
  expect([set.count, set.classNames, set.columns?.length]).toEqual([2 * rows, ["a", "b"], 3]);
  expect([...set.inputs.data.subarray(-6)]).toEqual([1.5, 0, 1, 2.5, 1, 0]);
});
