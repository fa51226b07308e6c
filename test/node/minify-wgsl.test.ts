/** What the build makes of WGSL: shorter text that means the same. The doctor checks the kernels themselves. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { minify, shortNames } from "../../build/minify-wgsl.ts";
import { ShaderText } from "../../src/shader.ts";

const folder = resolve(import.meta.dirname, "../../shaders");
const files = readdirSync(folder).map((name) => ({ name, code: readFileSync(join(folder, name), "utf8") }));
const short = shortNames(files.map(({ code }) => code));

describe("minified WGSL", () => {
  test("keeps what changes the meaning apart, and nothing else", () => {
    const none = new Map<string, string>();
    expect(minify("let a = b - -c; // why\n x = y /  *p;", none)).toBe("let a=b- -c;x=y/ *p;");
    expect(minify("let v = 1.5e-3 * f32(2u) ;", none)).toBe("let v=1.5e-3*f32(2u);");
  });

  test("renames variables of functions, and neither members, functions, overrides nor what has their names", () => {
    const code =
      "override N: u32; struct S { row: f32 } fn f(row: u32, column: u32) -> u32 { let place = row * N; return place + column; }";
    const names = shortNames([code]);
    expect([...names.keys()].sort()).toEqual(["column", "place"]);
    expect(minify("fn g(s: S) { let place = s.place; }", names)).toMatch(/^fn g\(s:S\)\{let \w=s\.place;\}$/);
  });

  test.each(files)("$name keeps its buffers, overrides and entry points", ({ name, code }) => {
    const small = minify(code, short);
    const [before, after] = [new ShaderText(name, code), new ShaderText(name, small)];
    expect([...after.bindings]).toEqual([...before.bindings]);
    expect([...after.overrides]).toEqual([...before.overrides]);
    const entries = (text: string) =>
      [...text.matchAll(/@compute[^{]*?\bfn (\w+)/g)].map(([, entry]) => entry);
    expect(entries(small)).toEqual(entries(code));
    expect(small.length).toBeLessThan(code.length);
  });
});
