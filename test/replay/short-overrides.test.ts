/** Overrides get short names in code and constants alike, and nothing else changes its meaning. */
import { expect, test } from "vitest";
import { shortOverrides } from "../../src/replay/short-overrides.ts";

test("renames where a name is an override, avoids names in use, and leaves what is to stay", () => {
  const { shaders, pipelines } = shortOverrides(
    {
      shaders: [
        {
          file: "a.wgsl",
          code: "override ROWS:u32;override COUNT:u32;fn f(Z0:u32)->u32{return ROWS*ROWS+COUNT+Z0;}",
        },
        { file: "b.wgsl", code: "override COLUMNS:u32;override ROWS:u32;fn g()->u32{return ROWS+COLUMNS;}" },
        { file: "c.wgsl", code: "struct S{ROWS:u32}" },
      ],
      pipelines: [
        { shader: 0, entry: "f", constants: { ROWS: 3, COUNT: 4 }, layout: 0 },
        { shader: 1, entry: "g", constants: { ROWS: 5, COLUMNS: 6 }, layout: 0 },
      ],
    },
    new Set(["COUNT"]),
  );
  expect(shaders.map(({ code }) => code)).toEqual([
    "override Z1:u32;override COUNT:u32;fn f(Z0:u32)->u32{return Z1*Z1+COUNT+Z0;}",
    "override Z2:u32;override Z1:u32;fn g()->u32{return Z1+Z2;}",
    "struct S{ROWS:u32}",
  ]);
  expect(pipelines.map(({ constants }) => constants)).toEqual([
    { Z1: 3, COUNT: 4 },
    { Z1: 5, Z2: 6 },
  ]);
});
