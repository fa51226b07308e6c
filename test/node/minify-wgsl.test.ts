/** What the build makes of WGSL: shorter text that means the same. The doctor checks the kernels themselves. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { minify, shortNames } from "../../build/minify-wgsl.ts";
import { ShaderText } from "../../src/shader.ts";

const folder = resolve(import.meta.dirname, "../../shaders");
const files = readdirSync(folder).map((name) => ({ name, code: readFileSync(join(folder, name), "utf8") }));
const short = shortNames(files);
const shorten = (...codes: string[]) => {
  const names = shortNames(codes.map((code, i) => ({ name: `${i}.wgsl`, code })));
  return codes.map((code) => minify(code, names));
};

describe("minified WGSL", () => {
  test("keeps what changes the meaning apart, and nothing else", () => {
    const none = { local: new Map(), shared: new Map(), members: new Map() };
    expect(minify("let a = b - -c; // why\n x = y /  *p;", none)).toBe("let a=b- -c;x=y/ *p;");
    expect(minify("let v = 1.5e-3 * f32(2u) ;", none)).toBe("let v=1.5e-3*f32(2u);");
    expect(minify("var v: vec4<f32>; var m: mat4x2<f32>; var a: array<f32>;", none)).toBe(
      "var v:vec4f;var m:mat4x2f;var a:array<f32>;",
    );
  });

  test("variables, functions and members get short names; what the host knows does not", () => {
    const [code] = shorten(
      `override N: u32; @group(0) @binding(0) var<storage, read> rows: array<u32>; struct Sizes { M: u32 }
       struct Place { row: u32, x: u32 } fn place(row: u32) -> Place { return Place(row * N, rows[row]); }
       @compute @workgroup_size(1) fn main() { let row = place(1u); let sum = row.row + row.x; }`,
    );
    expect(code).toBe(
      "override N:u32;@group(0)@binding(0)var<storage,read>rows:array<u32>;struct Sizes{M:u32}" +
        "struct a0{c:u32,x:u32}fn b0(a:u32)->a0{return a0(a*N,rows[a]);}" +
        "@compute@workgroup_size(1)fn main(){let a=b0(1u);let b=a.c+a.x;}",
    );
  });

  test("a name is the same in every file, and another one than what the file has beside it", () => {
    const [first, second] = shorten(
      "fn spread(value: f32) -> f32 { return value; } fn step() -> f32 { let min = 2.0; return min; }",
      "override a: f32; fn other(count: f32) -> f32 { let value = spread(count); return min(a, value); }",
    );
    expect(first).toBe("fn a0(b:f32)->f32{return b;}fn c0()->f32{let a=2.0;return a;}");
    expect(second).toBe("override a:f32;fn b0(c:f32)->f32{let b=a0(c);return min(a,b);}");
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
