/**
 * Decompresses with the host's DecompressionStream (browsers, Node 18 and later), piece by piece, and stops at a size
 * limit, so that a small malicious file can't fill the memory.
 */
import { FormatError } from "../../validation/errors.ts";

/** Largest content unless the caller sets another limit: 1 GiB. */
export const DEFAULT_LIMIT = 2 ** 30;

/** Deflate expands by at most this factor. */
export const MOST_PER_BYTE = 1032;

/** Compressed bytes that may be written at once: they expand to at most 4 MiB. */
const SMALL = 4096;

export interface InflateOptions {
  readonly format: CompressionFormat;
  /** Largest content in bytes. */
  readonly limit: number;
  /** Size that the file claims; if it is right, the content is written directly to its final memory. */
  readonly expected: number;
  /** Beginnings of the messages for damaged or truncated data, and for a content above the limit. */
  readonly damaged: string;
  readonly tooLarge: string;
}

/** The whole content. Rejects with a FormatError for damaged or truncated data and for a content above the limit. */
export async function inflate(bytes: Uint8Array, options: InflateOptions): Promise<Uint8Array> {
  const { format, limit, expected, damaged, tooLarge } = options;
  // A false claim must not allocate more memory than the content could need.
  let content = new Uint8Array(Math.min(expected, limit, MOST_PER_BYTE * bytes.length));
  let size = 0;
  const stream = new DecompressionStream(format);
  const reader = decompressed(bytes as Uint8Array<ArrayBuffer>, stream).getReader();
  for (;;) {
    const { done, value } = await reader.read().catch((cause: unknown) => {
      const reason = cause instanceof Error ? `: ${cause.message}` : "";
      throw new FormatError(`${damaged}${reason}`, { cause });
    });
    if (done) return size === content.length ? content : content.slice(0, size);
    const end = size + value.length;
    if (end > limit) {
      await reader.cancel().catch(() => {});
      throw new FormatError(`${tooLarge} is larger than the limit of ${limit} bytes`);
    }
    if (end > content.length) {
      const larger = new Uint8Array(Math.min(limit, Math.max(end, 2 * content.length)));
      larger.set(content.subarray(0, size));
      content = larger;
    }
    content.set(value, size);
    size = end;
  }
}

/** Writes few bytes at once, which is much faster, and many piecewise, so that no host decompresses all before it is read. */
function decompressed(bytes: Uint8Array<ArrayBuffer>, stream: DecompressionStream) {
  if (bytes.length > SMALL) return new Blob([bytes]).stream().pipeThrough(stream);
  const writer = stream.writable.getWriter();
  // Errors are reported by the readable end, too.
  writer.write(bytes).catch(() => undefined);
  writer.close().catch(() => undefined);
  return stream.readable;
}
