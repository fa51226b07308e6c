/**
 * Ops that compute each element from the elements at the same place: one scalar function, broadcasting, float32 results.
 * Their kernels are generated: see kernels/elementwise/group.ts.
 */

import { broadcastShape } from "../../geometry/broadcast.ts";
import type { Constants } from "../../graph/kernel.ts";
import { type DefinedOp, defineOp, shapeError } from "../../graph/op.ts";
import type { ShaderSource } from "../../graph/shader.ts";
import type { Data, DType, Shape } from "../../graph/spec.ts";
import type { BackwardContext, Tensor } from "../../graph/tensor.ts";
import { type Group, groupKernels, parseShapes, shapesText } from "../../kernels/elementwise/group.ts";
import { checkOptions, expectGiven, type OptionKinds } from "../../validation/options.ts";
import { runGroup } from "./pointwise-cpu.ts";

/** An element-wise op; `A` are its attributes, `Record<string, never>` for none. */
export interface PointwiseDefinition<A extends Constants> {
  readonly name: string;
  readonly args: readonly string[];
  /** The dtype of the inputs. Default f32; the result is f32 always. */
  readonly takes?: DType;
  /** The WGSL expression of the result. `args` are expressions of the arguments, each safe to use as an operand. */
  wgsl(args: readonly string[], attrs: A): string;
  /** The same function on numbers, which the CPU reference calls. */
  scalar(args: readonly number[], attrs: A): number;
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
  takes: ["f32", "i32", "u32"],
  wgsl: "function",
  scalar: "function",
  functions: "array",
  stretchTo: "function",
  backward: "function",
} as const satisfies OptionKinds<PointwiseDefinition<Constants>>;

/**
 * Makes an op that computes each element of its f32 result from the elements of its inputs at the same position, with
 * broadcasting. Such ops are fused with each other and with what they follow. Throws ValueError on unknown options.
 */
// @__NO_SIDE_EFFECTS__
export function definePointwise<A extends Constants>(definition: PointwiseDefinition<A>): DefinedOp<A> {
  const who = `definePointwise ${definition?.name}`;
  checkOptions(who, definition, DEFINITION);
  expectGiven(who, definition, ["name", "args", "wgsl", "scalar"]);
  const { name, args, takes = "f32" } = definition;
  const groupOf = (attrs: A): Group => ({
    inputs: args.map((arg) => ({ name: arg, dtype: takes })),
    steps: [
      {
        name,
        args: args.map((_, i) => i),
        functions: definition.functions,
        wgsl: (values) => definition.wgsl(values, attrs),
        scalar: (values) => definition.scalar(values, attrs),
      },
    ],
    outputs: [{ name: "result", dtype: "f32", value: args.length }],
  });
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
      if (inputs.some((s) => s.dtype !== takes)) throw shapeError(name, `inputs must be ${takes}`, inputs);
      const target = definition.stretchTo?.(attrs);
      const all = target === undefined ? inputs : [...inputs, { shape: target, dtype: takes }];
      const output = { shape: broadcastShape(name, all), dtype: "f32" as const };
      return { outputs: [output], constants: { ...attrs, shapes: shapesText(all) } };
    },
    cpu(tensors, constants) {
      runGroup(constants, () => groupOf(constants as unknown as A), tensors as Record<string, Data>);
    },
    kernels(constants, env) {
      const shapes = parseShapes(constants.shapes as string);
      return groupKernels(name, groupOf(constants as unknown as A), shapes, env);
    },
    ...(definition.backward === undefined ? {} : { backward: definition.backward }),
  });
}
