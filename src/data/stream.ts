/**
 * Data sets from generators and other iterables: sensors, webcams, simulations, files that are parsed on the way. Samples are pulled
 * as training needs them, into a buffer on the device that holds `capacity` of them.
 */
import { DataError } from "../validation/errors.ts";
import { expectValue } from "../validation/expect.ts";
import { checkOptions, type OptionKinds, shown } from "../validation/options.ts";
import { quote } from "../validation/printable.ts";
import {
  arrayOf,
  COLUMN_FORM,
  type ColumnForm,
  type ColumnSamples,
  type ColumnValues,
  checkColumnForms,
  dtypeOf,
  type ShardedColumns,
} from "./columns.ts";
import { sampleSize } from "./dataset-checks.ts";

/** A sample, or with `batches` several one after the other: by column a number, or as many numbers as the shape says. */
export type StreamItem = Readonly<Record<string, number | ArrayLike<number>>>;

/** Samples to iterate over, or a function that begins: with sample `start` of the pass, if the stream is `seekable`. */
export type StreamSource =
  | Iterable<StreamItem>
  | AsyncIterable<StreamItem>
  | ((start: number) => Iterable<StreamItem> | AsyncIterable<StreamItem>);

export interface StreamOptions {
  /** By name; dtype is "f32" where it is left out, and shape []. */
  readonly columns: Readonly<Record<string, Partial<ColumnForm>>>;
  /** Samples per epoch. Default: endless; the source is begun again whenever it ends, and `fit` needs `steps`. */
  readonly count?: number;
  /** Most samples on the device, in two halves: one is trained on, in shuffled order, while the other is filled. Default 1024. */
  readonly capacity?: number;
  /** Whether an item of the source is several samples. Default false. */
  readonly batches?: boolean;
  /** Whether the source is a function that can begin with any sample, and then gives the same ones again. Default false. */
  readonly seekable?: boolean;
  /** Default "stream". */
  readonly name?: string;
  /** Default "all". */
  readonly split?: string;
}

const STREAM = {
  columns: "object",
  count: "number",
  capacity: "number",
  batches: "boolean",
  seekable: "boolean",
  name: "string",
  split: "string",
} as const satisfies OptionKinds<StreamOptions>;
const FORM = { ...COLUMN_FORM, dtype: "any" } as const satisfies OptionKinds<ColumnForm>;

/** One iteration over the source. */
interface Pass {
  readonly iterator: Iterator<StreamItem> | AsyncIterator<StreamItem>;
  /** Number of the sample that comes next. */
  position: number;
  /** Samples that this iterator gave. */
  given: number;
  /** The latest item, of which samples from `used` on are left. */
  item?: { readonly values: ColumnSamples; readonly count: number; used: number } | undefined;
  pulling: boolean;
  /** While a read is under way. */
  reading?: boolean;
}

/** A data set that is read in order. One fit at a time trains on it. */
export class SampleStream implements ShardedColumns {
  readonly name: string;
  readonly split: string;
  /** Samples per epoch; Infinity for an endless stream. */
  readonly count: number;
  readonly columns: Readonly<Record<string, ColumnForm>>;
  readonly sequential = true;
  readonly capacity: number;
  readonly #batches: boolean;
  readonly #seekable: boolean;
  #pass: Pass | undefined;
  #closings = 0;

