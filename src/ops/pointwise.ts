/**
 * Ops that compute each element from the elements at the same place: one scalar function, broadcasting, float32.
 * This is the one place where WGSL is generated: a chain of such ops becomes one kernel.
 */
import {
  type BackwardContext,
  type Constants,
  type DefinedOp,
  defineOp,
  type KernelPlan,
  shapeError,
  spread,
} from "../op.ts";
import { Shader } from "../shader.ts";
import { type Data, type Shape, type Spec, sizeOf, type Tensor } from "../tensor.ts";
import { broadcastLoop, broadcastShape } from "./broadcast.ts";

export interface PointwiseDefinition<A extends Constants> {
  readonly name: string;
  readonly args: readonly string[];
  /** WGSL expression from the expressions of the arguments, each safe to use as an operand. */
  wgsl(args: readonly string[], attrs: A): string;
  scalar(args: readonly number[], attrs: A): number;
  /** WGSL functions that the expression calls. */
  readonly functions?: string;
  /** A shape to stretch the result to, beside what the inputs ask for. */
  stretchTo?(attrs: A): Shape;
  backward?(context: BackwardContext<A>): readonly (Tensor | undefined)[];
}

/** One step of a chain: an op's function on earlier values. Values 0…n-1 are the inputs, n… the steps in order. */
export interface Step {
  readonly name: string;
  readonly args: readonly number[];
  readonly functions: string | undefined;
  wgsl(args: readonly string[]): string;
  scalar(args: readonly number[]): number;
}

/** Makes an op out of a scalar function. */
export function definePointwise<A extends Constants>(definition: PointwiseDefinition<A>): DefinedOp<A> {
  const { name, args } = definition;
  return defineOp({
    name,
    args,
    results: ["result"],
    pointwise: {
      wgsl: (values, constants) => definition.wgsl(values, constants as A),
      scalar: (values, constants) => definition.scalar(values, constants as A),
      functions: definition.functions,
    },
    plan(inputs, attrs: A) {
      if (inputs.length !== args.length) throw shapeError(name, `takes ${args.length} inputs`, inputs);
      const target = definition.stretchTo?.(attrs);
      const all = target === undefined ? inputs : [...inputs, { shape: target, dtype: "f32" as const }];
      return { outputs: [pointwiseSpec(name, all)], constants: { ...attrs, shapes: shapesText(all) } };
    },
    cpu(tensors, constants) {
      const shapes = parseShapes(constants.shapes as string);
      runChain(
        [single(definition, constants as unknown as A)],
        shapes,
        tensors as Record<string, Data>,
        args,
      );
    },
    kernels(constants) {
      return chainKernels(
        name,
        [single(definition, constants as unknown as A)],
        parseShapes(constants.shapes as string),
        args,
      );
    },
    ...(definition.backward === undefined ? {} : { backward: definition.backward }),
  });
}

function single<A extends Constants>(definition: PointwiseDefinition<A>, attrs: A): Step {
  return {
    name: definition.name,
    args: definition.args.map((_, i) => i),
    functions: definition.functions,
    wgsl: (values) => definition.wgsl(values, attrs),
    scalar: (values) => definition.scalar(values, attrs),
  };
}

/** The output of a pointwise op over `inputs`; refuses anything but f32. */
export function pointwiseSpec(name: string, inputs: readonly Spec[]): Spec {
  if (inputs.some((s) => s.dtype !== "f32")) throw shapeError(name, "inputs must be f32", inputs);
  return { shape: broadcastShape(name, inputs), dtype: "f32" };
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

/** The CPU body of a chain: the composition of its steps' scalar functions. `shapes` may hold one more than `names`. */
export function runChain(
  steps: readonly Step[],
  shapes: readonly Shape[],
  tensors: Readonly<Record<string, Data>>,
  names: readonly string[],
): void {
  const out = tensors.result as Data;
  const inputs = names.map((n) => tensors[n] as Data);
  const { dims, strides } = broadcastLoop(outShape(shapes), shapes);
  const at = shapes.map(() => 0);
  const index = dims.map(() => 0);
  const values: number[] = [];
  for (let e = 0; e < out.length; e++) {
    inputs.forEach((data, i) => {
      values[i] = data[at[i]!]!;
    });
    steps.forEach((step, s) => {
      values[inputs.length + s] = step.scalar(step.args.map((a) => values[a]!));
    });
    out[e] = values[inputs.length + steps.length - 1]!;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      index[axis]!++;
      strides.forEach((s, i) => {
        at[i]! += s[axis]!;
      });
      if (index[axis]! < dims[axis]!) break;
      index[axis] = 0;
      strides.forEach((s, i) => {
        at[i]! -= s[axis]! * dims[axis]!;
      });
    }
  }
}

