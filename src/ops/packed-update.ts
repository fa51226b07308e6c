/** What updates over packed tensors have in common: the shapes they take and how their work is divided. */
import { expectSpec, type KernelEnv, shapeError, spread } from "../op.ts";
import { type Spec, sizeOf } from "../tensor.ts";

/** Refuses tensors that are not f32 of one and the same shape; returns how many values they hold. */
export function expectAlike(op: string, specs: Readonly<Record<string, Spec | undefined>>): number {
  const [first] = Object.values(specs);
  for (const [name, spec] of Object.entries(specs)) {
    expectSpec(op, name, spec, first?.shape.length ?? 0);
    if (spec?.shape.some((d, axis) => d !== first?.shape[axis])) {
      throw shapeError(op, `${Object.keys(specs).join(", ")} must have one shape`, [first as Spec, spec]);
    }
  }
  return sizeOf(first?.shape ?? []);
}

/** Refuses anything but a single number in a tensor of rank 1. */
export function expectOne(op: string, name: string, spec: Spec | undefined, dtype: "f32" | "u32"): void {
  if (sizeOf(expectSpec(op, name, spec, 1, dtype).shape) !== 1) {
    throw shapeError(op, `${name} must hold one number`, spec ? [spec] : []);
  }
}

/** Forms of an update: many turns per invocation, or as many invocations as there are vec4s. */
export const UPDATE_VARIANTS = ["long", "short"] as const;

/** Turns per invocation and workgroups of an update over `count` values, four of them per invocation and turn. */
export function updateGrid(count: number, { software, variant = software ? "long" : "short" }: KernelEnv) {
  // On a software adapter what every invocation computes first is worth sharing; a chip wants all the lanes it gets.
  const PER = variant === "long" ? 16 : count > 2 ** 22 ? 4 : 1;
  return { PER, groups: spread(Math.ceil(count / (4 * 64 * PER))) };
}
