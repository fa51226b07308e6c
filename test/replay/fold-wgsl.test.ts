/** What is left of a module when some of its conditions are decided. */
import { expect, test } from "vitest";
import { foldWgsl } from "../../src/replay/fold-wgsl.ts";

const known = new Map([
  ["YES", 1],
  ["NO", 0],
  ["FOUR", 4],
  ["SHADOWED", 1],
]);
const folded = (code: string) => foldWgsl(code, known).replace(/\s+/g, " ").trim();

test.each([
  ["if (YES) { a(); } b();", "{ a(); } b();"],
  ["if (NO) { a(); } b();", "b();"],
  ["if (NO) { a(); } else { b(); } c();", "{ b(); } c();"],
  ["if (YES) { a(); } else { b(); } c();", "{ a(); } c();"],
  ["if (x > 1u) { if (NO) { a(); } b(); }", "if (x > 1u) { b(); }"],
  ["if (x) { a(); } else if (NO) { b(); } else { c(); }", "if (x) { a(); } else { c(); }"],
  ["if (x) { a(); } else if (YES) { b(); } else { c(); }", "if (x) { a(); } else { b(); }"],
  ["if (x) { a(); } else if (NO) { b(); } d();", "if (x) { a(); } else {} d();"],
  ["if (NO) { a(); } else if (x) { b(); } else { c(); }", "if (x) { b(); } else { c(); }"],
  ["if (NO) { if (x) { a(); } else { b(); } } else if (YES) { c(); }", "{ c(); }"],
])("%s", (code, left) => {
  expect(folded(`fn f() { ${code} }`)).toBe(`fn f() { ${left} }`);
});

test.each([
  ["!NO & (FOUR == 4u)", 1],
  ["FOUR != 4u | NO", 0],
  ["YES && !(FOUR < 4u)", 1],
  ["FOUR >= 5u || NO", 0],
  ["true", 1],
  ["FOUR > 3.5", 1],
  ["YES & other", undefined],
  ["FOUR % 4u == 0u", undefined],
  ["SHADOWED", undefined],
  ["a[FOUR] == 1u", undefined],
])("the condition %s", (condition, value) => {
  const code = `fn g(SHADOWED: bool) {} fn f() { if (${condition}) { a(); } b(); }`;
  const left =
    value === undefined ? `if (${condition}) { a(); } b();` : value === 1 ? "{ a(); } b();" : "b();";
  expect(folded(code)).toBe(`fn g(SHADOWED: bool) {} fn f() { ${left} }`);
});

test("what follows a block that returns goes, as far as its own block reaches", () => {
  expect(folded("fn f() -> u32 { if (YES) { return 1u; } a(); return 2u; } fn g() {}")).toBe(
    "fn f() -> u32 { { return 1u; }} fn g() {}",
  );
  expect(folded("fn f() { if (x) { if (YES) { a(); return; } b(); } c(); }")).toBe(
    "fn f() { if (x) { { a(); return; }} c(); }",
  );
  expect(folded("fn f() { if (x) { a(); } else if (YES) { return; } c(); }")).toBe(
    "fn f() { if (x) { a(); } else { return; } c(); }",
  );
});
