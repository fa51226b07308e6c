/**
 * What a device can do, whichever it is: hold states, compile graphs, run them. The trainer knows only this.
 */
import { ClosedError, ValueError } from "../common/errors.ts";
import { isPromise, type OptionKinds, shown } from "../common/options.ts";
import type { GraphSpec } from "../graph/graph.ts";
import type { Data } from "../graph/spec.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Values } from "../graph/values.ts";
import type { StartValues } from "../plan/initial.ts";

export interface CompileOptions {
  /** Forces kernel variants by op name, e.g. `{ conv2d: "im2col" }`. Without effect on the CPU reference. */
  readonly variants?: Readonly<Record<string, string>>;
  /** Seed of states whose initial value is drawn; default 0. */
  readonly seed?: number;
  /** Set to false to run op by op as written. Default true. */
  readonly fuse?: boolean;
  /**
   * Times the kernel variants of every op at this graph's shapes, takes those that are faster on this adapter, and stores
   * which these are; what is stored already is taken and not timed again. States are put back as they were; nobody else may
   * write them meanwhile. Without effect on the CPU reference. Default false.
   */
  readonly tune?: boolean | TuneOptions;
  /** Hears how compiling goes. Not on the CPU reference, where there is nothing to compile. */
  readonly onProgress?: ((progress: CompileProgress) => void) | undefined;
}

export const COMPILE = {
  variants: "object",
  seed: "number",
  fuse: "boolean",
  tune: "any",
  onProgress: "function",
} as const satisfies OptionKinds<CompileOptions>;

/** Pipelines that have been compiled, of those that have to be. */
export interface CompileProgress {
  readonly compiled: number;
  readonly total: number;
}

/** Milliseconds that `times` runs of `program` take, one after another. */
export type Stopwatch = (program: Program, times: number) => Promise<number>;

export interface TuneOptions {
  /** Where choices are kept; default the host's place, null for none. */
  readonly store?: TuneStore | null;
  /** Forgets all that is stored for this adapter. Default false. */
  readonly renew?: boolean;
  readonly onEvent?: (event: TuneEvent) => void;
  readonly signal?: AbortSignal | undefined;
  /**
   * Called before anything is timed, when inputs and states have their places: what is written to them here is what the
   * kernels are timed and checked with. Inputs that hold nothing yet are measured with random numbers.
   */
  readonly prepare?: () => void | Promise<void>;
  /** Default: the adapter's clock, or where it has none the time until the work is done. */
  readonly stopwatch?: Stopwatch;
}

export const TUNE = {
  store: "any",
  renew: "boolean",
  onEvent: "function",
  signal: "object",
  prepare: "function",
  stopwatch: "function",
} as const satisfies OptionKinds<TuneOptions>;

/** Where a host keeps what was measured: one text per adapter. */
export interface TuneStore {
  /** For people. */
  readonly place: string;
  /** What `save` was given last, by any process; undefined if nothing. */
  load(adapter: string): Promise<string | undefined>;
  save(adapter: string, text: string): Promise<void>;
}

/** What was chosen for an op at one set of shapes. */
export interface TuneChoice {
  /** Label of the first node of this kind, and how many more there are. */
  readonly node: string;
  readonly nodes: number;
  readonly op: string;
  /** Types and shapes: `f32[64, 6, 14, 14]`. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** The variant that the op takes by itself. */
  readonly usual: string;
  /** The variant in use now. */
  readonly chosen: string;
  /** Time of `chosen` over the time of `usual`. */
  readonly ratio: number;
  /** Of `usual`, one run of the node by itself. Only when measured. */
  readonly milliseconds?: number | undefined;
  readonly source: "measured" | "stored";
  /** Every other variant: its time over that of `usual`, or why it can't be chosen. Only when measured. */
  readonly variants: Readonly<Record<string, number | string>>;
}

export type TuneEvent =
  | { readonly event: "tuning"; readonly node: string; readonly done: number; readonly of: number }
  | ({ readonly event: "choice" } & TuneChoice)
  | { readonly event: "notice"; readonly message: string }
  | {
      readonly event: "tuned";
      readonly adapter: string;
      /** Choices that were timed now, and those that were stored. */
      readonly measured: number;
      readonly stored: number;
      /** Milliseconds of one run with the ops' own choices and with these; undefined if nothing was changed now. */
      readonly run?: { readonly usual: number; readonly chosen: number; readonly kept: boolean } | undefined;
      readonly seconds: number;
      /** Where the choices are kept. */
      readonly place: string | undefined;
    };

