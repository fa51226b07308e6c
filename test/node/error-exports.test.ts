/** Every class of error that the library throws can be imported: from `weft`, or from `weft/node` where only that throws it. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import * as weft from "../../src/index.ts";
import * as node from "../../src/node/index.ts";

const root = resolve(import.meta.dirname, "../../src");
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
  (name) => name.endsWith(".ts") && !name.startsWith(join("node", "cli")),
);
const classes = files.flatMap((file) =>
  [...readFileSync(join(root, file), "utf8").matchAll(/\bclass (\w+) extends \w+Error\b/g)].map((match) => ({
    file,
    name: match[1] as string,
  })),
);

test.each(classes)("$name of $file", ({ file, name }) => {
  const from: Record<string, unknown> = file.startsWith("node") ? node : weft;
  expect(from[name]).toBeTypeOf("function");
  expect((from[name] as typeof Error).prototype).toBeInstanceOf(Error);
});

test("there are such classes, and the one of runs that diverge is among them", () => {
  expect(classes.length).toBeGreaterThan(10);
  expect(classes.map(({ name }) => name)).toContain("DivergedError");
});