  constructor(
    readonly source: StreamSource,
    options: StreamOptions,
  ) {
    const who = "fromGenerator";
    const given = checkOptions(who, options, STREAM);
    const { count = Number.POSITIVE_INFINITY, capacity = 1024, columns } = given;
    expectValue(
      typeof source === "function" || (typeof source === "object" && iteratorOf(source) !== undefined),
      `${who}: needs a generator function or an iterable of samples, got ${shown(source)}`,
    );
    for (const [key, value] of Object.entries({ count: given.count ?? 1, capacity })) {
      expectValue(
        Number.isInteger(value) && value >= 1,
        `${who}: ${key} must be a whole number of at least 1, got ${value}`,
      );
    }
    expectValue(
      columns !== undefined,
      `${who}: columns is missing; say what a sample has, as in { x: { shape: [4] } }`,
    );
    this.name = given.name ?? "stream";
    this.split = given.split ?? "all";
    this.count = count;
    this.capacity = capacity;
    this.#batches = given.batches ?? false;
    this.#seekable = given.seekable ?? false;
    expectValue(
      !this.#seekable || typeof source === "function",
      `${who}: a seekable source is a function of the first sample's number, got ${shown(source)}`,
    );
    const forms = Object.entries(columns).map(([key, form]) => {
      const checked = checkOptions(`${who}: column ${quote(key)}`, form, FORM);
      return [key, { ...checked, dtype: checked.dtype ?? "f32", shape: checked.shape ?? [] } as ColumnForm];
    });
    this.columns = Object.fromEntries(forms);
    checkColumnForms(this);
  }

  /** Whether samples that went by can be had again, in a resumed run or on another device. */
  get replayable(): boolean {
    return this.#seekable || this.count !== Number.POSITIVE_INFINITY;
  }

  /** How often it was closed: what was read before is not of the same run. */
  get closings(): number {
    return this.#closings;
  }

  async read(start: number, count: number): Promise<ColumnSamples> {
    const pass = await this.#passAt(start);
    pass.reading = true;
    const forms = Object.entries(this.columns);
    const into = forms.map(
      ([key, { dtype, shape }]) => [key, arrayOf(dtype, count * sampleSize(shape))] as const,
    );
    for (let filled = 0; filled < count; ) {
      const item = await this.#itemOf(pass);
      const taken = Math.min(count - filled, item.count - item.used);
      for (const [key, all] of into) {
        const size = all.length / count;
        const values = item.values[key] as ColumnValues;
        all.set(values.subarray(item.used * size, (item.used + taken) * size), filled * size);
      }
      this.#use(pass, taken);
      filled += taken;
    }
    pass.reading = false;
    if (pass.position === this.count) await this.close(false);
    return Object.fromEntries(into);
  }

  /** Ends the iteration; the next read begins another one. */
  async close(ends = true): Promise<void> {
    const pass = this.#pass;
    this.#pass = undefined;
    if (ends) this.#closings++;
    if (pass === undefined) return;
    const ended = pass.iterator.return?.();
    // An iterator that is waiting for a sample ends when that comes, which may be never.
    if (pass.pulling) Promise.resolve(ended).catch(() => undefined);
    else await ended;
  }

  async #passAt(start: number): Promise<Pass> {
    if (this.#pass?.position === start && !this.#pass.reading) return this.#pass;
    if (this.#pass !== undefined && !this.replayable) {
      throw new DataError(
        `${this.#title}: stands at sample ${this.#pass.position}, and sample ${start} went by: an endless stream can't be read ` +
          "again, after a lost device or by two trainers; give a function that begins with any sample, and `seekable: true`",
      );
    }
    await this.close(false);
    const fresh = !this.replayable || this.#seekable;
    const pass: Pass = { ...this.#begin(start), position: fresh ? start : 0 };
    this.#pass = pass;
    while (pass.position < start) {
      const item = await this.#itemOf(pass);
      this.#use(pass, Math.min(start - pass.position, item.count - item.used));
    }
    return pass;
  }

  #begin(start: number): Omit<Pass, "position"> {
    const { source } = this;
    const begun = typeof source === "function" ? source(this.#seekable ? start : 0) : source;
    const iterator = iteratorOf(begun);
    if (iterator === undefined) {
      throw new DataError(`${this.#title}: its function must give an iterable, got ${shown(begun)}`);
    }
    return { iterator, given: 0, pulling: false };
  }

  #use(pass: Pass, samples: number): void {
    if (pass.item !== undefined) pass.item.used += samples;
    pass.position += samples;
  }

