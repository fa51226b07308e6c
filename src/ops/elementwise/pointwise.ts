/**
 * Ops that compute each element from the elements at the same place: one scalar function, broadcasting. Their kernels are
 * generated: see kernels/elementwise/group.ts.
 */

import { broadcastShape } from "../../geometry/broadcast.ts";
import type { Constants } from "../../graph/kernel.ts";
import { type DefinedOp, defineOp, shapeError } from "../../graph/op.ts";
import type { ShaderSource } from "../../graph/shader.ts";
import type { Data, DType, Shape, Spec } from "../../graph/spec.ts";
import type { BackwardContext, Tensor } from "../../graph/tensor.ts";
import { type Group, groupKernels, parseShapes, shapesText } from "../../kernels/elementwise/group.ts";
import { ShapeError } from "../../validation/errors.ts";
import { checkOptions, expectGiven, type OptionKinds } from "../../validation/options.ts";
import { runGroup } from "./pointwise-cpu.ts";

/** An element-wise op; `A` are its attributes, `Record<string, never>` for none. */
export interface PointwiseDefinition<A extends Constants> {
  readonly name: string;
  readonly args: readonly string[];
  /**
   * The dtype of the result for inputs of these dtypes; undefined where the op does not take them. Default: f32 of f32 only.
   * Refused dtypes are a ShapeError that names `cast`.
   */
  dtype?(inputs: readonly DType[], attrs: A): DType | undefined;
  /** The WGSL expression of the result. `args` are expressions of the arguments, each safe to use as an operand. */
  wgsl(args: readonly string[], attrs: A, dtypes: readonly DType[]): string;
  /** The same function on numbers, which the CPU reference calls. Integers wrap around as in WGSL. */
  scalar(args: readonly number[], attrs: A, dtypes: readonly DType[]): number;
  /** WGSL functions that the expression calls. */
  readonly functions?: readonly ShaderSource[];
  /** A shape that the result is broadcast to, in addition to the shapes of the inputs. */
  stretchTo?(attrs: A): Shape;
  /** Gradients of the inputs in their order, as graph expressions; undefined where there is none. */
  backward?(context: BackwardContext<A>): readonly (Tensor | undefined)[];
}

const DEFINITION = {
  name: "string",
  args: "array",
  dtype: "function",
  wgsl: "function",
  scalar: "function",
  functions: "array",
  stretchTo: "function",
  backward: "function",
} as const satisfies OptionKinds<PointwiseDefinition<Constants>>;

/** f32 where all inputs are. */
const onlyFloats = (inputs: readonly DType[]): DType | undefined =>
  inputs.every((dtype) => dtype === "f32") ? "f32" : undefined;

/**
 * Makes an op that computes each element of its result from the elements of its inputs at the same position, with
 * broadcasting. Such ops are fused with each other and with what they follow. Throws ValueError on unknown options.
 */
// @__NO_SIDE_EFFECTS__
export function definePointwise<A extends Constants>(definition: PointwiseDefinition<A>): DefinedOp<A> {
  const who = `definePointwise ${definition?.name}`;
  checkOptions(who, definition, DEFINITION);
  expectGiven(who, definition, ["name", "args", "wgsl", "scalar"]);
  const { name, args, dtype = onlyFloats } = definition;
  const groupOf = (attrs: A & { readonly dtypes: string }): Group => {
    const dtypes = attrs.dtypes.split(",") as DType[];
    return {
      inputs: args.map((arg, i) => ({ name: arg, dtype: dtypes[i] as DType })),
      steps: [
        {
          name,
          args: args.map((_, i) => i),
          functions: definition.functions,
          wgsl: (values) => definition.wgsl(values, attrs, dtypes),
          scalar: (values) => definition.scalar(values, attrs, dtypes),
        },
      ],
      outputs: [{ name: "result", dtype: dtype(dtypes, attrs) as DType, value: args.length }],
    };
  };
  return defineOp({
    name,
    args,
    results: ["result"],
    pointwise: {
      wgsl: (values, constants, dtypes) => definition.wgsl(values, constants as A, dtypes),
      scalar: (values, constants, dtypes) => definition.scalar(values, constants as A, dtypes),
      functions: definition.functions,
    },
    plan(inputs, attrs: A) {
      if (inputs.length !== args.length) throw shapeError(name, `takes ${args.length} inputs`, inputs);
      const dtypes = inputs.map((s) => s.dtype);
      const result = dtype(dtypes, attrs);
      if (result === undefined) throw refused(name, inputs, dtype === onlyFloats);
      const target = definition.stretchTo?.(attrs);
      const all = target === undefined ? inputs : [...inputs, { shape: target, dtype: result }];
      const output = { shape: broadcastShape(name, all), dtype: result };
      return { outputs: [output], constants: { ...attrs, shapes: shapesText(all), dtypes: dtypes.join() } };
    },
    cpu(tensors, constants) {
      runGroup(constants, () => groupOf(constants), tensors as Record<string, Data>);
    },
    kernels(constants, env) {
      const shapes = parseShapes(constants.shapes as string);
      return groupKernels(name, groupOf(constants), shapes, env);
    },
    ...(definition.backward === undefined ? {} : { backward: definition.backward }),
  });
}

function refused(name: string, inputs: readonly Spec[], floats: boolean): ShapeError {
  const alike = inputs.every((s) => s.dtype === inputs[0]?.dtype);
  const rule = floats
    ? "inputs must be f32"
    : alike
      ? `does not take ${inputs[0]?.dtype}`
      : "inputs must have one dtype";
  const error = shapeError(name, rule, inputs);
  return new ShapeError(`${error.message}; convert with ops.cast(x, dtype)`);
}
