/**
 * The one place where WGSL is generated: a group of element-wise functions becomes one kernel with any number of results, or
 * one function in front of another kernel.
 */
import { type BroadcastLoop, broadcastLoop, broadcastShape } from "../../geometry/broadcast.ts";
import { type KernelEnv, type KernelPlan, spread } from "../../graph/kernel.ts";
import { Shader, type ShaderSource } from "../../graph/shader.ts";
import { type DType, type Shape, type Spec, sizeOf } from "../../graph/spec.ts";

/** One step of a group: an op's function on earlier values. */
export interface Step {
  readonly name: string;
  readonly args: readonly number[];
  readonly functions: readonly ShaderSource[] | undefined;
  wgsl(args: readonly string[]): string;
  scalar(args: readonly number[]): number;
}

/** A buffer that a generated kernel binds, by the name of its WGSL variable. */
export interface Variable {
  readonly name: string;
  readonly dtype: DType;
  /** Bound for writing, though it is only read: its buffer may hold other tensors that the kernel writes. */
  readonly sharesBuffer?: boolean;
}

/** What becomes of one value of a group. */
export interface Output extends Variable {
  /** Number of the value. It is stored in the variable, which may be an input of the same shape as the group. */
  readonly value: number;
  /** Instead of storing values, sets the variable, u32 `[1]`, to 1 if one of them is NaN or infinite. */
  readonly flagsNonFinite?: boolean;
}

/** Element-wise functions that are computed together. Values 0…n-1 are the inputs, n… the steps in order. */
export interface Group {
  readonly inputs: readonly Variable[];
  readonly steps: readonly Step[];
  readonly outputs: readonly Output[];
}

/** The group of `steps` over float32 inputs `names`, whose last value is stored in `result`. */
export function singleResult(steps: readonly Step[], names: readonly string[]): Group {
  const value = names.length + steps.length - 1;
  return {
    inputs: names.map((name) => ({ name, dtype: "f32" })),
    steps,
    outputs: [{ name: "result", dtype: "f32", value }],
  };
}

/** Shapes as text, since constants are plain values: `2,3;3`. */
export function shapesText(inputs: readonly Spec[]): string {
  return inputs.map((s) => s.shape.join(",")).join(";");
}

export function parseShapes(text: string): Shape[] {
  return text.split(";").map((s) => (s === "" ? [] : s.split(",").map(Number)));
}

function outShape(shapes: readonly Shape[]): Shape {
  return broadcastShape(
    "pointwise",
    shapes.map((shape) => ({ shape, dtype: "f32" as const })),
  );
}

/** Loops by the text of their shapes, worked out once: a step of a small network takes no longer than that. */
const loops = new Map<string, BroadcastLoop>();

export function loopOf(text: string): BroadcastLoop {
  const known = loops.get(text);
  if (known !== undefined) return known;
  const shapes = parseShapes(text);
  const made = broadcastLoop(outShape(shapes), shapes);
  loops.set(text, made);
  return made;
}

const WORKGROUP = 64;

/**
 * Vectors per invocation on adapters of low parallelism, in tensors of several workgroups of that; more where an invocation
 * first computes values that all elements share.
 */
const RUN = { plain: 4, sharing: 16 };

/**
 * The generated kernel of a group over inputs of `shapes`, to which a last one may be added that the result stretches to.
 * Four elements per invocation; as vec4 where no input is broadcast, or where the innermost axis is a multiple of four
 * along which every input runs or stands still, and several of these where parallelism is low.
 */
export function groupKernels(
  name: string,
  group: Group,
  shapes: readonly Shape[],
  { parallelism }: Pick<KernelEnv, "parallelism">,
): KernelPlan {
  const { inputs, steps, outputs } = group;
  const out = outShape(shapes);
  const size = sizeOf(out);
  const { dims, strides } = broadcastLoop(out, shapes);
  const whole = strides.map((s) => dims.length === 1 && s[0] === 1);
  const lone = shapes.map((s) => sizeOf(s) === 1);
  const even = inputs.every((_, i) => whole[i] || lone[i]);
  const rows =
    (dims.at(-1) ?? 1) % 4 === 0 &&
    inputs.every(
      (_, i) => strides[i]?.at(-1) === 0 || strides[i]?.every((s, a) => s % 4 === 0 || a === dims.length - 1),
    );
  const vector = size > 1 && (even || rows);
  const wide = inputs.map((_, i) => vector && (even ? !lone[i] : strides[i]?.at(-1) === 1));
  const shared = vector ? sharedSteps(group, wide) : new Set<number>();
  const longest = steps.some(({ args }, s) => args.length > 0 && shared.has(s)) ? RUN.sharing : RUN.plain;
  const long = parallelism === "low" && size >= 32 * RUN.plain * WORKGROUP;
  const run = long && (even || (dims.at(-1) ?? 1) % (4 * longest) === 0) ? longest : 1;
  const places = inputs.map((_, i) => (even ? (wide[i] ? "e" : "0") : placeOf(dims, strides[i] ?? [])));
  const lanes: Lanes = { group, wide, shared, size };
  const body = vector
    ? vectorBody(lanes, run, places, even ? "" : coordinateLines(dims, size))
    : scalarBody(group, dims, strides, size);
  const bound = [...inputs, ...outputs.filter(({ name }) => !inputs.some((input) => input.name === name))];
  const declarations = bound.map(({ name, dtype, sharesBuffer }, i) => {
    const output = outputs.find((o) => o.name === name);
    const element = wide[i] || (vector && output && !output.flagsNonFinite) ? `vec4<${dtype}>` : dtype;
    const access = output === undefined && !sharesBuffer ? "read" : "read_write";
    return `@group(0) @binding(${i}) var<storage, ${access}> ${name}: array<${element}>;\n`;
  });
  const code = `// ${steps.map((s) => s.name).join(" -> ")}
${declarations.join("")}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let at = (wg.y * n.x + wg.x) * ${WORKGROUP}u + lane;
${body}}`;
  return {
    kernels: [
      {
        shader: new Shader(`${name} (generated)`, code, ...steps.flatMap((s) => s.functions ?? [])),
        entry: "main",
        bind: bound.map((variable) => variable.name),
        groups: spread(Math.ceil(size / (4 * run * WORKGROUP))),
      },
    ],
  };
}

