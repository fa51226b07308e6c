/**
 * The content of a gzip file, read in parts. It is unpacked as it is read: going on where the last part ended costs just
 * that part, going back begins anew. Refuses damaged files. For files below 4 GiB, whose size the format says.
 */
import { readFileSync } from "node:fs";
import { pipeline, Readable } from "node:stream";
import { createGunzip, gunzipSync } from "node:zlib";
import { FormatError, WeftError } from "../../common/errors.ts";
import { type ByteSource, type LoadableBytes, readBytes } from "../../data/byte-source.ts";
import { fileBytes, piecesOf, readError } from "./plain-file.ts";

/** Bytes that are unpacked at a time. */
const PIECE = 2 ** 16;

/** Header, checksum and size of a gzip file take as much. */
const SMALLEST = 18;

/** Rejects with a DataError where the file can't be read, then or later. */
export async function gunzippedFile(path: string): Promise<LoadableBytes> {
  const packed = await fileBytes(path);
  if (packed.size < SMALLEST) throw damaged(path, `${packed.size} bytes`);
  const { buffer } = await readBytes(packed, packed.size - 4, 4);
  return new GunzippedFile(path, new DataView(buffer).getUint32(0, true), packed);
}

const damaged = (path: string, reason: string) =>
  new FormatError(`${path}: damaged or truncated gzip file (${reason})`);

class GunzippedFile implements LoadableBytes {
  #pass: Pass | undefined;
  #before: Promise<unknown> = Promise.resolve();

  constructor(
    readonly name: string,
    readonly size: number,
    readonly packed: ByteSource,
  ) {}

  /** One after the other, since they go on where the one before ended. */
  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    const bytes = into?.length === length ? into : new Uint8Array(length);
    const reading = this.#before.then(() => this.#read(offset, bytes));
    this.#before = reading.catch(() => undefined);
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
    if (this.#pass !== undefined && this.#pass.at > offset) this.#end();
    this.#pass ??= new Pass(this.packed);
    const pass = this.#pass;
    try {
      await pass.take(offset - pass.at);
      await pass.take(bytes.length, bytes);
    } catch (cause) {
      this.#end();
      throw cause instanceof WeftError ? cause : damaged(this.name, (cause as Error).message);
    }
    if (pass.at === this.size) this.#end();
    return bytes;
  }

  #end(): void {
    this.#pass?.end();
    this.#pass = undefined;
  }
}

/** Unpacks from the begin on. */
class Pass {
  at = 0;
  readonly #content: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array();

  constructor(packed: ByteSource) {
    const unpacked = createGunzip({ chunkSize: PIECE });
    // What goes wrong on the way comes out of `unpacked` too.
    pipeline(Readable.from(piecesOf(packed)), unpacked, () => undefined);
    this.#content = unpacked[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  }

  /** The next `length` bytes, into `bytes` if given. */
  async take(length: number, bytes?: Uint8Array): Promise<void> {
    for (let done = 0; done < length; ) {
      if (this.#piece.length === 0) {
        const next = await this.#content.next();
        if (next.done) throw new Error("it ends too soon");
        this.#piece = next.value;
      }
      const some = this.#piece.subarray(0, length - done);
      bytes?.set(some, done);
      done += some.length;
      this.at += some.length;
      this.#piece = this.#piece.subarray(some.length);
    }
  }

  /** Lets go of what has not been read. */
  end(): void {
    void this.#content.return?.();
  }
}
