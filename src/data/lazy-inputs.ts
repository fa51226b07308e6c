/**
 * Inputs whose bytes come into memory when someone looks at `data`. Trainers do not look: they read parts on the way to the
 * device, so a large set lies in memory once, there. To everyone else such inputs are like any others.
 */

/** Samples, row-major, sample after sample without gaps. A network sees `data[i] * scale + offset`. */
export interface SampleArray {
  readonly data: Uint8Array | Float32Array;
  /** Of one sample, for example [1, 28, 28] (channels first) or [13]. */
  readonly shape: readonly number[];
  /** Default 1. For bytes usually 1 / 255. */
  readonly scale?: number;
  /** Default 0. */
  readonly offset?: number;
}

/** Bytes that can be had in parts, or all at once and from then on in memory. */
export class BytesOnDemand {
  #all: Uint8Array | undefined;

  /** `read` gives `length` bytes from `offset` on, in `into` if that is given and as long. */
  constructor(
    readonly read: (offset: number, length: number, into?: Uint8Array) => Promise<Uint8Array>,
    readonly load: () => Uint8Array,
  ) {}

  get all(): Uint8Array {
    this.#all ??= this.load();
    return this.#all;
  }

  /** Whoever looked may have changed them. */
  get inMemory(): boolean {
    return this.#all !== undefined;
  }
}

/** `length`: how many of the bytes there are. */
interface Part {
  readonly bytes: BytesOnDemand;
  readonly length: number;
}

const known = new WeakMap<SampleArray, Part>();

/** Inputs that are the first `length` of `bytes`. */
export function inputsOnDemand(
  bytes: BytesOnDemand,
  { shape, scale = 1, offset = 0 }: Omit<SampleArray, "data">,
  length: number,
): SampleArray {
  const inputs = {
    shape,
    scale,
    offset,
    // A property of its own, so that a copy by `...` holds the bytes and has nothing to do with this.
    get data() {
      return bytes.all.subarray(0, length);
    },
  };
  known.set(inputs, { bytes, length });
  return inputs;
}

function partOf(inputs: SampleArray): Part | undefined {
  const part = known.get(inputs);
  return part?.bytes.inMemory ? undefined : part;
}

/** Where parts of the inputs can be read; undefined if all are in memory. */
export function readable(inputs: SampleArray): BytesOnDemand | undefined {
  return partOf(inputs)?.bytes;
}

/** Whether samples are bytes; else they are floats. */
export function holdsBytes(inputs: SampleArray): boolean {
  return readable(inputs) !== undefined || inputs.data instanceof Uint8Array;
}

/** The same numbers with another scale and offset. */
export function rescaled(inputs: SampleArray, scale: number, offset: number): SampleArray {
  const part = partOf(inputs);
  if (part === undefined) return { ...inputs, scale, offset };
  return inputsOnDemand(part.bytes, { shape: inputs.shape, scale, offset }, part.length);
}

/** The first `length` numbers, without copying. */
export function firstOf(inputs: SampleArray, length: number): SampleArray {
  const bytes = readable(inputs);
  if (bytes !== undefined) return inputsOnDemand(bytes, inputs, length);
  return { ...inputs, data: inputs.data.subarray(0, length) };
}
