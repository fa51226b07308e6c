/** What is left of a module when some of its entry points are not wanted. */
import { expect, test } from "vitest";
import { pruneWgsl } from "../../src/replay/prune-wgsl.ts";

const MODULE = `enable subgroups;
// helper of both
struct Pair { a: f32, b: array<vec4<f32>, 4> };
override N: u32;
override M: u32;
const LIMIT = 4u;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
var<workgroup> tile: array<f32, 64>;
fn shared_part(i: u32) -> f32 { if (i > LIMIT) { return x[i]; } return 0.0; }
fn alone(p: Pair) -> f32 { return p.a; }
@compute @workgroup_size(64)
fn first(@builtin(global_invocation_id) id: vec3<u32>) { y[id.x] = shared_part(id.x + N); }
@compute @workgroup_size(M, 1)
fn second() { tile[0] = alone(Pair()); first_like(); }
fn first_like() {}
`;

const names = (code: string) =>
  [
    "Pair",
    "override N",
    "override M",
    "LIMIT",
    "> x",
    "> y",
    "tile",
    "shared_part",
    "alone",
    "fn first(",
    "fn second(",
    "first_like",
  ].filter((name) => code.includes(name));

test("keeps what an entry point reaches, in order, and directives", () => {
  const first = pruneWgsl(MODULE, new Set(["first"]));
  expect(names(first)).toEqual(["override N", "LIMIT", "> x", "> y", "shared_part", "fn first("]);
  expect(first.startsWith("enable subgroups;")).toBe(true);
  expect(first).not.toContain("helper");
  expect(first.indexOf("LIMIT")).toBeLessThan(first.indexOf("fn shared_part"));
  const second = pruneWgsl(MODULE, new Set(["second"]));
  expect(names(second)).toEqual(["Pair", "override M", "tile", "alone", "fn second(", "first_like"]);
});

test("keeps everything when everything is wanted", () => {
  const all = pruneWgsl(MODULE, new Set(["first", "second"]));
  expect(names(all)).toHaveLength(12);
  expect(pruneWgsl(all, new Set(["first", "second"]))).toBe(all);
});
