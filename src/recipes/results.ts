/** What comes out of a recipe beside the saved weights: pictures of what was learned, and guided tours. */

import type { TrainTest } from "../data/published/dataset-source.ts";
import type { Backend } from "../runtime/backend.ts";
import type { EpochRecord } from "../train/loop/events.ts";
import type { Trainer } from "../train/loop/trainer.ts";

/** A run that has ended. */
export interface FinishedRun {
  readonly title: string;
  readonly trainer: Trainer;
  readonly data: TrainTest;
  readonly epochs: readonly EpochRecord[];
}

/** Draws a run as the text of an SVG file. */
export type PictureMaker = (run: FinishedRun) => Promise<string>;

export interface DemonstrationOptions {
  /** Told line by line. */
  readonly say: (line: string) => void;
  /** Most training steps; default as the demonstration sees fit for the device. */
  readonly steps?: number;
  readonly signal?: AbortSignal;
}

/** What a guided tour ends with. */
export interface DemonstrationResult {
  readonly steps: number;
  readonly loss: number;
  /** True when it got where it wanted to. */
  readonly reached: boolean;
}

/** A guided tour of a training run that explains itself as it goes. */
export type Demonstration = (backend: Backend, options: DemonstrationOptions) => Promise<DemonstrationResult>;
