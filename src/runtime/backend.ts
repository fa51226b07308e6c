/**
 * The interface of a device, WebGPU or CPU reference: it holds the values of leaves, compiles graphs to programs and runs
 * them. The Trainer uses nothing else of a device. Also the options of compiling and tuning, and what they report.
 */

import type { GraphSpec } from "../graph/graph.ts";
import type { Data, DType } from "../graph/spec.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Values, ValuesOf } from "../graph/values.ts";
import { ClosedError, ValueError } from "../validation/errors.ts";
import { isPromise, type OptionKinds, shown } from "../validation/options.ts";
import type { StartValues } from "./initial-values.ts";

export interface CompileOptions {
  /** Forces kernel variants by op name, such as `{ conv2d: "im2col" }`. Ignored by the CPU reference. */
  readonly variants?: Readonly<Record<string, string>>;
  /** Seed of states with random initial values. Default 0. */
  readonly seed?: number;
  /** Whether ops are fused; false runs them one by one as written. Default true. */
  readonly fuse?: boolean;
  /**
   * Times the kernel variants of every op at the shapes of this graph, uses the fastest on this adapter, and stores the
   * choices; stored choices are used and not timed again. States keep their values; nothing else may write them meanwhile.
   * Ignored by the CPU reference. Default false.
   */
  readonly tune?: boolean | TuneOptions;
  /** Called for each pipeline that is compiled. The CPU reference compiles none. */
  readonly onProgress?: ((progress: CompileProgress) => void) | undefined;
}

export const COMPILE = {
  variants: "object",
  seed: "number",
  fuse: "boolean",
  tune: "any",
  onProgress: "function",
} as const satisfies OptionKinds<CompileOptions>;

/** How many pipelines are compiled, and how many there are in all. */
export interface CompileProgress {
  readonly compiled: number;
  readonly total: number;
}

/** Measures the milliseconds that `times` consecutive runs of `program` take. */
export type Stopwatch = (program: Program, times: number) => Promise<number>;

export interface TuneOptions {
  /** Where choices are stored. Default: the host's store; null: nowhere. */
  readonly store?: TuneStore | null;
  /** Whether all stored choices for this adapter are discarded first. Default false. */
  readonly renew?: boolean;
  readonly onEvent?: (event: TuneEvent) => void;
  readonly signal?: AbortSignal | undefined;
  /**
   * Called before anything is timed, when inputs and states are on the device: the values that it writes are those that
   * kernels are timed and checked with. An input that it does not write is all zeros and gets random numbers instead.
   */
  readonly prepare?: () => void | Promise<void>;
  /** Default: the adapter's clock; where it has none, the time until the work is done. */
  readonly stopwatch?: Stopwatch;
}

export const TUNE = {
  store: "anyOrNull",
  renew: "boolean",
  onEvent: "function",
  signal: "object",
  prepare: "function",
  stopwatch: "function",
} as const satisfies OptionKinds<TuneOptions>;

/** Where a host stores tuned choices: one text per adapter. */
export interface TuneStore {
  /** Shown to users, such as the path of a folder. */
  readonly place: string;
  /** The text that `save` was last given for this adapter, by any process; undefined for none. */
  load(adapter: string): Promise<string | undefined>;
  save(adapter: string, text: string): Promise<void>;
}

/** The kernel variant chosen for an op at one set of shapes. */
export interface TuneChoice {
  /** Label of the first node that it applies to. */
  readonly node: string;
  /** How many nodes it applies to. */
  readonly nodes: number;
  readonly op: string;
  /** Types and shapes: `f32[64, 6, 14, 14]`. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** The default: what the op chooses when nothing is tuned. */
  readonly usual: string;
  /** The variant in use now. */
  readonly chosen: string;
  /** Time of `chosen` divided by the time of `usual`. */
  readonly ratio: number;
  /** Milliseconds of one run of the node with `usual`. Only when measured. */
  readonly milliseconds?: number | undefined;
  readonly source: "measured" | "stored";
  /** For every other variant its time divided by that of `usual`, or why it can't be chosen. Only when measured. */
  readonly variants: Readonly<Record<string, number | string>>;
}

export type TuneEvent =
  | { readonly event: "tuning"; readonly node: string; readonly done: number; readonly of: number }
  | ({ readonly event: "choice" } & TuneChoice)
  | { readonly event: "notice"; readonly message: string }
  | {
      readonly event: "tuned";
      readonly adapter: string;
      /** How many choices were measured now, and how many came from the store. */
      readonly measured: number;
      readonly stored: number;
      /** Milliseconds of one run of the whole program with the defaults and with the choices; undefined if none is new. */
      readonly run?: { readonly usual: number; readonly chosen: number; readonly kept: boolean } | undefined;
      readonly seconds: number;
      /** Where the choices are stored. */
      readonly place: string | undefined;
    };

