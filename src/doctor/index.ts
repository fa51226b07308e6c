/**
 * Checks a device: every op, every kernel variant, forward and backward, and a whole training step, against the 64-bit
 * CPU reference. What the tests do on our machines this does on the user's.
 */
import type { Backend } from "../backend.ts";
import { convolutionChecks } from "./cases/convolution.ts";
import { lossChecks } from "./cases/losses.ts";
import { pointwiseChecks } from "./cases/pointwise.ts";
import { productChecks } from "./cases/products.ts";
import { randomChecks } from "./cases/random.ts";
import { trainingChecks } from "./cases/training.ts";
import { type DoctorResult, runCheck } from "./run-check.ts";
import { runWholeSteps } from "./whole-step.ts";

export type { DoctorResult } from "./run-check.ts";

const checks = [
  ...pointwiseChecks,
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
  /** Called after each check, in order; a promise is waited for. */
  readonly onResult?: (result: DoctorResult) => void | Promise<void>;
  /** Ends the examination between two checks; `runDoctor` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Examines `backend`. A kernel that is wrong makes the report not ok; a lost device throws DeviceLostError. */
export async function runDoctor(backend: Backend, options: DoctorOptions = {}): Promise<Report> {
  const begun = performance.now();
  const results: DoctorResult[] = [];
  const add = async (result: DoctorResult) => {
    results.push(result);
    await options.onResult?.(result);
    options.signal?.throwIfAborted();
  };
  for (const check of checks) {
    await runCheck(backend, check, add);
  }
  await runWholeSteps(backend, add);
  const { adapter, kind, software } = backend;
  const ok = results.every((r) => r.ok);
  return { adapter, backend: kind, software, results, ok, milliseconds: performance.now() - begun };
}