const WORKGROUP = 64;

/** The generated kernel of a chain: four elements per invocation, vec4 accesses where no input is broadcast. */
export function chainKernels(
  name: string,
  steps: readonly Step[],
  shapes: readonly Shape[],
  names: readonly string[],
): KernelPlan {
  const out = outShape(shapes);
  const size = sizeOf(out);
  const { dims, strides } = broadcastLoop(out, shapes);
  const whole = strides.map((s) => dims.length === 0 || (dims.length === 1 && s[0] === 1));
  const lone = shapes.map((s) => sizeOf(s) === 1);
  const vector = names.every((_, i) => whole[i] || lone[i]);
  const body = vector ? vectorBody(steps, names, lone, size) : scalarBody(steps, names, dims, strides, size);
  const element = (i: number) => (vector && !lone[i] ? "vec4<f32>" : "f32");
  const code = `// ${steps.map((s) => s.name).join(" -> ")}
${names.map((n, i) => `@group(0) @binding(${i}) var<storage, read> ${n}: array<${element(i)}>;`).join("\n")}
@group(0) @binding(${names.length}) var<storage, read_write> result: array<${vector ? "vec4<f32>" : "f32"}>;

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * ${WORKGROUP}u + lane;
${body}}
${[...new Set(steps.map((s) => s.functions ?? ""))].join("\n")}`;
  return {
    kernels: [
      {
        shader: new Shader(`${name} (generated)`, code),
        entry: "main",
        bind: [...names, "result"],
        groups: spread(Math.ceil(size / (4 * WORKGROUP))),
      },
    ],
  };
}

function vectorBody(
  steps: readonly Step[],
  names: readonly string[],
  lone: readonly boolean[],
  size: number,
): string {
  const lane = (k: string) =>
    chainLines(
      steps,
      names.map((n, i) => (lone[i] ? `${n}_v` : `${n}_v.${k}`)),
    );
  const loads = names.map((n, i) => `  let ${n}_v = ${n}[${lone[i] ? "0" : "i"}];\n`).join("");
  const lanes = [..."xyzw"].map((k, j) => {
    const { lines, result } = lane(k);
    const guard = size % 4 === 0 ? "" : `if (i * 4u + ${j}u < ${size}u) `;
    return `  ${guard}{\n${lines}    r.${k} = ${result};\n  }\n`;
  });
  return `  if (i >= ${Math.ceil(size / 4)}u) { return; }\n${loads}  var r = vec4<f32>();\n${lanes.join("")}  result[i] = r;\n`;
}

function scalarBody(
  steps: readonly Step[],
  names: readonly string[],
  dims: readonly number[],
  strides: readonly (readonly number[])[],
  size: number,
): string {
  let inner = size;
  const parts = dims.map((d) => {
    inner /= d;
    return `(e / ${inner}u) % ${d}u`;
  });
  const offset = (s: readonly number[]) => {
    const terms = s.map((step, axis) => (step === 0 ? "" : `c${axis} * ${step}u`)).filter((t) => t !== "");
    return terms.length === 0 ? "0u" : terms.join(" + ");
  };
  const { lines, result } = chainLines(
    steps,
    names.map((n) => `${n}_v`),
  );
  return `  for (var k = 0u; k < 4u; k++) {
    let e = i * 4u + k;
    if (e >= ${size}u) { return; }
${parts.map((p, axis) => `    let c${axis} = ${p};\n`).join("")}${names
  .map((n, i) => `    let ${n}_v = ${n}[${offset(strides[i] as readonly number[])}];\n`)
  .join("")}${lines}    result[e] = ${result};
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