/** A compiled graph: a fixed list of work, replayed by `run`. */
export interface Program {
  /** Carries the graph out `times` times, one after another. Returns at once on a GPU; nothing is waited for. */
  run(times?: number): void;
  /** Resolves when all that was started has been done. */
  finished(): Promise<void>;
  /** The value of one of the graph's outputs after the latest run. Float data comes as Float32Array (or 64-bit). */
  read(tensor: Tensor): Promise<Data>;
  describe(): ProgramDescription;
  /** Runs once with the adapter's clock around every dispatch. Only where the backend says `timestamps`. */
  profile?(): Promise<readonly KernelTime[]>;
  /**
   * Resolves when all kernels are there. So that a first run need not wait, others with the same results may stand in for
   * some of them until then: no time to measure anything.
   */
  ready?(): Promise<void>;
  /** Runs `times` times and answers the milliseconds that took: by the adapter's clock if it has one. */
  time?(times: number): Promise<number>;
  /**
   * Frees what belongs to this program alone, and constants that no other program uses; it can't be used afterwards: it then
   * throws ClosedError. Inputs and states stay on the device until `device.free`, or until nothing refers to them.
   */
  destroy(): void;
  /** `destroy`, for `using`. */
  [Symbol.dispose](): void;
}

/** Time of one dispatch. */
export interface KernelTime {
  readonly label: string;
  readonly milliseconds: number;
}

export interface ProgramDescription {
  readonly dispatches: number;
  readonly pipelines: number;
  /** Bytes of states, inputs, constants and outputs that this program uses. */
  readonly stateBytes: number;
  /** Bytes of shared slots for everything in between. */
  readonly slotBytes: number;
  /** Label of each dispatch in order. */
  readonly steps: readonly string[];
}

/** Where a host keeps files. Writes are whole or not at all. */
export interface FileStore {
  /** The whole file, or at least its first `most` bytes, if it has as many. */
  read(path: string, most?: number): Promise<Uint8Array>;
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** Names of the files in a folder; none where there is no such folder. */
  list(directory: string): Promise<string[]>;
  /** Removes a file, if it is there. */
  remove(path: string): Promise<void>;
  /**
   * Makes the folder if need be and keeps every other process out of it until `release`. Rejects with a LockedError naming
   * the holder. `onNotice` hears of a lock that a dead process left and that was taken over.
   */
  lock?(directory: string, onNotice?: (line: string) => void): Promise<FolderLock>;
}

export interface FolderLock {
  /** Rejects with a LockedError when another process has removed or replaced the lock. */
  verify(): Promise<void>;
  release(): Promise<void>;
}

export interface Backend {
  readonly kind: "webgpu" | "cpu";
  /** `SwiftShader Device (LLVM 10.0.0)`, `CPU reference (float32)` … */
  readonly adapter: string;
  /** True for adapters that run on the CPU. */
  readonly software: boolean;
  /** Whether programs can be profiled. */
  readonly timestamps: boolean;
  compile(spec: GraphSpec, options?: CompileOptions): Promise<Program>;
  /** How long one submit may keep the device busy: about a frame in a page, longer headless. */
  readonly submitMilliseconds: number;
  /** The host's files, if it has any. */
  readonly files?: FileStore | undefined;
  /** Whether the device is gone; nothing works on it any more. */
  readonly isLost: boolean;
  /** Whether `close` was called. */
  readonly closed: boolean;
  /** Opens another device in place of this one, after it was lost: the same one for all who ask. Closed with this one. */
  readonly reopen?: (() => Promise<Backend>) | undefined;
  /** True when some compiled graph has put `leaf` here. */
  holds(leaf: Tensor): boolean;
  /** Values that states begin with when a compiled graph puts them here, in place of their own initial ones. */
  readonly starts: StartValues;
  /** Bytes of the largest tensor that fits. */
  readonly maxTensorBytes: number;
  /**
   * Writes an input or state after all runs started so far. `data` must be of the tensor's size, or with `at` fit in from
   * that element on. Other kinds of numbers than the tensor's are converted: for i32 and u32 they must be whole and in
   * range, for f32 in range. Throws ShapeError on another length, ValueError on what does not convert.
   */
  write(leaf: Tensor, data: Values, at?: number): void;
  /** Reads an input or state after all runs started so far. */
  read(leaf: Tensor): Promise<Data>;
  /** As `read` for many leaves at once, which costs one wait. */
  readAll(leaves: readonly Tensor[]): Promise<Data[]>;
  /** Resolves when all writes and runs started so far are done, and what they needed on their way is free again. */
  finished?(): Promise<void>;
  /**
   * Gives the memory of an input, state or constant back and forgets its value; a graph that is compiled later begins with
   * its first one. Programs that use it throw GraphError when they are run. What nothing refers to any more is freed by
   * itself, when the host collects garbage.
   */
  free(leaf: Tensor): void;
  /** As `free`, those of `leaves` that no program uses. */
  freeUnused(leaves: Iterable<Tensor>): void;
  /**
   * Frees everything; in Node the process can then end. Whatever is done afterwards with this backend, its programs and
   * trainers, or is under way, ends with a ClosedError. Closing again does nothing.
   */
  close(): Promise<void>;
  /** `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Refuses what is no device, such as a promise of one. */
export function checkDevice(who: string, device: unknown): asserts device is Backend {
  if (typeof device === "object" && device !== null && "compile" in device && !isPromise(device)) {
    if ((device as Backend).closed) throw new ClosedError();
    return;
  }
  const hint = isPromise(device) ? "write await openDevice()" : "open one with await openDevice()";
  throw new ValueError(`${who}: the first argument must be a device, got ${shown(device)}; ${hint}`);
}
