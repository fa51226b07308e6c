/**
 * Replays a step program many times per submit, keeps at most two submits in flight, and reads the logged metrics from a ring
 * buffer on the device. Nothing waits for a metric until it is asked for.
 */

import type { Backend, Program } from "../../runtime/backend.ts";
import { DeviceError, GraphError } from "../../validation/errors.ts";
import type { MetricAccumulator, StepRow } from "../metrics/accumulator.ts";
import type { PhaseRing } from "./program-source.ts";

/** Most rows of a ring; they must be read before the ring wraps around. */
export const RING_STEPS = 512;
/** Most numbers in a ring, unless its rows are very wide. */
const RING_SIZE = 2 ** 19;
const IN_FLIGHT = 2;
/**
 * Fewest steps of a submit on a GPU, after the first ones: the overhead of submitting is then negligible. A little over 8, so
 * that a whole run, with its small first and last submits, has at most one submit per 8 steps.
 */
const FEWEST_STEPS = 10;
const MOST_STEPS = 256;

/** Options of a trainer that matter while it takes steps; see TrainerOptions. */
export interface RunSettings {
  readonly batchSize: number;
  readonly submitMilliseconds?: number;
  readonly stepsPerSubmit?: number;
  readonly onNotice?: (message: string) => void;
}

/** Rows of a ring with `width` numbers each. */
export function ringRows(width: number): number {
  return Math.max(4, Math.min(RING_STEPS, Math.floor(RING_SIZE / width)));
}

export interface RunnerOptions extends Pick<RunSettings, "submitMilliseconds" | "stepsPerSubmit"> {
  /** Value of the step counter; default 0. */
  readonly first?: number;
  /** Steps of the first submit, from which the pace is adapted; default 10. */
  readonly start?: number;
  /** Loads the data of the next step, and answers for how many steps from there on they are loaded. */
  readonly prepare?: (step: number) => Promise<number>;
  /** Called before each submit with its first step; give `stepsPerSubmit: 1` to inspect every step. */
  readonly inspect?: (step: number) => Promise<void>;
}

/** Rows of steps `from` to `until`, which must still be in the rings. */
export async function readRows(
  backend: Backend,
  rings: readonly Pick<PhaseRing, "ring" | "every">[],
  from: number,
  until: number,
): Promise<StepRow[]> {
  const data = await backend.readAll(rings.map(({ ring }) => ring));
  return Array.from({ length: until - from }, (_, i) =>
    rings.map(({ ring, every }, phase) => {
      const step = from + i;
      if ((step + 1) % every !== 0) return undefined;
      const [size, width] = ring.shape as [number, number];
      const start = (Math.floor(step / every) % size) * width;
      return Float32Array.from((data[phase] as Float32Array).subarray(start, start + width));
    }),
  );
}

export class StepRunner {
  readonly #rows: number;
  readonly #first: number;
  /** Steps per submit where they are fixed. */
  readonly #fixed: number | undefined;
  #steps: number;
  #submitted: number;
  #collected: number;
  #submits = 0;
  #lastFinish = 0;
  readonly #inFlight: Promise<void>[] = [];

  /** `rings`: states on `backend` where each phase logs its run r in row r modulo their rows. */
  constructor(
    readonly program: Pick<Program, "run" | "finished">,
    readonly backend: Backend,
    readonly rings: readonly Pick<PhaseRing, "ring" | "every">[],
    readonly options: RunnerOptions,
  ) {
    const { stepsPerSubmit, start = FEWEST_STEPS, first = 0 } = options;
    this.#rows = Math.min(...rings.map(({ ring }) => ring.shape[0] as number));
    this.#first = first;
    this.#submitted = first;
    this.#collected = first;
    // The CPU reference runs a submit at once: more than one step would only block its thread for longer.
    this.#fixed = stepsPerSubmit ?? (backend.kind === "cpu" ? 1 : undefined);
    this.#steps = this.#fixed ?? start;
  }

  /** Value of the step counter once everything submitted is done. */
  get position(): number {
    return this.#submitted;
  }

  get submits(): number {
    return this.#submits;
  }

  /** Steps of the next submit, at most. */
  get stepsPerSubmit(): number {
    return this.#steps;
  }

  /** Submits up to `most` steps, as many as the pace allows. Resolves when the next submit may be made. */
  async advance(most: number): Promise<void> {
    const room = this.#rows - (this.#submitted - this.#collected);
    if (room < 1)
      throw new DeviceError("training: the ring of metrics is full; call collect() before more steps");
    const loaded = (await this.options.prepare?.(this.#submitted)) ?? most;
    const steps = Math.min(most, this.#steps, room, loaded);
    if (!(steps >= 1)) throw new GraphError(`training: a submit must have at least one step, got ${steps}`);
    await this.options.inspect?.(this.#submitted);
    const begun = performance.now();
    this.program.run(steps, this.#submitted);
    this.#submitted += steps;
    this.#submits++;
    const idle = this.#inFlight.length === 0;
    const finished = this.program.finished().then(() => {
      const now = performance.now();
      this.#adapt(steps, now - (idle ? begun : Math.max(begun, this.#lastFinish)));
      this.#lastFinish = now;
    });
    // A failure is thrown where the promise is awaited; until then it must not count as unhandled.
    finished.catch(() => undefined);
    this.#inFlight.push(finished);
    while (this.#inFlight.length >= IN_FLIGHT) await this.#inFlight.shift();
  }

  /** Whether rows should be collected before the next submit, for which there may be no room. */
  get full(): boolean {
    return this.#submitted - this.#collected > this.#rows - Math.min(MOST_STEPS, 2 * this.#steps);
  }

  /** Rows of all steps submitted since the last call, in order. One call at a time. */
  async collect(): Promise<StepRow[]> {
    const until = this.#submitted;
    if (until === this.#collected) return [];
    const rows = await readRows(this.backend, this.rings, this.#collected, until);
    this.#collected = until;
    return rows;
  }

  /** Waits for everything submitted. */
  async drain(): Promise<void> {
    while (this.#inFlight.length > 0) await this.#inFlight.shift();
  }

  /**
   * Takes all steps before step `until` and adds their rows to `metrics`. Rejects with the reason of `signal` when that is
   * aborted, after the steps in flight.
   */
  async runUntil(until: number, metrics: MetricAccumulator, signal?: AbortSignal): Promise<void> {
    const collect = async () => metrics.add(await this.collect(), this.#first + metrics.steps);
    while (this.position < until) {
      signal?.throwIfAborted();
      await this.advance(until - this.position);
      if (this.full) await collect();
    }
    await collect();
  }

  #adapt(steps: number, milliseconds: number): void {
    if (this.#fixed !== undefined) return;
    const { submitMilliseconds = this.backend.submitMilliseconds } = this.options;
    const wanted = (steps * submitMilliseconds) / Math.max(milliseconds, 0.05);
    // At most a factor of two, so that a single odd measurement does no harm.
    const next = Math.min(2 * this.#steps, Math.max(this.#steps / 2, wanted));
    const fewest = Math.min(FEWEST_STEPS, 2 * this.#steps);
    this.#steps = Math.round(Math.min(MOST_STEPS, Math.max(fewest, next)));
  }
}
