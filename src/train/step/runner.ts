/**
 * Replays a step program many times per submit, keeps at most two submits in flight, and reads the metrics ring back
 * behind its back: nobody waits for a number until it is asked for.
 */

import { DeviceError, GraphError } from "../../common/errors.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { Backend, Program } from "../../runtime/backend.ts";

/** Most steps that a ring remembers; a reading must come before it wraps around. */
export const RING_STEPS = 512;
/** Most numbers in a ring, where a row does not hold very many. */
const RING_SIZE = 2 ** 19;
const IN_FLIGHT = 2;
/**
 * Once under way, a submit holds at least this many steps on a GPU: its overhead is never felt, whatever a step takes.
 * A little over 8, so that a whole run with its small first and last submits stays within one per 8 steps.
 */
const FEWEST = 10;
const MOST = 256;

/** What a trainer must know of its options while it runs; see TrainerOptions. */
export interface RunSettings {
  readonly batchSize: number;
  readonly submitMilliseconds?: number;
  readonly stepsPerSubmit?: number;
  readonly onNotice?: (message: string) => void;
}

/** Steps that a ring of rows with `width` numbers remembers. */
export function ringRows(width: number): number {
  return Math.max(4, Math.min(RING_STEPS, Math.floor(RING_SIZE / width)));
}

/** One step's record: the values in the order they were given to `record`. */
export type Row = Float32Array;

/** Where a program records its steps: step s in row s modulo `rows`. */
export interface Ring {
  readonly rows: number;
  readonly width: number;
  /** All rows, once everything submitted is done. */
  read(): Promise<Float32Array>;
}

/** The ring that is state `tensor`, f32 [rows, width], of `backend`. */
export const ringOf = (backend: Backend, tensor: Tensor): Ring => ({
  rows: tensor.shape[0] as number,
  width: tensor.shape[1] as number,
  read: () => backend.read(tensor) as Promise<Float32Array>,
});

export interface Pace {
  /** How long a submit should take: about a frame in a page, longer headless. */
  readonly milliseconds: number;
  /** Fixes the number of steps per submit instead. */
  readonly stepsPerSubmit?: number;
  /** Steps of the first submit, from which the pace is found; default 10. */
  readonly start?: number;
  /** Makes the step that comes next ready, and says for how many steps from there on it is. */
  readonly ready?: (step: number) => Promise<number>;
  /** Looks at the step that comes next, before it is taken; `stepsPerSubmit` should be 1 then. */
  readonly inspect?: (step: number) => Promise<void>;
}

/** How fast steps are submitted to `backend`. */
export function paceOf(
  backend: Backend,
  { submitMilliseconds, stepsPerSubmit }: Pick<RunSettings, "submitMilliseconds" | "stepsPerSubmit">,
): Pace {
  const milliseconds = submitMilliseconds ?? backend.submitMilliseconds;
  // Nothing is queued on the CPU reference, so a submit of more than a step would only hold up its thread.
  const fixed = stepsPerSubmit ?? (backend.kind === "cpu" ? 1 : undefined);
  return fixed === undefined ? { milliseconds } : { milliseconds, stepsPerSubmit: fixed };
}

export class StepRunner {
  #submitted = 0;
  #collected = 0;
  #steps: number;
  #submits = 0;
  #lastFinish = 0;
  readonly #inFlight: Promise<void>[] = [];

  /** `first`: value of the step counter when the runner takes over. */
  constructor(
    readonly program: Pick<Program, "run" | "finished">,
    readonly ring: Ring,
    readonly first: number,
    readonly pace: Pace,
  ) {
    this.#steps = pace.stepsPerSubmit ?? pace.start ?? FEWEST;
    this.#submitted = first;
    this.#collected = first;
  }

  /** Value of the step counter once everything submitted is done. */
  get position(): number {
    return this.#submitted;
  }

  get submits(): number {
    return this.#submits;
  }

  /** Steps of the next submit, as far as they fit. */
  get stepsPerSubmit(): number {
    return this.#steps;
  }

  /** Submits up to `most` steps, as many as the pace allows. Resolves when there is room for the next submit. */
  async advance(most: number): Promise<void> {
    const room = this.ring.rows - (this.#submitted - this.#collected);
    if (room < 1) throw new DeviceError("training: the metrics ring is full; collect() before going on");
    const ready = (await this.pace.ready?.(this.#submitted)) ?? most;
    const steps = Math.min(most, this.#steps, room, ready);
    if (!(steps >= 1)) throw new GraphError(`training: a submit must hold at least a step, got ${steps}`);
    await this.pace.inspect?.(this.#submitted);
    const begun = performance.now();
    this.program.run(steps);
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

  /** True when so many rows wait to be read that the next submit may not fit. */
  get full(): boolean {
    return this.#submitted - this.#collected > this.ring.rows - Math.min(MOST, 2 * this.#steps);
  }

  /** Rows of all steps submitted since the last call, in order. One call at a time. */
  async collect(): Promise<Row[]> {
    const until = this.#submitted;
    if (until === this.#collected) return [];
    const data = await this.ring.read();
    const { width } = this.ring;
    const rows: Row[] = [];
    for (let step = this.#collected; step < until; step++) {
      const at = (step % this.ring.rows) * width;
      rows.push(Float32Array.from(data.subarray(at, at + width)));
    }
    this.#collected = until;
    return rows;
  }

  /** Waits for everything submitted. */
  async drain(): Promise<void> {
    while (this.#inFlight.length > 0) await this.#inFlight.shift();
  }

  #adapt(steps: number, milliseconds: number): void {
    if (this.pace.stepsPerSubmit !== undefined) return;
    const wanted = (steps * this.pace.milliseconds) / Math.max(milliseconds, 0.05);
    // Halving or doubling at most, so that one odd measurement does no harm.
    const next = Math.min(2 * this.#steps, Math.max(this.#steps / 2, wanted));
    const fewest = Math.min(FEWEST, 2 * this.#steps);
    this.#steps = Math.round(Math.min(MOST, Math.max(fewest, next)));
  }
}
