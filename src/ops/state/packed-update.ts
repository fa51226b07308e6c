/**
 * What updates over packed tensors have in common: the shapes they take, how their work is divided, groups of parameters
 * that go by factors of their own, and updates that happen at every k-th step only.
 */

import type { OptionKinds } from "../../common/options.ts";
import { type KernelEnv, spread } from "../../graph/kernel.ts";
import { expectSpec, expectWhole, shapeError } from "../../graph/op.ts";
import { Shader, type ShaderSource } from "../../graph/shader.ts";
import { type Data, type Spec, sizeOf } from "../../graph/spec.ts";
import { state, type Tensor } from "../../graph/tensor.ts";
import { specialFunctions } from "../../kernels/special-functions.ts";

const functions = () => import("../../../shaders/optimizer/packed-functions.wgsl?raw");

/** The shader of an update: its own code and what updates share. */
// @__NO_SIDE_EFFECTS__
export function updateShader(file: string, code: ShaderSource): Shader {
  return new Shader(file, code, functions, specialFunctions);
}

/** Attributes of every update. */
export const UPDATE = {
  weightDecay: "number",
  maximize: "boolean",
  every: "number",
} as const satisfies OptionKinds<UpdateAttrs>;

/** Of every update: parameters, gradients, rate, step and groups. */
export const UPDATED = {
  p: "tensor",
  g: "tensor",
  lr: "tensor",
  step: "tensor",
  groups: "tensor",
  alarm: "tensor",
} as const;

export interface UpdateAttrs {
  readonly weightDecay: number;
  readonly maximize: boolean;
  /** The update happens at steps k - 1, 2k - 1 …, and nothing between. Default 1. */
  readonly every?: number;
}

/** Constants of every update; `groups` f32 [2, COUNT] holds each value's weight decay and share of the rate. */
export function updateConstants(
  op: string,
  { weightDecay, maximize, every = 1 }: UpdateAttrs,
  COUNT: number,
  groups: Spec | undefined,
) {
  expectWhole(op, "every", every, 1);
  const grouped = groups !== undefined && sizeOf(groups.shape) > 1;
  if (grouped && (COUNT % 4 !== 0 || sizeOf(expectSpec(op, "groups", groups, 2).shape) !== 2 * COUNT)) {
    throw shapeError(op, `groups must be [2, ${COUNT}], of packs`, [groups]);
  }
  return { COUNT, EVERY: every, grouped, weightDecay, maximize };
}

/** The same as the shader's functions, for CPU bodies. */
export function updateTerms(
  {
    COUNT,
    EVERY,
    grouped,
    weightDecay,
  }: { COUNT: number; EVERY: number; grouped: boolean; weightDecay: number },
  step: Data,
  groups: Data,
  alarm: Data,
) {
  const now = step[0] ?? 0;
  return {
    watch: (value: number) => {
      if (!Number.isFinite(value)) alarm[0] = 1;
    },
    gathers: (now + 1) % EVERY !== 0,
    updatesBefore: Math.floor(now / EVERY),
    decayAt: (i: number) => (grouped ? groups[i]! : weightDecay),
    rateAt: (i: number) => (grouped ? groups[COUNT + i]! : 1),
  };
}

/** The alarm of an update whose alarm is never read: see `alarm` of packed-functions.wgsl. */
export const newAlarm = (): Tensor => state([1], 0, "u32", "alarm");

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
