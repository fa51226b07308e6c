/**
 * A Vite plugin that moves the CPU bodies of ops (`cpu` of `defineOp`) into a module of their own, with the functions that
 * only they call: a page with a GPU never fetches it, and the CPU reference does when it compiles a graph. Sources keep
 * an op in one place. What else bodies use is handed to them, since bundlers would put whatever such a module imports in
 * a chunk of its own. Lines stay where they are, so that source maps hold.
 */
import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Plugin } from "vite";

interface Ast {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/** A CPU body, and what it takes from the functions around it. */
interface Body {
  readonly property: Ast;
  readonly value: Ast;
  readonly closure: readonly string[];
}

/** A name of the module: imported, or declared by a statement. */
interface Binding {
  readonly statement: Ast;
  readonly imported: boolean;
  readonly exported: boolean;
}

/** Modules that hardly anything but bodies uses, which therefore import them. */
const FOR_BODIES = /^".*\/(permutation|[\w-]+-cpu)\.ts"$/;

export function splitBodies(): Plugin {
  const modules = new Map<string, string>();
  return {
    name: "split-bodies",
    apply: "build",
    transform(code, id) {
      if (!/[\\/]src[\\/]ops[\\/][\w-]+\.ts$/.test(id)) return undefined;
      const split = splitModule(code, this.parse(code) as unknown as Ast, basename(id, ".ts"));
      if (split === undefined) return undefined;
      modules.set(join(dirname(id), `${basename(id, ".ts")}.cpu.ts`), split.bodies);
      return { code: split.rest, map: null };
    },
    resolveId: (source, importer = "") =>
      source === ALL || source.endsWith(".cpu.ts") ? join(dirname(importer), basename(source)) : undefined,
    async load(id) {
      if (basename(id) !== basename(ALL)) {
        const code = modules.get(id);
        return code === undefined ? undefined : { code, moduleSideEffects: false };
      }
      const folder = dirname(id);
      const files = readdirSync(folder).filter((file) => file.endsWith(".ts"));
      await Promise.all(files.map((file) => this.load({ id: join(folder, file) })));
      const stems = files
        .map((file) => basename(file, ".ts"))
        .filter((stem) => modules.has(join(folder, `${stem}.cpu.ts`)));
      return stems.map((stem) => `export { bodies as ${nameOf(stem)} } from "./${stem}.cpu.ts";\n`).join("");
    },
  };
}

/** The module of the bodies of all ops. */
const ALL = "./cpu-bodies.ts";
const nameOf = (stem: string) => stem.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

/** The module `stem` without its bodies, and the module of these; undefined where there are none. */
export function splitModule(
  code: string,
  program: Ast,
  stem: string,
): { readonly rest: string; readonly bodies: string } | undefined {
  const bodies = findBodies(program, []);
  if (bodies.length === 0) return undefined;
  const values = new Set(bodies.map(({ value }) => value));
  const bindings = bindingsOf(program);
  const moved = onlyFor(values, program, bindings);
  const text = ({ start, end }: Ast) => code.slice(start, end);
  const wanted = new Set([...values, ...moved].flatMap((node) => [...namesIn(node)]));
  const around: string[] = [];
  const imports = new Set<Ast>();
  for (const name of wanted) {
    const { statement } = bindings.get(name) ?? {};
    if (statement === undefined || moved.has(statement)) continue;
    if (FOR_BODIES.test(text((statement.source as Ast | null) ?? statement))) imports.add(statement);
    else around.push(name);
  }
  const functions = bodies.map(({ value, closure }) => {
    const method = value.type === "FunctionExpression" && !text(value).startsWith("function");
    return `(${closure.join(", ")}) => ${method ? "function " : ""}${text(value)}`;
  });
  const cuts = [
    ...bodies.map(({ property, closure }, i) => ({
      node: property,
      put: `cpu: /* @__PURE__ */ $cpu(${[i, ...closure].join(", ")})`,
    })),
    ...[...moved].map((node) => ({ node, put: "" })),
  ].sort((a, b) => b.node.start - a.node.start);
  let rest = code;
  for (const { node, put } of cuts) {
    rest = rest.slice(0, node.start) + put + text(node).replace(/[^\n]/g, "") + rest.slice(node.end);
  }
  const head = `import { moved as $moved } from "../op.ts"; const $cpu = /* @__PURE__ */ $moved(() => import("${ALL}").then((all) => all.${nameOf(stem)}), () => [${around.join(", ")}]); `;
  return {
    rest: head + rest,
    bodies: `${[...imports].map((node) => `${text(node)}\n`).join("")}export const bodies = (${around.join(", ")}) => {
${[...moved]
  .sort((a, b) => a.start - b.start)
  .map((node) => `${text(node)}\n`)
  .join("")}return [\n${functions.join(",\n")},\n];\n};\n`,
  };
}

/** `around`: the nodes that `node` is in, outermost first. */
function findBodies(node: Ast, around: readonly Ast[]): Body[] {
  const [call, object] = around.slice(-2);
  const { key, value } = node as { readonly key?: Ast; readonly value?: Ast };
  const inOp =
    object?.type === "ObjectExpression" && (call as { readonly callee?: Ast })?.callee?.name === "defineOp";
  if (inOp && key?.name === "cpu" && value !== undefined && (value.body as Ast).end - value.start > 60) {
    const known = new Set(around.filter(isFunction).flatMap(declaredIn));
    const closure = [...namesIn(value)].filter((name) => known.has(name));
    return [{ property: node, value, closure }];
  }
  return children(node).flatMap((child) => findBodies(child, [...around, node]));
}

/** Statements of the module that declare what nobody but `values`, and each other, need. */
function onlyFor(values: ReadonlySet<Ast>, program: Ast, bindings: ReadonlyMap<string, Binding>): Set<Ast> {
  const needed = new Set<Ast>();
  const need = (node: Ast) => {
    for (const name of namesIn(node)) {
      const { statement, imported, exported } = bindings.get(name) ?? {};
      if (statement === undefined || imported || exported || needed.has(statement)) continue;
      needed.add(statement);
      need(statement);
    }
  };
  for (const value of values) need(value);
  for (let before = -1; before !== needed.size; ) {
    before = needed.size;
    const elsewhere = namesIn(program, new Set([...values, ...needed]));
    for (const [name, { statement }] of bindings) if (elsewhere.has(name)) needed.delete(statement);
  }
  return needed;
}

/** The names at the top of a module. */
function bindingsOf(program: Ast): Map<string, Binding> {
  const bindings = new Map<string, Binding>();
  for (const statement of program.body as readonly Ast[]) {
    const exported = statement.type === "ExportNamedDeclaration";
    const declaration = exported ? ((statement.declaration as Ast | null) ?? statement) : statement;
    const imported = statement.type === "ImportDeclaration";
    const names = imported
      ? (statement.specifiers as readonly Ast[]).map(({ local }) => (local as Ast).name as string)
      : namesOfDeclaration(declaration);
    for (const name of names) bindings.set(name, { statement, imported, exported });
  }
  return bindings;
}

function namesOfDeclaration(node: Ast): string[] {
  if (node.type === "VariableDeclaration") {
    return (node.declarations as readonly Ast[]).flatMap(({ id }) => [...namesIn(id as Ast)]);
  }
  return node.type === "FunctionDeclaration" || node.type === "ClassDeclaration"
    ? [(node.id as Ast).name as string]
    : [];
}

/** Parameters and variables of a function, but those of functions in it. */
function declaredIn(node: Ast): string[] {
  const variables = (inner: Ast): string[] =>
    isFunction(inner) ? [] : [...namesOfDeclaration(inner), ...children(inner).flatMap(variables)];
  const parameters = (node.params as readonly Ast[]).flatMap((param) => [...namesIn(param)]);
  return [...parameters, ...variables(node.body as Ast)];
}

/** Names that `node` uses or declares, but those of members and keys; not in what is to be `left` out. */
function namesIn(node: Ast, left: ReadonlySet<Ast> = new Set()): Set<string> {
  const names = new Set<string>();
  const visit = (inner: Ast) => {
    if (left.has(inner)) return;
    if (inner.type === "Identifier") names.add(inner.name as string);
    const named = (inner.type === "MemberExpression" ? inner.property : inner.key) as Ast | undefined;
    for (const child of children(inner)) if (child !== named || inner.computed) visit(child);
  };
  visit(node);
  return names;
}

const isFunction = (node: Ast) => node.type.includes("Function");

function children(node: Ast): Ast[] {
  return Object.values(node)
    .flat()
    .filter((value): value is Ast => typeof value === "object" && value !== null && "type" in value);
}
