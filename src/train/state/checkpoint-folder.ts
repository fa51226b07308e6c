/**
 * Checkpoints of a running fit in a folder: when one is due, the writing, the last few kept; and the newest sound one
 * found again. A damaged file is passed over for the one before, and somebody is told.
 */

import { FormatError, MismatchError, ValueError } from "../../common/errors.ts";
import { warn } from "../../common/printable.ts";
import type { FileStore, FolderLock } from "../../runtime/backend.ts";
import type { Weights } from "../loop/early-stopping.ts";
import { type CheckpointOptions, checkTrainer } from "../loop/options.ts";
import type { Snapshot, TrainerCore } from "../loop/trainer-core.ts";
import { RUN_WITHIN, runOf } from "./checkpoint.ts";
import type { FitRecord, FitState } from "./fit-record.ts";
import { checkSeal } from "./seal.ts";

/** Steps fill up with zeros, so that names sort as steps do. */
const nameOf = (step: number) => `step-${String(step).padStart(12, "0")}.safetensors`;
const NAME = /^step-(\d{12})\.safetensors$/;
/** What a process that was killed while it wrote left behind. */
const UNFINISHED = /^\.step-\d{12}\.safetensors\..*\.tmp$/;

export class Checkpointer {
  #last = performance.now();

  private constructor(
    readonly trainer: TrainerCore,
    readonly files: FileStore,
    readonly options: CheckpointOptions,
    readonly lock: FolderLock | undefined,
  ) {}

  /**
   * Locks the folder until `close`, where the host can. Throws ValueError on intervals that can't be and on a folder with
   * checkpoints that this run can't have written, LockedError while another run uses the folder, DeviceError where there
   * are no files.
   */
  static async open(trainer: TrainerCore, options: CheckpointOptions): Promise<Checkpointer> {
    const { directory, everySeconds = 1, everySteps = 1, everyEpochs = 1, keep = 1 } = options;
    for (const [name, value] of Object.entries({ everySteps, everyEpochs, keep })) {
      if (!Number.isInteger(value) || value < 1) {
        throw new ValueError(`checkpoints: ${name} must be a whole number of at least 1, got ${value}`);
      }
    }
    if (!(everySeconds > 0)) {
      throw new ValueError(`checkpoints: everySeconds must be above 0, got ${everySeconds}`);
    }
    const files = trainer.files();
    const { onNotice = warn } = options;
    const lock = await files.lock?.(directory, onNotice);
    try {
      for (const name of await files.list(directory)) {
        if (UNFINISHED.test(name)) await files.remove(`${directory}/${name}`);
      }
      await expectOwn(trainer, files, directory);
    } catch (error) {
      await lock?.release();
      throw error;
    }
    return new Checkpointer(trainer, files, options, lock);
  }

  async close(): Promise<void> {
    await this.lock?.release();
  }

  get dueByTime(): boolean {
    const { everySeconds } = this.options;
    return everySeconds !== undefined && performance.now() - this.#last >= everySeconds * 1000;
  }

  dueByStep(step: number): boolean {
    const { everySteps } = this.options;
    return everySteps !== undefined && step % everySteps === 0;
  }

  dueByEpoch(epoch: number): boolean {
    const { everySeconds, everySteps } = this.options;
    const { everyEpochs = everySeconds === undefined && everySteps === undefined ? 1 : undefined } =
      this.options;
    return everyEpochs !== undefined && epoch % everyEpochs === 0;
  }

  /** Writes a checkpoint and removes those that are too many. */
  async keep(snapshot: Snapshot, record: FitRecord, best: Weights | undefined): Promise<void> {
    const { directory, keep = 3, metadata = {} } = this.options;
    const bytes = await this.trainer.checkpoint(snapshot, record, best, metadata);
    await this.lock?.verify();
    await this.files.write(`${directory}/${nameOf(snapshot.position)}`, bytes);
    const old = (await checkpointsIn(this.files, directory)).slice(keep);
    for (const name of old) await this.files.remove(`${directory}/${name}`);
    this.#last = performance.now();
  }
}

/** Names of the checkpoints in a folder, newest first. */
async function checkpointsIn(files: FileStore, directory: string): Promise<string[]> {
  return (await files.list(directory))
    .filter((name) => NAME.test(name))
    .sort()
    .reverse();
}

/**
 * Throws ValueError where `directory` has checkpoints of another run than `trainer`'s, or later ones of the same: beside
 * those its own would be taken for old, and removed.
 */
async function expectOwn(trainer: TrainerCore, files: FileStore, directory: string): Promise<void> {
  for (const name of await checkpointsIn(files, directory)) {
    const path = `${directory}/${name}`;
    const run = runOf(await files.read(path, RUN_WITHIN));
    if (run !== undefined && run !== trainer.runId) {
      throw new ValueError(
        `checkpoints: ${path} is of another run (${run}; this one is ${trainer.runId}): go on with that one, giving what ` +
          "`resumeFrom(trainer, directory)` answers as `resume`, or take another folder",
      );
    }
    if (Number(NAME.exec(name)?.[1]) > trainer.steps && isSound(await files.read(path), path)) {
      throw new ValueError(
        `checkpoints: ${path} is later than step ${trainer.steps}, where this run stands: go on from it with ` +
          "`resumeFrom(trainer, directory)`, delete it, or take another folder",
      );
    }
  }
}

function isSound(bytes: Uint8Array, path: string): boolean {
  try {
    checkSeal(bytes, path);
    return true;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

/**
 * Loads the newest sound checkpoint of `directory` into `trainer`; what comes back goes to `fit` as `resume`. Undefined
 * where there is no checkpoint. `onDamaged` hears of each one that was passed over, and why. `run`: the run that the
 * checkpoints must be of, where the caller knows it; they must be of one run in any case. Throws FormatError where there
 * are checkpoints but no sound one, or where they are of another run, MismatchError naming what differs where they are of
 * another model, optimizer or batch size. `directory` may also be one checkpoint, a file that ends with `.safetensors`.
 */
export async function resumeFrom(
  trainer: TrainerCore,
  directory: string,
  onDamaged: (path: string, reason: string) => void = () => undefined,
  run?: string,
): Promise<FitState | undefined> {
  checkTrainer("resumeFrom", trainer);
  const files = trainer.files();
  if (directory.endsWith(".safetensors")) return trainer.restore(await files.read(directory), directory);
  const names = await checkpointsIn(files, directory);
  let expected = run === undefined ? undefined : { run, of: "this folder" };
  for (const name of names) {
    const path = `${directory}/${name}`;
    const found = runOf(await files.read(path, RUN_WITHIN));
    if (found === undefined) {
      // What is damaged is passed over below.
      if (run === undefined || !isSound(await files.read(path), path)) continue;
    } else expected ??= { run: found, of: name };
    if (found === expected?.run) continue;
    throw new FormatError(
      `${path}: is of ${found === undefined ? "an unknown run" : `run ${found}`}, ${expected?.of} is of run ` +
        `${expected?.run}; move the checkpoints that don't belong here to another folder`,
    );
  }
  for (const name of names) {
    const path = `${directory}/${name}`;
    try {
      return await trainer.restore(await files.read(path), path);
    } catch (error) {
      // A sound one that doesn't fit: those before it don't either.
      if (!(error instanceof FormatError) || error instanceof MismatchError) throw error;
      onDamaged(path, error.message);
    }
  }
  if (names.length === 0) {
    trainer.runId = run ?? trainer.runId;
    return undefined;
  }
  throw new FormatError(`${directory}: none of its ${names.length} checkpoints can be used`);
}
