/**
 * Ops that compute each element from the elements at the same place: one scalar function, broadcasting, float32.
 * Their kernels are generated: see kernels/elementwise/chain.ts.
 */

import { checkOptions, type OptionKinds } from "../../common/options.ts";
import { broadcastShape } from "../../geometry/broadcast.ts";
import type { Constants } from "../../graph/kernel.ts";
import { type DefinedOp, defineOp, shapeError } from "../../graph/op.ts";
import type { ShaderSource } from "../../graph/shader.ts";
import type { Data, Shape, Spec } from "../../graph/spec.ts";
import type { BackwardContext, Tensor } from "../../graph/tensor.ts";
import { chainKernels, loopOf, parseShapes, type Step, shapesText } from "../../kernels/elementwise/chain.ts";
import { runChain } from "./pointwise-cpu.ts";

/** An element-wise op; `A` are its attributes, `Record<string, never>` for none. */
export interface PointwiseDefinition<A extends Constants> {
  readonly name: string;
  readonly args: readonly string[];
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
  wgsl: "function",
  scalar: "function",
  functions: "array",
  stretchTo: "function",
  backward: "function",
} as const satisfies OptionKinds<PointwiseDefinition<Constants>>;

/**
 * Makes an op that computes each element of its f32 result from the elements of its f32 inputs at the same position, with
 * broadcasting. Such ops are fused with each other and with what they follow. Throws ValueError on unknown options.
 */
// @__NO_SIDE_EFFECTS__
export function definePointwise<A extends Constants>(definition: PointwiseDefinition<A>): DefinedOp<A> {
  checkOptions(`definePointwise ${definition?.name}`, definition, DEFINITION);
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
      runChain(
        [single(definition, constants as unknown as A)],
        loopOf(constants.shapes as string),
        tensors as Record<string, Data>,
        args,
      );
    },
    kernels(constants, env) {
      return chainKernels(
        name,
        [single(definition, constants as unknown as A)],
        parseShapes(constants.shapes as string),
        args,
        env,
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
