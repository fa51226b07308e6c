/** Checks of what users' step functions take and return. */

import { formatSpec, type Spec } from "../../graph/spec.ts";
import { Node, Tensor } from "../../graph/tensor.ts";
import { DataError, ShapeError, ValueError } from "../../validation/errors.ts";
import { checkOptions, nearest, type OptionKinds, shown } from "../../validation/options.ts";
import { COUNTED, SAMPLES, WEIGHT } from "../metrics/accumulator.ts";
import type { PhaseResult, StepBatch, StepInput, StepResult } from "./phase.ts";

const RESULT = {
  loss: "any",
  metrics: "object",
  updates: "array",
} as const satisfies OptionKinds<StepResult>;

/** Names that a trainer's own figures have. */
const OWN = ["loss", "count", "learningRate", "gradientNorm", WEIGHT, SAMPLES, "skipped"];

/** The columns and weights of `input` by name. Reading another name throws DataError with the nearest one. */
export function namedBatch(who: string, { columns, weights }: StepInput): StepBatch {
  const tensors: Readonly<Record<string, Tensor>> = { ...columns, weights };
  const get = (_: object, name: string | symbol): unknown => {
    // Promises look for `then` in what an async function returns.
    if (typeof name === "symbol" || name === "then" || name in tensors) return tensors[name as string];
    const close = nearest(name, Object.keys(tensors));
    const hint = close === undefined ? "" : `; did you mean ${close}?`;
    throw new DataError(
      `${who}: the batch has no column ${shown(name)}${hint} (there are ${Object.keys(tensors).join(", ")})`,
    );
  };
  return new Proxy(tensors, { get }) as StepBatch;
}

/** What a step function returned as figures of a phase. Throws ValueError and ShapeError that name `who`. */
export function checkStepResult(who: string, given: unknown, count: Tensor): PhaseResult {
  if (typeof given !== "object" || given === null || given instanceof Tensor || !("loss" in given)) {
    throw new ValueError(`${who}: must return { loss } with the tensor to minimise, got ${shown(given)}`);
  }
  const {
    loss,
    metrics = {},
    updates = [],
  } = checkOptions(`${who}: its result`, given as StepResult, RESULT);
  expectFigure(who, "loss", loss, "reduce it with mean or sum");
  const means: Record<string, Tensor> = {};
  const ratios: Record<string, readonly [Tensor, Tensor]> = {};
  for (const [name, value] of Object.entries(metrics)) {
    if (OWN.includes(name) || name.endsWith(COUNTED)) {
      throw new ValueError(
        `${who}: a metric can't be called ${name}, as a figure of the trainer is; rename it`,
      );
    }
    const advice = "reduce it with mean or sum, or give [sum, count]";
    if (!Array.isArray(value)) means[name] = expectFigure(who, `metrics.${name}`, value, advice);
    else if (value.length === 2) {
      const [total, counted] = value.map((part, i) =>
        expectFigure(who, `metrics.${name}[${i}]`, part, advice),
      ) as [Tensor, Tensor];
      ratios[name] = [total, counted];
    } else {
      throw new ValueError(
        `${who}: metrics.${name} must be a tensor of one number, or [sum, count], got an array of ${value.length}`,
      );
    }
  }
  const stray = updates.find((update) => !(update instanceof Node));
  if (stray !== undefined) {
    throw new ValueError(`${who}: updates must be updates as ops.assign gives them, got ${shown(stray)}`);
  }
  return { loss, count, sums: {}, means, ratios, updates };
}

function expectFigure(who: string, name: string, value: unknown, advice: string): Tensor {
  if (!(value instanceof Tensor)) {
    throw new ValueError(`${who}: ${name} must be a tensor of one number, got ${shown(value)}`);
  }
  if (value.size !== 1 || value.dtype !== "f32") {
    const cast = value.dtype === "f32" ? advice : "convert it to f32";
    throw new ShapeError(`${who}: ${name} must be one f32 number, got ${formatSpec(value as Spec)}; ${cast}`);
  }
  return value;
}
