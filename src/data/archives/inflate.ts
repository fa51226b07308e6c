/**
 * Decompresses with the host's DecompressionStream (browsers, Node 18 and later), piece by piece, and stops at a limit,
 * which keeps a small file from filling the memory.
 */
import { FormatError } from "../../common/errors.ts";

/** Largest content unless the caller says otherwise: 1 GiB. */
export const DEFAULT_LIMIT = 2 ** 30;

/** Packed bytes that may be unpacked at once: they become 4 MiB at most. */
const FEW = 4096;

/** No byte of a deflated file stands for more than this many. */
export const MOST_PER_BYTE = 1032;

/**
 * The whole content. `expected`: the size that the file claims; if it is right, the content is written to its place at
 * once and exists only once. Throws FormatError for damaged or truncated data and for contents above `limit` bytes; the
 * messages begin with `damaged` and `tooLarge`.
 */
export async function inflate(
  bytes: Uint8Array,
  format: CompressionFormat,
  { limit, expected }: { readonly limit: number; readonly expected: number },
  { damaged, tooLarge }: { readonly damaged: string; readonly tooLarge: string },
): Promise<Uint8Array> {
  // A file that lies takes no more memory than its content could.
  let content = new Uint8Array(Math.min(expected, limit, MOST_PER_BYTE * bytes.length));
  let size = 0;
  const reader = unpacked(bytes as Uint8Array<ArrayBuffer>, new DecompressionStream(format)).getReader();
  for (;;) {
    const { done, value } = await reader.read().catch((cause: unknown) => {
      const reason = cause instanceof Error ? `: ${cause.message}` : "";
      throw new FormatError(`${damaged}${reason}`, { cause });
    });
    if (done) break;
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
  return size === content.length ? content : content.slice(0, size);
}

/** Few bytes are written at once, which is much faster; many piece by piece, so that no host unpacks all before it is read. */
function unpacked(bytes: Uint8Array<ArrayBuffer>, stream: DecompressionStream): ReadableStream<Uint8Array> {
  if (bytes.length > FEW) return new Blob([bytes]).stream().pipeThrough(stream);
  const writer = stream.writable.getWriter();
  // What goes wrong comes out of the other end, too.
  writer.write(bytes).catch(() => undefined);
  writer.close().catch(() => undefined);
  return stream.readable;
}