/** A compiled graph: a fixed list of dispatches that `run` replays. */
export interface Program {
  /**
   * Runs the graph `times` times in sequence. On a GPU it returns at once, before the work is done. `first`: the number of the
   * first run, from 0, for programs whose runs are not all the same (`Backend.sequence`).
   */
  run(times?: number, first?: number): void;
  /** Resolves when all runs started so far are done. */
  finished(): Promise<void>;
  /** The value of one of the graph's outputs after the latest run; floats as Float32Array, or 64-bit on such a reference. */
  read(tensor: Tensor): Promise<Data>;
  /** Runs the graph once and reads these outputs, of a compiled graph with one submit and one wait. */
  runAndRead(tensors: readonly Tensor[]): Promise<Data[]>;
  describe(): ProgramDescription;
  /** Runs once and measures every dispatch with the adapter's clock. Only where the backend has `timestamps`. */
  profile?(): Promise<readonly KernelTime[]>;
  /**
   * Resolves when work that was put off until after the first runs is done; measurements should wait for this.
   */
  ready?(): Promise<void>;
  /** Runs `times` times and returns the milliseconds that took, by the adapter's clock if it has one. */
  time?(times: number): Promise<number>;
  /**
   * Frees what belongs to this program alone, and constants that no other program uses; any later use throws ClosedError.
   * Inputs and states stay on the device until `device.free`, or until nothing refers to them.
   */
  destroy(): void;
  /** `destroy`, for `using`. */
  [Symbol.dispose](): void;
}

/** A part of a sequence. */
export interface SequencePart<P extends Program = Program> {
  /** Compiled by the same device. */
  readonly program: P;
  /** It runs in run r, counted from 0, if r + 1 is a multiple of this. Default 1. */
  readonly every?: number;
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
  /** Bytes of the slots that intermediate results share. */
  readonly slotBytes: number;
  /** Label of each dispatch in order. */
  readonly steps: readonly string[];
}

/** The files of a host. A write either completes or leaves the old file. */
export interface FileStore {
  /** The whole file; with `most` at least its first `most` bytes. */
  read(path: string, most?: number): Promise<Uint8Array>;
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** Names of the files in a folder; none if there is no such folder. */
  list(directory: string): Promise<string[]>;
  /** Removes a file if it exists. */
  remove(path: string): Promise<void>;
  /**
   * Creates the folder if necessary and keeps all other processes out of it until `release`. Rejects with a LockedError that
   * names the holder. `onNotice` is told of a lock that was taken over from a process that no longer runs.
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
  /** Name of the adapter: `SwiftShader Device (LLVM 10.0.0)`, `CPU reference (float32)` … */
  readonly adapter: string;
  /** True for adapters that run on the CPU. */
  readonly software: boolean;
  /** Whether programs can be profiled. */
  readonly timestamps: boolean;
  compile(spec: GraphSpec, options?: CompileOptions): Promise<Program>;
  /**
   * A program that runs `parts` one after another, each of which sees what those before have changed; `run` submits all runs of
   * all parts at once. The parts are destroyed with it.
   */
  sequence(parts: readonly SequencePart[]): Program;
  /** How long one submit should keep the device busy: about a frame in a page, longer without a display. */
  readonly submitMilliseconds: number;
  /** The host's files, where it has a file system. */
  readonly files?: FileStore | undefined;
  /** Whether the device was lost; nothing works on it any more. */
  readonly isLost: boolean;
  /** Whether `close` was called. */
  readonly closed: boolean;
  /** Opens a device to replace this one after it was lost, the same for all callers. Closing this one closes it too. */
  readonly reopen?: (() => Promise<Backend>) | undefined;
  /** Whether `leaf` is on this device, because a compiled graph uses it. */
  holds(leaf: Tensor): boolean;
  /** Values for states that are not on the device yet, which they get instead of their initial ones. */
  readonly starts: StartValues;
  /** Bytes of the largest tensor that fits. */
  readonly maxTensorBytes: number;
  /**
   * Writes an input or state, after all runs started so far. `data` must have the tensor's size; with `at` it is written from
   * that element on and must fit. f32 takes Float32Array and Float64Array, i32 Int32Array, u32 Uint32Array; each also takes arrays of
   * numbers, of bytes and other small integers and of big integers, which are converted: to i32 and u32 they must be whole and in range,
   * to f32 in range. Throws ShapeError on another length, ValueError on arrays of another dtype and numbers that can't be converted.
   */
  write<D extends DType, V extends Values>(leaf: Tensor<D>, data: V & ValuesOf<D, V>, at?: number): void;
  /** Reads an input or state after all runs started so far. */
  read(leaf: Tensor): Promise<Data>;
  /** As `read` for many leaves at once, with a single wait. */
  readAll(leaves: readonly Tensor[]): Promise<Data[]>;
  /** Resolves when all writes and runs started so far are done and their temporary memory is free. */
  finished?(): Promise<void>;
  /**
   * Frees the memory of an input, state or constant; its value is lost, and a graph compiled later starts with the initial
   * one. Programs that use the leaf throw GraphError when they are run. Leaves that nothing refers to are freed when the host
   * collects garbage.
   */
  free(leaf: Tensor): void;
  /** Frees those of `leaves` that no program uses. */
  freeUnused(leaves: Iterable<Tensor>): void;
  /**
   * Frees everything; in Node the process can then end. Pending and later calls of this backend, its programs and trainers
   * fail with a ClosedError. Closing again does nothing.
   */
  close(): Promise<void>;
  /** `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Throws ValueError for anything but a device, such as a promise of one, and ClosedError for a closed device. */
export function checkDevice(who: string, device: unknown): asserts device is Backend {
  if (typeof device === "object" && device !== null && "compile" in device && !isPromise(device)) {
    if ((device as Backend).closed) throw new ClosedError();
    return;
  }
  const hint = isPromise(device) ? "write await openDevice()" : "open one with await openDevice()";
  throw new ValueError(`${who}: the first argument must be a device, got ${shown(device)}; ${hint}`);
}
