/** WGSL files that a build puts together: ops import them as before and get the same texts. */
import { expect, test } from "vitest";
import { groupWgsl } from "../../build/group-wgsl.ts";

const { transform, resolveId, load } = groupWgsl("/shaders", {
  step: ["gather-batch", "record"],
}) as unknown as {
  transform(code: string, id: string): { code: string } | undefined;
  resolveId(source: string): string | undefined;
  load(id: string): string | undefined;
};

test("imports of grouped files go to their module, others stay", () => {
  const grouped = transform(
    'const a = () => import("../../shaders/gather-batch.wgsl?raw");',
    "/src/ops/a.ts",
  );
  expect(grouped?.code).toBe(
    'const a = () => import("virtual:shaders/step").then((all) => all.gatherBatch);',
  );
  const alone = 'const a = () => import("../../shaders/adam.wgsl?raw");';
  expect(transform(alone, "/src/ops/a.ts")).toBeUndefined();
});

test("the module exports each file's text as a module would", () => {
  expect(resolveId("virtual:shaders/step")).toBe("virtual:shaders/step");
  expect(resolveId("./step.ts")).toBeUndefined();
  expect(load("/shaders/record.wgsl?raw")).toBeUndefined();
  expect(load("virtual:shaders/step")?.split("\n")).toEqual([
    'import gatherBatchText from "/shaders/gather-batch.wgsl?raw";',
    "export const gatherBatch = { default: gatherBatchText };",
    'import recordText from "/shaders/record.wgsl?raw";',
    "export const record = { default: recordText };",
    "",
  ]);
});
