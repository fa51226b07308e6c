/** What page and worker say to each other: plain data only. */
import type { report } from "../src/index.ts";
import type { Settings } from "./settings.ts";

export interface DeviceInfo {
  readonly adapter: string;
  readonly kind: "webgpu" | "cpu";
  /** True for adapters that compute on the CPU. */
  readonly software: boolean;
}

export interface RecipeInfo {
  readonly name: string;
  readonly title: string;
  readonly dataset: string;
  readonly batch: number;
  readonly optimizer: string;
  readonly rate: number;
  readonly parameters: number;
}

export interface DataInfo {
  readonly title: string;
  readonly train: number;
  readonly validation: number;
  readonly classNames: readonly string[];
  /** Why these are not the data that were asked for. */
  readonly instead?: string;
}

/** A run made ready. */
export interface RunInfo {
  /** Of the network. */
  readonly title: string;
  readonly device: DeviceInfo;
  readonly data: DataInfo;
  readonly stepsPerEpoch: number;
  readonly parameters: number;
}

/** Weights of the first layer, as pictures. */
export interface Filters {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly values: Float32Array;
}

/** What one stage of the network makes of a sample. */
export interface Maps {
  readonly title: string;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly values: Float32Array;
}

export interface Look {
  /** 28x28, 0 to 1. */
  readonly image: Float32Array;
  readonly maps: readonly Maps[];
  readonly probabilities: Float32Array;
}

export interface Sample {
  readonly index: number;
  readonly image: Float32Array;
  readonly label: number;
}

export interface Examination extends report.Answers {
  /** Pictures of the mistakes, one after the other. */
  readonly images: Float32Array;
}

export interface KernelShare {
  readonly label: string;
  readonly milliseconds: number;
}

export type SessionEvent =
  | { readonly event: "download"; readonly received: number; readonly total: number }
  | { readonly event: "compiling"; readonly compiled: number; readonly total: number }
  | {
      readonly event: "steps";
      /** Number of the first of these steps, from 0. */
      readonly first: number;
      readonly losses: Float32Array;
      readonly accuracies: Float32Array;
    }
  | {
      readonly event: "progress";
      /** Steps of the run that are done. */
      readonly step: number;
      readonly imagesPerSecond: number;
      readonly millisecondsPerStep: number;
    }
  | {
      readonly event: "paused";
      /** Steps of the run that are done. */
      readonly step: number;
    }
  | {
      readonly event: "epoch";
      /** Steps of the run that are done. */
      readonly step: number;
      readonly loss: number;
      readonly accuracy: number;
      readonly valLoss: number;
      readonly valAccuracy: number;
      readonly seconds: number;
    }
  | { readonly event: "filters"; readonly filters: Filters }
  | { readonly event: "examined"; readonly examination: Examination }
  | { readonly event: "kernels"; readonly kernels: readonly KernelShare[] | null }
  | { readonly event: "recovered"; readonly step: number; readonly message: string };

/** What the worker does for the page, beside sending `SessionEvent`s. Every method rejects with an Error whose message is for people. */
export interface SessionApi {
  /** Opens a device and says what there is. `dataFolder`: where data sets lie beside the page, if any do. */
  open(
    device: Settings["device"],
    dataFolder: string,
  ): Promise<{ readonly device: DeviceInfo; readonly recipes: readonly RecipeInfo[] }>;
  /** Ends what is going on and makes a new run ready: device, data, fresh weights. */
  prepare(settings: Settings): Promise<RunInfo>;
  /** Trains so many epochs; resolves when they are done or the run was ended. `paused`: takes `steps` steps first. */
  train(epochs: number, steps?: number): Promise<{ readonly aborted: boolean }>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** One step of a paused run. */
  step(): Promise<void>;
  predict(image: Float32Array): Promise<Float32Array>;
  look(image: Float32Array): Promise<Look>;
  sample(index: number): Promise<Sample>;
  filters(): Promise<Filters | undefined>;
  examine(): Promise<void>;
  save(): Promise<Uint8Array>;
  /** Takes weights from a file and measures them on the validation set. */
  load(
    bytes: Uint8Array,
    name: string,
  ): Promise<{ readonly step: number; readonly valLoss: number; readonly valAccuracy: number }>;
}
