/**
 * Checkpoints of a running fit in a folder: when one is due, the writing, the last few kept; and the newest sound one
 * found again. A damaged file is passed over for the one before, and somebody is told.
 */
import type { FileStore } from "../backend.ts";
import { FormatError, ValueError } from "../errors.ts";
import type { AnyTrainer, Snapshot } from "./any-trainer.ts";
import type { Weights } from "./early-stopping.ts";
import type { CheckpointOptions } from "./options.ts";
import type { FitRecord, FitState } from "./run-state.ts";

/** Steps fill up with zeros, so that names sort as steps do. */
const nameOf = (step: number) => `step-${String(step).padStart(12, "0")}.safetensors`;
const NAME = /^step-(\d{12})\.safetensors$/;
/** What a process that was killed while it wrote left behind. */
const UNFINISHED = /^\.step-\d{12}\.safetensors\..*\.tmp$/;

export class Checkpointer {
  #last = performance.now();

  private constructor(
    readonly trainer: AnyTrainer,
    readonly files: FileStore,
    readonly options: CheckpointOptions,
  ) {}

  /** Throws ValueError on intervals that can't be, DeviceError where there are no files. */
  static async open(trainer: AnyTrainer, options: CheckpointOptions): Promise<Checkpointer> {
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
    for (const name of await files.list(directory)) {
      if (UNFINISHED.test(name)) await files.remove(`${directory}/${name}`);
    }
    return new Checkpointer(trainer, files, options);
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
 * Loads the newest sound checkpoint of `directory` into `trainer`; what comes back goes to `fit` as `resume`. Undefined
 * where there is no checkpoint. `onDamaged` hears of each one that was passed over, and why. Throws FormatError where
 * there are checkpoints but no sound one, or where they are of another model.
 */
export async function resumeFrom(
  trainer: AnyTrainer,
  directory: string,
  onDamaged: (path: string, reason: string) => void = () => undefined,
): Promise<FitState | undefined> {
  const files = trainer.files();
  const names = await checkpointsIn(files, directory);
  for (const name of names) {
    const path = `${directory}/${name}`;
    try {
      return await trainer.restore(await files.read(path), path);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      onDamaged(path, error.message);
    }
  }
  if (names.length === 0) return undefined;
  throw new FormatError(`${directory}: none of its ${names.length} checkpoints can be used`);
}
