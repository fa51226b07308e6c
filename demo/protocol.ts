/** The calls and events between page and worker; plain data only. */
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
  /** Why synthetic data replace those that were selected. */
  readonly instead?: string;
}

/** A prepared run. */
export interface RunInfo {
  /** Title of the network. */
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

/** The feature maps of a sample at one stage of the network. */
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
  /** Images of the mistakes, one after the other. */
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

/** The methods of the worker, which also sends `SessionEvent`s. They reject with an Error whose message is for visitors. */
export interface SessionApi {
  /** Opens a device and describes it. `dataFolder`: address of the data sets beside the page. */
  open(
    device: Settings["device"],
    dataFolder: string,
  ): Promise<{ readonly device: DeviceInfo; readonly recipes: readonly RecipeInfo[] }>;
  /** Ends the current run and prepares a new one: device, data, initial weights. */
  prepare(settings: Settings): Promise<RunInfo>;
  /** Trains; resolves when the epochs are done or the run was ended. With `steps`, pauses after that many steps. */
  train(epochs: number, steps?: number): Promise<{ readonly aborted: boolean }>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Takes one step of a paused run. */
  step(): Promise<void>;
  predict(image: Float32Array): Promise<Float32Array>;
  look(image: Float32Array): Promise<Look>;
  sample(index: number): Promise<Sample>;
  filters(): Promise<Filters | undefined>;
  examine(): Promise<void>;
  save(): Promise<Uint8Array>;
  /** Loads weights from a file and evaluates them on the validation set. */
  load(
    bytes: Uint8Array,
    name: string,
  ): Promise<{ readonly step: number; readonly valLoss: number; readonly valAccuracy: number }>;
}
