/**
 * A folder with the checkpoints of a running fit: when one is due, writing it, removing old ones, and finding the newest that
 * is not damaged.
 */

import type { FileStore, FolderLock } from "../../runtime/backend.ts";
import { FormatError, MismatchError, ValueError } from "../../validation/errors.ts";
import { warn } from "../../validation/printable.ts";
import type { Weights } from "../loop/early-stopping.ts";
import { type CheckpointOptions, checkTrainer, checkWhole } from "../loop/options.ts";
import type { TrainerCore } from "../loop/trainer-core.ts";
import { RUN_ID_WITHIN, runIdOf, saveCheckpoint, verifyChecksum } from "./checkpoint.ts";
import type { Snapshot } from "./device-states.ts";
import type { FitRecord, FitState } from "./fit-record.ts";

/** Steps are padded with zeros, so that names sort as steps do. */
const nameOf = (step: number) => `step-${String(step).padStart(12, "0")}.safetensors`;
const NAME = /^step-(\d{12})\.safetensors$/;
/** Left behind by a process that was killed while it wrote. */
const UNFINISHED = /^\.step-\d{12}\.safetensors\..*\.tmp$/;

export class CheckpointFolder {
  #lastWrite = performance.now();

  private constructor(
    readonly trainer: TrainerCore,
    readonly files: FileStore,
    readonly options: CheckpointOptions,
    readonly lock: FolderLock | undefined,
  ) {}

  /**
   * Locks the folder until `close`, where the host can. Throws ValueError on intervals out of range and on a folder with
   * checkpoints that this run can't have written, LockedError while another run uses the folder, DeviceError where there
   * are no files.
   */
  static async open(trainer: TrainerCore, options: CheckpointOptions): Promise<CheckpointFolder> {
    const { directory, everySeconds = 1, onNotice = warn } = options;
    checkWhole("checkpoints", options, { everySteps: 1, everyEpochs: 1, keep: 1 });
    if (!(everySeconds > 0)) {
      throw new ValueError(`checkpoints: everySeconds must be above 0, got ${everySeconds}`);
    }
    const files = trainer.files();
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
    return new CheckpointFolder(trainer, files, options, lock);
  }

  async close(): Promise<void> {
    await this.lock?.release();
  }

  get dueByTime(): boolean {
    const { everySeconds } = this.options;
    return everySeconds !== undefined && performance.now() - this.#lastWrite >= everySeconds * 1000;
  }

  dueByStep(step: number): boolean {
    const { everySteps } = this.options;
    return everySteps !== undefined && step % everySteps === 0;
  }

  dueByEpoch(epoch: number): boolean {
    const { everySeconds, everySteps, everyEpochs } = this.options;
    const otherwise = everySeconds === undefined && everySteps === undefined ? 1 : undefined;
    const every = everyEpochs ?? otherwise;
    return every !== undefined && epoch % every === 0;
  }

  /** Writes a checkpoint and removes the oldest ones. */
  async write(snapshot: Snapshot, record: FitRecord, best: Weights | undefined): Promise<void> {
    const { directory, keep = 3, metadata = {} } = this.options;
    const { runId, states } = this.trainer;
    const bytes = saveCheckpoint(runId, snapshot.values, states, record, best, metadata);
    await this.lock?.verify();
    await this.files.write(`${directory}/${nameOf(snapshot.position)}`, bytes);
    const old = (await checkpointsIn(this.files, directory)).slice(keep);
    for (const name of old) await this.files.remove(`${directory}/${name}`);
    this.#lastWrite = performance.now();
  }
}

/** Names of the checkpoints in a folder, newest first. */
async function checkpointsIn(files: FileStore, directory: string): Promise<string[]> {
  const names = await files.list(directory);
  return names
    .filter((name) => NAME.test(name))
    .sort()
    .reverse();
}

/**
 * Throws ValueError where `directory` has checkpoints of another run than `trainer`'s, or later ones of the same run: its own
 * checkpoints would then count as old, and be removed.
 */
async function expectOwn(trainer: TrainerCore, files: FileStore, directory: string): Promise<void> {
  for (const name of await checkpointsIn(files, directory)) {
    const path = `${directory}/${name}`;
    const run = runIdOf(await files.read(path, RUN_ID_WITHIN));
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
    verifyChecksum(bytes, path);
    return true;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

/**
 * Loads the newest checkpoint of `directory` that is not damaged into `trainer`; give the result to `fit` as `resume`.
 * Undefined where there is no checkpoint. `directory` may also be one checkpoint, a file that ends with `.safetensors`.
 * `onDamaged` hears of each damaged one, and why. `run`: the run that the checkpoints must be of, where the caller knows it; all
 * must be of one run in any case. Throws FormatError where all checkpoints are damaged, or where they are of another run;
 * MismatchError that names the difference where they are of another model, optimizer or batch size.
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
    const found = runIdOf(await files.read(path, RUN_ID_WITHIN));
    if (found === undefined) {
      // Damaged ones are skipped below.
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
      // If this one does not fit the trainer, neither do those before it.
      if (!(error instanceof FormatError) || error instanceof MismatchError) throw error;
      onDamaged(path, error.message);
    }
  }
  if (names.length === 0) {
    trainer.runId = run ?? trainer.runId;
    return undefined;
  }
  throw new FormatError(
    `${directory}: none of its ${names.length} checkpoints can be used, all are damaged; start again in another folder`,
  );
}