/** Steps whose value is the same for all elements of an invocation: what depends on inputs that are not `wide`. */
function sharedSteps({ inputs, steps }: Group, wide: readonly boolean[]): Set<number> {
  const shared = new Set<number>();
  steps.forEach(({ args }, s) => {
    const isShared = (a: number) => (a < inputs.length ? !wide[a] : shared.has(a - inputs.length));
    if (args.every(isShared)) shared.add(s);
  });
  return shared;
}

/** What vectors of four neighbours are computed from. */
interface Lanes {
  readonly group: Group;
  /** Inputs that come as vec4; others are one value for all. */
  readonly wide: readonly boolean[];
  /** Steps that are computed before. */
  readonly shared: ReadonlySet<number>;
  /** Elements of the whole tensor. */
  readonly size: number;
}

/** `run` times four neighbours, `places`: WGSL of where each input has the first of them, element `e`. */
function vectorBody(lanes: Lanes, run: number, places: readonly string[], coordinates: string): string {
  const { group, wide, shared, size } = lanes;
  const { inputs, steps, outputs } = group;
  const load = (moves: boolean, place: (p: string) => string) =>
    inputs
      .map(({ name }, i) =>
        wide[i] === moves ? `  let ${name}_v = ${name}[${place(places[i] as string)}];\n` : "",
      )
      .join("");
  const names = inputs.map(({ name }) => `${name}_v`);
  const vectors = Math.ceil(size / 4);
  const apart = run === 1 ? "" : " + j";
  const stores = outputs.map(({ name, flagsNonFinite }, o) =>
    flagsNonFinite ? `  ${watch(o, `r${o}`)}` : `  ${name}[i] = r${o};\n`,
  );
  const one = `${load(true, (p) => (p === "e" ? "i" : `(${p}) / 4u${apart}`))}${fourLanes(lanes)}${stores.join("")}`;
  const start = `  if (at >= ${Math.ceil(vectors / run)}u) { return; }
  let e = at * ${4 * run}u;
${coordinates}${load(false, (p) => p)}${stepLines(steps, names, (s) => shared.has(s))}${watched(outputs)}`;
  const end = raised(outputs);
  if (run === 1) return `${start}  let i = at;\n${one}${end}`;
  const last = vectors % run === 0 ? "" : `  if (i >= ${vectors}u) { break; }\n`;
  return `${start}  for (var j = 0u; j < ${run}u; j++) {\n  let i = e / 4u + j;\n${last}${one}  }\n${end}`;
}

/** WGSL of `r0`, `r1` …, what the group makes of four neighbours, the first of them element i * 4. */
function fourLanes({ group, wide, shared, size }: Lanes): string {
  const { inputs, steps, outputs } = group;
  const lanes = [..."xyzw"].map((k, j) => {
    const names = inputs.map(({ name }, i) => (wide[i] ? `${name}_v.${k}` : `${name}_v`));
    const guard = size % 4 === 0 ? "" : `if (i * 4u + ${j}u < ${size}u) `;
    const results = outputs.map(({ value }, o) => `    r${o}.${k} = ${valueName(value, names)};\n`);
    const lines = stepLines(steps, names, (s) => !shared.has(s));
    return `  ${guard}{\n${lines}${results.join("")}  }\n`;
  });
  const results = outputs.map(({ dtype, flagsNonFinite }, o) => {
    return `  var r${o} = vec4<${flagsNonFinite ? "f32" : dtype}>();\n`;
  });
  return `${results.join("")}${lanes.join("")}`;
}

