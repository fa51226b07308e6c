/**
 * The one place where WGSL is generated: a chain of element-wise functions becomes one kernel, or one function in front of
 * another kernel.
 */
import { type BroadcastLoop, broadcastLoop, broadcastShape } from "../../geometry/broadcast.ts";
import { type KernelEnv, type KernelPlan, spread } from "../../graph/kernel.ts";
import { Shader, type ShaderSource } from "../../graph/shader.ts";
import { type Shape, type Spec, sizeOf } from "../../graph/spec.ts";

/** One step of a chain: an op's function on earlier values. Values 0…n-1 are the inputs, n… the steps in order. */
export interface Step {
  readonly name: string;
  readonly args: readonly number[];
  readonly functions: readonly ShaderSource[] | undefined;
  wgsl(args: readonly string[]): string;
  scalar(args: readonly number[]): number;
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

/** Vectors per invocation on processors, in tensors of several workgroups of that: invocations are dear there. */
const RUN = 4;

/**
 * The generated kernel of a chain: four elements per invocation; as vec4 where no input is broadcast, or where the
 * innermost axis is a multiple of four along which every input runs or stands still, and several of these on a processor.
 */
export function chainKernels(
  name: string,
  steps: readonly Step[],
  shapes: readonly Shape[],
  names: readonly string[],
  { software }: Pick<KernelEnv, "software">,
): KernelPlan {
  const out = outShape(shapes);
  const size = sizeOf(out);
  const { dims, strides } = broadcastLoop(out, shapes);
  const whole = strides.map((s) => dims.length === 0 || (dims.length === 1 && s[0] === 1));
  const lone = shapes.map((s) => sizeOf(s) === 1);
  const even = names.every((_, i) => whole[i] || lone[i]);
  const rows =
    (dims.at(-1) ?? 1) % 4 === 0 &&
    names.every(
      (_, i) => strides[i]?.at(-1) === 0 || strides[i]?.every((s, a) => s % 4 === 0 || a === dims.length - 1),
    );
  const vector = even || rows;
  const wide = names.map((_, i) => vector && (even ? !lone[i] : strides[i]?.at(-1) === 1));
  const long = software && size >= 32 * RUN * WORKGROUP;
  const run = long && (even || (dims.at(-1) ?? 1) % (4 * RUN) === 0) ? RUN : 1;
  const places = names.map((_, i) => (even ? (wide[i] ? "e" : "0") : placeOf(dims, strides[i] ?? [])));
  const body = vector
    ? vectorBody(steps, names, wide, size, run, places, even ? "" : coordinateLines(dims, size))
    : scalarBody(steps, names, dims, strides, size);
  const element = (i: number) => (wide[i] ? "vec4<f32>" : "f32");
  const code = `// ${steps.map((s) => s.name).join(" -> ")}
${names.map((n, i) => `@group(0) @binding(${i}) var<storage, read> ${n}: array<${element(i)}>;`).join("\n")}
@group(0) @binding(${names.length}) var<storage, read_write> result: array<${vector ? "vec4<f32>" : "f32"}>;

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
        bind: [...names, "result"],
        groups: spread(Math.ceil(size / (4 * run * WORKGROUP))),
      },
    ],
  };
}

/**
 * `run` times four neighbours, `places`: WGSL of where each input has the first of them, element `e`. Wide inputs come as
 * vec4, others are one value for all.
 */
function vectorBody(
  steps: readonly Step[],
  names: readonly string[],
  wide: readonly boolean[],
  size: number,
  run: number,
  places: readonly string[],
  coordinates: string,
): string {
  const load = (moves: boolean, place: (p: string) => string) =>
    names
      .map((n, i) => (wide[i] === moves ? `  let ${n}_v = ${n}[${place(places[i] as string)}];\n` : ""))
      .join("");
  const vectors = Math.ceil(size / 4);
  const apart = run === 1 ? "" : " + j";
  const one = `${load(true, (p) => (p === "e" ? "i" : `(${p}) / 4u${apart}`))}${fourLanes(steps, names, wide, size)}  result[i] = r;
`;
  const start = `  if (at >= ${Math.ceil(vectors / run)}u) { return; }
  let e = at * ${4 * run}u;
${coordinates}${load(false, (p) => p)}`;
  if (run === 1) return `${start}  let i = at;\n${one}`;
  const end = vectors % run === 0 ? "" : `  if (i >= ${vectors}u) { return; }\n`;
  return `${start}  for (var j = 0u; j < ${run}u; j++) {\n  let i = e / 4u + j;\n${end}${one}  }\n`;
}

/** WGSL of `r`, what the chain makes of four neighbours, the first of them element i * 4 of `size`. */
function fourLanes(
  steps: readonly Step[],
  names: readonly string[],
  wide: readonly boolean[],
  size: number,
): string {
  const lanes = [..."xyzw"].map((k, j) => {
    const { lines, result } = chainLines(
      steps,
      names.map((n, i) => (wide[i] ? `${n}_v.${k}` : `${n}_v`)),
    );
    const guard = size % 4 === 0 ? "" : `if (i * 4u + ${j}u < ${size}u) `;
    return `  ${guard}{\n${lines}    r.${k} = ${result};\n  }\n`;
  });
  return `  var r = vec4<f32>();\n${lanes.join("")}`;
}

function scalarBody(
  steps: readonly Step[],
  names: readonly string[],
  dims: readonly number[],
  strides: readonly (readonly number[])[],
  size: number,
): string {
  const { lines, result } = chainLines(
    steps,
    names.map((n) => `${n}_v`),
  );
  return `  for (var k = 0u; k < 4u; k++) {
    let e = at * 4u + k;
    if (e >= ${size}u) { return; }
${coordinateLines(dims, size)}${names
  .map((n, i) => `    let ${n}_v = ${n}[${placeOf(dims, strides[i] as readonly number[])}];\n`)
  .join("")}${lines}    result[e] = ${result};
  }
`;
}

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
 * A chain as a WGSL function for a static kernel beside it: `name(e)` is what the chain makes of element e of its inputs
 * `names`, all of one shape, with zeros beside it, or if `wide` the four from e on. `result`: a buffer that it is also
 * written to. Buffers are declared from `binding` on.
 */
export function chainFunction(
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
  const { lines, result: one } = chainLines(
    steps,
    names.map((n) => `${n}_v`),
  );
  const allWide = names.map(() => true);
  return `${buffers.join("")}
fn ${name}(e: u32) -> vec4<f32> {
  let i = ${wide ? "e / 4u" : "e"};
${names.map((n) => `  let ${n}_v = ${n}[i];\n`).join("")}${
  wide ? fourLanes(steps, names, allWide, 4) : `${lines}  let r = vec4(${one}, 0.0, 0.0, 0.0);\n`
}${result === undefined ? "" : `  ${result}[i] = ${wide ? "r" : "r.x"};\n`}  return r;
}
`;
}

function chainLines(steps: readonly Step[], inputs: readonly string[]): { lines: string; result: string } {
  const values = [...inputs];
  let lines = "";
  steps.forEach((step, s) => {
    const name = `t${s}`;
    lines += `    let ${name} = ${step.wgsl(step.args.map((a) => values[a] as string))};\n`;
    values.push(name);
  });
  return { lines, result: values.at(-1) as string };
}

/** A WGSL f32 literal of a finite number, rounded to f32. */
export function literal(value: number): string {
  const text = String(Math.fround(value));
  return `f32(${text})`;
}
