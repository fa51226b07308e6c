/**
 * Decompresses with the host's DecompressionStream (browsers, Node 18 and later), piece by piece, and stops at a limit,
 * which keeps a small file from filling the memory.
 */
import { FormatError } from "../errors.ts";

/** Largest content unless the caller says otherwise: 1 GiB. */
export const DEFAULT_LIMIT = 2 ** 30;

/**
 * The whole content. Throws FormatError for damaged or truncated data and for contents above `limit` bytes; the
 * messages begin with `damaged` and `tooLarge`.
 */
export async function inflate(
  bytes: Uint8Array,
  format: CompressionFormat,
  limit: number,
  { damaged, tooLarge }: { readonly damaged: string; readonly tooLarge: string },
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const reader = new Blob([bytes as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(new DecompressionStream(format))
    .getReader();
  for (;;) {
    const { done, value } = await reader.read().catch((cause: unknown) => {
      const reason = cause instanceof Error ? `: ${cause.message}` : "";
      throw new FormatError(`${damaged}${reason}`, { cause });
    });
    if (done) break;
    size += value.length;
    if (size > limit) {
      await reader.cancel().catch(() => {});
      throw new FormatError(`${tooLarge} is larger than the limit of ${limit} bytes`);
    }
    parts.push(value);
  }
  const content = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    content.set(part, at);
    at += part.length;
  }
  return content;
}
