/**
 * Inputs whose bytes come into memory when someone looks at `data`. Trainers do not look: they read parts on the way to the
 * device, so a large set lies in memory once, there. To everyone else such inputs are like any others.
 */
import { type Dataset, type SampleArray, sampleSize } from "./dataset.ts";

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

const known = new WeakMap<SampleArray, BytesOnDemand>();

/** The first `count` samples of `bytes`. */
export function inputsOnDemand(
  bytes: BytesOnDemand,
  { shape, scale = 1, offset = 0 }: Omit<SampleArray, "data">,
  count: number,
): SampleArray {
  const inputs = {
    shape,
    scale,
    offset,
    // A property of its own, so that a copy by `...` holds the bytes and has nothing to do with this.
    get data() {
      return bytes.all.subarray(0, count * sampleSize(shape));
    },
  };
  known.set(inputs, bytes);
  return inputs;
}

/** Where parts of the inputs can be read; undefined if all are in memory. */
export function readable(inputs: SampleArray): BytesOnDemand | undefined {
  const bytes = known.get(inputs);
  return bytes?.inMemory ? undefined : bytes;
}

/** Whether samples are bytes; else they are floats. */
export function holdsBytes(inputs: SampleArray): boolean {
  return readable(inputs) !== undefined || inputs.data instanceof Uint8Array;
}

/** The same numbers with another scale and offset. */
export function rescaled(
  dataset: Pick<Dataset, "inputs" | "count">,
  scale: number,
  offset: number,
): SampleArray {
  const { inputs, count } = dataset;
  const bytes = readable(inputs);
  const form = { shape: inputs.shape, scale, offset };
  return bytes === undefined ? { ...inputs, ...form } : inputsOnDemand(bytes, form, count);
}

/** Of the first `count` samples, without copying. */
export function firstOf(inputs: SampleArray, count: number): SampleArray {
  const bytes = readable(inputs);
  if (bytes !== undefined) return inputsOnDemand(bytes, inputs, count);
  return { ...inputs, data: inputs.data.subarray(0, count * sampleSize(inputs.shape)) };
}
