/**
 * `weft doctor`: checks on the user's device what the tests check on ours. Every op and kernel variant, forward and backward,
 * special values, and two whole training steps are compared with the 64-bit CPU reference.
 */

import { type Backend, checkDevice } from "../runtime/backend.ts";
import { ValueError } from "../validation/errors.ts";
import { checkOptions } from "../validation/options.ts";
import { attentionChecks } from "./cases/attention.ts";
import { convChecks } from "./cases/conv.ts";
import { elementwiseChecks } from "./cases/elementwise.ts";
import { linalgChecks } from "./cases/linalg.ts";
import { lossChecks } from "./cases/loss.ts";
import { normChecks } from "./cases/norm.ts";
import { randomChecks } from "./cases/random.ts";
import { recurrentChecks } from "./cases/recurrent.ts";
import { reduceChecks } from "./cases/reduce.ts";
import { shapeChecks } from "./cases/shape.ts";
import { trainingChecks } from "./cases/training.ts";
import type { Check } from "./check.ts";
import { type DoctorResult, runCheck } from "./run-check.ts";
import { runSpecialValues, SPECIAL_VALUES } from "./special-values.ts";
import { runWholeSteps, WHOLE_STEPS } from "./whole-step.ts";

export type { DoctorResult } from "./run-check.ts";

/** Every op with small cases; tests take them too. */
export const checks: readonly Check[] = [
  ...elementwiseChecks,
  ...shapeChecks,
  ...reduceChecks,
  ...normChecks,
  ...linalgChecks,
  ...attentionChecks,
  ...recurrentChecks,
  ...convChecks,
  ...lossChecks,
  ...randomChecks,
  ...trainingChecks,
];

export interface Report {
  readonly adapter: string;
  readonly backend: "webgpu" | "cpu";
  readonly software: boolean;
  readonly results: readonly DoctorResult[];
  readonly ok: boolean;
  readonly milliseconds: number;
}

export interface DoctorOptions {
  /**
   * Checks only ops whose name contains this text. `special values`: NaN, infinities and denormal numbers in every op;
   * `LeNet-5`: the whole training steps. Default: everything.
   */
  readonly only?: string;
  /** Called after each check, in order; a promise is awaited. */
  readonly onResult?: (result: DoctorResult) => void | Promise<void>;
  /** Ends the examination between two checks; `runDoctor` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Checks `backend`. A wrong kernel makes the report not ok. Throws ValueError when no op's name contains `only`, and
 * DeviceLostError when the device is lost.
 */
export async function runDoctor(backend: Backend, options: DoctorOptions = {}): Promise<Report> {
  checkDevice("runDoctor", backend);
  checkOptions("runDoctor", options, { only: "string", onResult: "function", signal: "object" });
  const begun = performance.now();
  const results: DoctorResult[] = [];
  const add = async (result: DoctorResult) => {
    results.push(result);
    await options.onResult?.(result);
    options.signal?.throwIfAborted();
  };
  const { only = "" } = options;
  const chosen = checks.filter(({ op }) => op.includes(only));
  const whole = WHOLE_STEPS.includes(only);
  const special = SPECIAL_VALUES.includes(only);
  if (chosen.length === 0 && !whole && !special) {
    const names = [...checks.map(({ op }) => op), SPECIAL_VALUES, WHOLE_STEPS].join(", ");
    throw new ValueError(`doctor: there is no op ${only}; there are ${names}`);
  }
  for (const check of chosen) await runCheck(backend, check, add);
  if (special) await runSpecialValues(backend, add);
  if (whole) await runWholeSteps(backend, add);
  const { adapter, kind, software } = backend;
  const ok = results.every((r) => r.ok);
  return { adapter, backend: kind, software, results, ok, milliseconds: performance.now() - begun };
}
