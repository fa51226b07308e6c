/**
 * The content of a gzip file, decompressed as it is read. Reading on from the end of the last part costs only the new part;
 * reading further back starts again at the beginning. Refuses damaged files. For files below 4 GiB, whose size gzip stores.
 */
import { readFileSync } from "node:fs";
import { pipeline, Readable } from "node:stream";
import { createGunzip, gunzipSync } from "node:zlib";
import { type ByteSource, type LoadableBytes, readBytes } from "../../data/byte-source.ts";
import { FormatError, WeftError } from "../../validation/errors.ts";
import { fileBytes, piecesOf, readError } from "./plain-file.ts";

/** Bytes that are decompressed at a time. */
const PIECE = 2 ** 16;

/** Bytes of header, checksum and size. */
const SMALLEST = 18;

/** Rejects with a DataError where the file can't be read, now or later. */
export async function gunzippedFile(path: string): Promise<LoadableBytes> {
  const packed = await fileBytes(path);
  if (packed.size < SMALLEST) throw damaged(path, `${packed.size} bytes`);
  const { buffer } = await readBytes(packed, packed.size - 4, 4);
  return new GunzippedFile(path, new DataView(buffer).getUint32(0, true), packed);
}

const damaged = (path: string, reason: string) =>
  new FormatError(`${path}: damaged or truncated gzip file (${reason})`);

class GunzippedFile implements LoadableBytes {
  #stream: ForwardReader | undefined;
  #previous: Promise<unknown> = Promise.resolve();

  constructor(
    readonly name: string,
    readonly size: number,
    readonly packed: ByteSource,
  ) {}

  /** Reads one part after the other, since each continues where the one before ended. */
  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    const bytes = into?.length === length ? into : new Uint8Array(length);
    const reading = this.#previous.then(() => this.#read(offset, bytes));
    this.#previous = reading.catch(() => undefined);
    return reading;
  }

  load(): Uint8Array {
    let packed: Uint8Array;
    try {
      packed = readFileSync(this.name);
    } catch (cause) {
      throw readError(this.name, cause);
    }
    try {
      return gunzipSync(packed, { maxOutputLength: this.size });
    } catch (cause) {
      throw damaged(this.name, (cause as Error).message);
    }
  }

  async #read(offset: number, bytes: Uint8Array): Promise<Uint8Array> {
    if (this.#stream !== undefined && this.#stream.position > offset) this.#close();
    this.#stream ??= new ForwardReader(this.packed);
    const stream = this.#stream;
    try {
      await stream.read(offset - stream.position);
      await stream.read(bytes.length, bytes);
    } catch (cause) {
      this.#close();
      throw cause instanceof WeftError ? cause : damaged(this.name, (cause as Error).message);
    }
    if (stream.position === this.size) this.#close();
    return bytes;
  }

  #close(): void {
    this.#stream?.close();
    this.#stream = undefined;
  }
}

/** Decompresses from the beginning on. */
class ForwardReader {
  position = 0;
  readonly #content: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array();

  constructor(packed: ByteSource) {
    const unpacked = createGunzip({ chunkSize: PIECE });
    // Errors of the pipeline are also thrown by the iterator of `unpacked`.
    pipeline(Readable.from(piecesOf(packed)), unpacked, () => undefined);
    this.#content = unpacked[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  }

  /** Reads the next `length` bytes, into `bytes` if given; else skips them. */
  async read(length: number, bytes?: Uint8Array): Promise<void> {
    for (let done = 0; done < length; ) {
      if (this.#piece.length === 0) {
        const next = await this.#content.next();
        if (next.done) throw new Error("it ends too early");
        this.#piece = next.value;
      }
      const some = this.#piece.subarray(0, length - done);
      bytes?.set(some, done);
      done += some.length;
      this.position += some.length;
      this.#piece = this.#piece.subarray(some.length);
    }
  }

  close(): void {
    void this.#content.return?.();
  }
}
