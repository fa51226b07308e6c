/**
 * What a device can do, whichever it is: hold states, compile graphs, run them. The trainer knows only this.
 */
import type { GraphSpec } from "./plan/graph.ts";
import type { Data, Tensor } from "./tensor.ts";

export interface CompileOptions {
  /** Forces kernel variants by op name, e.g. `{ conv2d: "im2col" }`. Without effect on the CPU reference. */
  readonly variants?: Readonly<Record<string, string>>;
  /** Seed of states whose initial value is drawn; default 0. */
  readonly seed?: number;
  /** Set to false to run op by op as written. Default true. */
  readonly fuse?: boolean;
}

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
  read(path: string): Promise<Uint8Array>;
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** Names of the files in a folder; none where there is no such folder. */
  list(directory: string): Promise<string[]>;
  /** Removes a file, if it is there. */
  remove(path: string): Promise<void>;
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
  /** Opens another device of the same kind, after this one was lost. */
  readonly reopen?: (() => Promise<Backend>) | undefined;
  /** True when some compiled graph has put `leaf` here. */
  holds(leaf: Tensor): boolean;
  /** Bytes of the largest tensor that fits. */
  readonly maxTensorBytes: number;
  /**
   * Writes an input or state after all runs started so far. `data` must be of the tensor's size, or with `at` fit in from
   * that element on.
   */
  write(leaf: Tensor, data: Data, at?: number): void;
  /** Reads an input or state after all runs started so far. */
  read(leaf: Tensor): Promise<Data>;
  /** As `read` for many leaves at once, which costs one wait. */
  readAll(leaves: readonly Tensor[]): Promise<Data[]>;
  /** Frees everything; in Node the process can then end. Programs of this backend can't be used afterwards. */
  close(): Promise<void>;
}
