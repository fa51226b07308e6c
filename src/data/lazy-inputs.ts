/**
 * Inputs that are loaded into memory when `data` is first accessed. Trainers do not access it: they read parts and send
 * them to the device, so a large set is in memory only once, there. For all other code such inputs are like any others.
 */

/**
 * Samples, row-major, one after the other without gaps. A network sees `data[i] * scale + offset`, in float32; whole numbers of
 * an Int32Array, such as tokens, it sees as they are.
 */
export interface SampleArray {
  readonly data: Uint8Array | Float32Array | Int32Array;
  /** Of one sample, for example [1, 28, 28] (channels first) or [13]. */
  readonly shape: readonly number[];
  /** Default 1. For bytes usually 1 / 255. */
  readonly scale?: number;
  /** Default 0. */
  readonly offset?: number;
}

/** Bytes that can be read in parts, or loaded all at once and then kept in memory. */
export class BytesOnDemand {
  #all: Uint8Array | undefined;

  /** `read` returns `length` bytes from `offset` on, in the memory of `into` if that has `length` bytes. */
  constructor(
    readonly read: (offset: number, length: number, into?: Uint8Array) => Promise<Uint8Array>,
    readonly load: () => Uint8Array,
  ) {}

  get all(): Uint8Array {
    this.#all ??= this.load();
    return this.#all;
  }

  get inMemory(): boolean {
    return this.#all !== undefined;
  }
}

interface Part {
  readonly bytes: BytesOnDemand;
  /** Number of bytes that belong to the inputs, from the first on. */
  readonly length: number;
}

const lazyParts = new WeakMap<SampleArray, Part>();

/** Inputs that consist of the first `length` of `bytes`. */
export function inputsOnDemand(
  bytes: BytesOnDemand,
  { shape, scale = 1, offset = 0 }: Omit<SampleArray, "data">,
  length: number,
): SampleArray {
  const inputs = {
    shape,
    scale,
    offset,
    // An own getter: a copy by `...` loads the bytes and is an ordinary SampleArray.
    get data() {
      return bytes.all.subarray(0, length);
    },
  };
  lazyParts.set(inputs, { bytes, length });
  return inputs;
}

/** The lazy part of the inputs, unless it has been loaded: then the copy in memory counts, which may have been changed. */
function unloaded(inputs: SampleArray): Part | undefined {
  const part = lazyParts.get(inputs);
  return part?.bytes.inMemory ? undefined : part;
}

/** Where parts of the inputs can be read; undefined if all are in memory. */
export function readable(inputs: SampleArray): BytesOnDemand | undefined {
  return unloaded(inputs)?.bytes;
}

/** Whether samples are whole numbers of 32 bits, such as tokens. */
export function holdsWhole(inputs: SampleArray): boolean {
  return readable(inputs) === undefined && inputs.data instanceof Int32Array;
}

/** Whether samples are bytes; otherwise they are numbers of 32 bits. */
export function holdsBytes(inputs: SampleArray): boolean {
  return readable(inputs) !== undefined || inputs.data instanceof Uint8Array;
}

/** The same numbers with another scale and offset, without copying. */
export function rescaled(inputs: SampleArray, scale: number, offset: number): SampleArray {
  const part = unloaded(inputs);
  if (part === undefined) return { ...inputs, scale, offset };
  return inputsOnDemand(part.bytes, { shape: inputs.shape, scale, offset }, part.length);
}

/** The first `length` numbers, without copying. */
export function firstOf(inputs: SampleArray, length: number): SampleArray {
  const bytes = readable(inputs);
  if (bytes !== undefined) return inputsOnDemand(bytes, inputs, length);
  return { ...inputs, data: inputs.data.subarray(0, length) };
}
