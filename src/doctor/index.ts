/**
 * Checks a device: every op, every kernel variant, forward and backward, and a whole training step, against the 64-bit
 * CPU reference. What the tests do on our machines this does on the user's.
 */

import { ValueError } from "../common/errors.ts";
import { checkOptions } from "../common/options.ts";
import { type Backend, checkDevice } from "../runtime/backend.ts";
import { convolutionChecks } from "./cases/convolution.ts";
import { layoutChecks } from "./cases/layout.ts";
import { lossChecks } from "./cases/losses.ts";
import { mathChecks } from "./cases/math.ts";
import { normalizationChecks } from "./cases/normalization.ts";
import { pointwiseChecks } from "./cases/pointwise.ts";
import { productChecks } from "./cases/products.ts";
import { randomChecks } from "./cases/random.ts";
import { reductionChecks } from "./cases/reductions.ts";
import { trainingChecks } from "./cases/training.ts";
import { type DoctorResult, runCheck } from "./run-check.ts";
import { runSpecialValues, SPECIAL_VALUES } from "./special-values.ts";
import { runWholeSteps, WHOLE_STEPS } from "./whole-step.ts";

export type { DoctorResult } from "./run-check.ts";

const checks = [
  ...pointwiseChecks,
  ...mathChecks,
  ...layoutChecks,
  ...reductionChecks,
  ...normalizationChecks,
  ...productChecks,
  ...convolutionChecks,
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
   * Examines only ops whose name contains this text; `special values` are NaN, infinities and denormal numbers in every op,
   * `LeNet-5` is the whole training step. Default: everything.
   */
  readonly only?: string;
  /** Called after each check, in order; a promise is waited for. */
  readonly onResult?: (result: DoctorResult) => void | Promise<void>;
  /** Ends the examination between two checks; `runDoctor` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Examines `backend`. A kernel that is wrong makes the report not ok. Throws ValueError when `only` is in no op's name,
 * and DeviceLostError when the device is lost.
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
