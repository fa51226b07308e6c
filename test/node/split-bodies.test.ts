/** CPU bodies that a build moves out of their modules: what goes along, what is handed over, and that they run. */
import { parseAst } from "vite";
import { expect, test } from "vitest";
import { splitModule } from "../../build/split-bodies.ts";
import { type CpuBody, defineOp, moved } from "../../src/op.ts";

type Ast = Parameters<typeof splitModule>[1];
const split = (code: string) => splitModule(code, parseAst(code) as unknown as Ast, "double");

const CODE = `import { place, kept } from "./places.ts";
const FACTOR = 2;
function twice(v) {
  return FACTOR * v;
}
export function define(name, offset) {
  return defineOp({
    name,
    cpu({ x, y }, { N }) {
      for (let i = 0; i < N; i++) y[place(i)] = twice(x[i]) + offset;
    },
    kernels: ({ N }) => kept(N),
  });
}
`;

test("a body goes with what only it needs; imports and what is around it are handed over", () => {
  const { rest, bodies } = split(CODE) ?? { rest: "", bodies: "" };
  expect(bodies).toBe(`export const bodies = (place) => {
const FACTOR = 2;
function twice(v) {
  return FACTOR * v;
}
return [
(offset) => function ({ x, y }, { N }) {
      for (let i = 0; i < N; i++) y[place(i)] = twice(x[i]) + offset;
    },
];
};
`);
  expect(rest).not.toContain("FACTOR");
  expect(rest).toContain("cpu: /* @__PURE__ */ $cpu(0, offset)\n");
  expect(rest).toContain('import("./cpu-bodies.ts").then((all) => all.double), () => [place]');
  expect(rest.split("\n").length).toBe(CODE.split("\n").length);
  expect(rest.split("\n")[11]).toBe("    kernels: ({ N }) => kept(N),");
});

test("a module without bodies, or with trivial ones, stays as it is", () => {
  expect(split("export const op = defineOp({ name: 'view', cpu() {} });")).toBeUndefined();
  expect(
    split("export const cpu = (x) => { for (let i = 0; i < x.length; i++) x[i] = 2 * x[i] + 1; };"),
  ).toBe(undefined);
});

test("a moved body is fetched with those it calls, and says so if it was not", async () => {
  const op = (cpu: CpuBody) =>
    defineOp({
      name: "op",
      args: ["x"],
      results: ["y"],
      plan: ([x]) => ({ outputs: [x!], constants: {} }),
      cpu,
    });
  const addTo =
    (n: number) =>
    ({ y }: Readonly<Record<string, { [i: number]: number }>>) => {
      y![0]! += n;
    };
  const inner = op(
    moved(
      async () => () => [addTo],
      () => [],
    )(0, 5),
  );
  const outer = op(
    moved(
      async () => (called: typeof inner) => [
        () => (tensors, constants) => {
          called.cpu(tensors, constants);
          called.cpu(tensors, constants);
        },
      ],
      () => [inner],
    )(0),
  );
  const y = Float32Array.of(1);
  expect(() => outer.cpu({ y }, {})).toThrow("fetch the CPU body");
  await outer.cpu.fetch?.();
  outer.cpu({ y }, {});
  expect(y[0]).toBe(11);
});