  /** The item that holds the next sample. */
  async #itemOf(pass: Pass): Promise<NonNullable<Pass["item"]>> {
    while (pass.item === undefined || pass.item.used === pass.item.count) {
      pass.pulling = true;
      const next = await Promise.resolve(pass.iterator.next()).finally(() => {
        pass.pulling = false;
      });
      if (this.#pass !== pass) throw new DataError(`${this.#title}: was closed while a sample was read`);
      if (next.done === true) this.#restart(pass);
      else {
        pass.item = this.#parse(next.value, pass.position);
        pass.given += pass.item.count;
      }
    }
    return pass.item;
  }

  /** The source has ended: an endless stream begins it again. */
  #restart(pass: Pass): void {
    if (this.count !== Number.POSITIVE_INFINITY) {
      throw new DataError(
        `${this.#title}: ended after ${pass.position} of ${this.count} samples; give their number as \`count\`, and a function, ` +
          "which can be called again for every epoch",
      );
    }
    if (pass.given === 0) {
      throw new DataError(
        `${this.#title}: ended at sample ${pass.position} and gave none when begun again; give a function, which is called again`,
      );
    }
    Object.assign(pass, this.#begin(pass.position));
  }

  #parse(item: StreamItem, at: number): NonNullable<Pass["item"]> {
    const where = `${this.#title}: sample ${at}`;
    if (typeof item !== "object" || item === null) {
      throw new DataError(`${where}: must be an object with a value for each column, got ${shown(item)}`);
    }
    const names = Object.keys(this.columns);
    const other = Object.keys(item).find((key) => !names.includes(key));
    if (other !== undefined) {
      throw new DataError(`${where}: has ${quote(other)}, which is no column; there are ${names.join(", ")}`);
    }
    let count = this.#batches ? undefined : 1;
    const values = Object.entries(this.columns).map(([key, { dtype, shape }]) => {
      const given: unknown = item[key];
      const size = sampleSize(shape);
      const list = typeof given === "number" ? [given] : (given as ArrayLike<number> | undefined);
      count ??= (list?.length ?? 0) / size;
      if (list?.length !== count * size || !Number.isInteger(count)) {
        const wanted = this.#batches
          ? `whole samples of ${size} numbers, as many as the others`
          : `${size} numbers`;
        throw new DataError(
          `${where}: column ${quote(key)} must be ${wanted} ([${shape.join(", ")}]), got ${shown(given)}`,
        );
      }
      if (dtypeOf(list) === dtype) return [key, list];
      const held = arrayOf(dtype, list.length);
      for (let i = 0; i < list.length; i++) {
        const isNumber = typeof list[i] === "number";
        if (isNumber) held[i] = list[i] as number;
        const exact = isNumber && (dtype === "f32" || held[i] === list[i]);
        if (!exact)
          throw new DataError(`${where}: column ${quote(key)} of ${dtype} can't hold ${shown(list[i])}`);
      }
      return [key, held];
    });
    return { values: Object.fromEntries(values), count: count as number, used: 0 };
  }

  get #title(): string {
    return `data set ${this.name}/${this.split}`;
  }
}

function iteratorOf(source: unknown): Pass["iterator"] | undefined {
  const from = source as Partial<AsyncIterable<StreamItem> & Iterable<StreamItem>> | null | undefined;
  return from?.[Symbol.asyncIterator]?.() ?? from?.[Symbol.iterator]?.();
}

/**
 * A data set whose samples come from a generator function, or another iterable or async iterable. They are pulled as training
 * needs them, at most `capacity` ahead; the iterator's `return` is called when a fit or an evaluation ends, and what it throws
 * rejects them. With `count` every epoch begins the source again. Without, the stream is endless: `fit` needs `steps`, and a run
 * can't be resumed, or go on after a lost device, unless the source is `seekable`. Throws ValueError, and DataError on wrong
 * columns.
 */
export function fromGenerator(source: StreamSource, options: StreamOptions): SampleStream {
  return new SampleStream(source, options);
}