function scalarBody(
  { inputs, steps, outputs }: Group,
  dims: readonly number[],
  strides: readonly (readonly number[])[],
  size: number,
): string {
  const names = inputs.map(({ name }) => `${name}_v`);
  const stores = outputs.map(({ name, value, flagsNonFinite }, o) => {
    const result = valueName(value, names);
    return flagsNonFinite ? `    ${watch(o, `vec4(${result})`)}` : `    ${name}[e] = ${result};\n`;
  });
  return `${watched(outputs)}  for (var k = 0u; k < 4u; k++) {
    let e = at * 4u + k;
    if (e >= ${size}u) { break; }
${coordinateLines(dims, size)}${inputs
  .map(({ name }, i) => `    let ${name}_v = ${name}[${placeOf(dims, strides[i] as readonly number[])}];\n`)
  .join("")}${stepLines(steps, names, () => true)}${stores.join("")}  }
${raised(outputs)}`;
}

/**
 * WGSL that finds values that are NaN or infinite: the largest exponents are collected, and tested once at the end, which
 * costs less than a test per vector. All invocations that find one write the same.
 */
const watched = (outputs: readonly Output[]) =>
  outputs.map((o, i) => (o.flagsNonFinite ? `  var largest${i} = vec4<u32>();\n` : "")).join("");
const watch = (o: number, vector: string) =>
  `largest${o} = max(largest${o}, bitcast<vec4<u32>>(${vector}) & vec4(0x7f800000u));\n`;
const raised = (outputs: readonly Output[]) =>
  outputs
    .map(({ name, flagsNonFinite }, i) =>
      flagsNonFinite ? `  if (any(largest${i} == vec4(0x7f800000u))) { ${name}[0] = 1u; }\n` : "",
    )
    .join("");

/** Coordinates c0, c1 … of element e. */
function coordinateLines(dims: readonly number[], size: number): string {
  let inner = size;
  return dims
    .map((d, axis) => {
      inner /= d;
      const quotient = inner === 1 ? "e" : `(e / ${inner}u)`;
      return `    let c${axis} = ${quotient}${axis === 0 ? "" : ` % ${d}u`};\n`;
    })
    .join("");
}

/** Where an input's part of element e is: e itself for one that is not broadcast, which spares dividing. */
function placeOf(dims: readonly number[], strides: readonly number[]): string {
  if (strides.every((step, axis) => step === sizeOf(dims.slice(axis + 1)))) return "e";
  const terms = strides
    .map((step, axis) => (step === 0 ? "" : `c${axis} * ${step}u`))
    .filter((t) => t !== "");
  return terms.length === 0 ? "0u" : terms.join(" + ");
}

/**
 * A group as a WGSL function for a static kernel beside it: `name(e)` is what the steps make of element e of their inputs
 * `names`, float32 and all of one shape, with zeros beside it, or if `wide` the four from e on. `result`: a buffer that it
 * is also written to. Buffers are declared from `binding` on.
 */
export function groupFunction(
  name: string,
  steps: readonly Step[],
  names: readonly string[],
  { wide, binding, result }: { readonly wide: boolean; readonly binding: number; readonly result?: string },
): string {
  const element = wide ? "vec4<f32>" : "f32";
  const buffer = (variable: string, i: number, access: string) =>
    `@group(0) @binding(${binding + i}) var<storage, ${access}> ${variable}: array<${element}>;\n`;
  const buffers = names.map((n, i) => buffer(n, i, "read"));
  if (result !== undefined) buffers.push(buffer(result, names.length, "read_write"));
  const group = singleResult(steps, names);
  const values = names.map((n) => `${n}_v`);
  const one = valueName(group.outputs[0]!.value, values);
  const lanes = fourLanes({ group, wide: names.map(() => true), shared: new Set(), size: 4 });
  return `${buffers.join("")}
fn ${name}(e: u32) -> vec4<f32> {
  let i = ${wide ? "e / 4u" : "e"};
${names.map((n) => `  let ${n}_v = ${n}[i];\n`).join("")}${
  wide ? lanes : `${stepLines(steps, values, () => true)}  let r0 = vec4(${one}, 0.0, 0.0, 0.0);\n`
}${result === undefined ? "" : `  ${result}[i] = ${wide ? "r0" : "r0.x"};\n`}  return r0;
}
`;
}

/** WGSL of those steps that `which` is true of; `inputs`: the expressions of the inputs. */
function stepLines(
  steps: readonly Step[],
  inputs: readonly string[],
  which: (step: number) => boolean,
): string {
  return steps
    .map(({ args, wgsl }, s) =>
      which(s) ? `    let t${s} = ${wgsl(args.map((a) => valueName(a, inputs)))};\n` : "",
    )
    .join("");
}

const valueName = (value: number, inputs: readonly string[]) => inputs[value] ?? `t${value - inputs.length}`;

/** A WGSL literal of a finite number: for f32 rounded to that, for integers a whole number in range. */
export function literal(value: number, dtype: DType = "f32"): string {
  const text = String(dtype === "f32" ? Math.fround(value) : value);
  return `${dtype}(${text})`;
}
