/**
 * Fetches one file of known size and hash in a page or worker: from Cache Storage, else from the first address that delivers
 * it, with progress and abort. Size and hash are checked in both cases, and before the file is stored.
 */

import { type SourceFile, verifyFile } from "../data/published/dataset-source.ts";
import { DataError } from "../validation/errors.ts";

export interface FetchOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called for every piece that arrives; `total` is the published size. */
  readonly onProgress?: ((received: number, total: number) => void) | undefined;
  /** Milliseconds without a byte after which an address is given up; default 15000. */
  readonly silenceTimeout?: number | undefined;
  /** Name of the cache in Cache Storage; undefined stores nothing. */
  readonly cacheName?: string | undefined;
}

export interface Fetched {
  readonly bytes: Uint8Array;
  /** The address it came from, now or when it was cached. */
  readonly url: string;
  readonly cached: boolean;
}

/** Throws DataError with the failure of each address when none delivers the published bytes. */
export async function fetchFile(
  file: SourceFile,
  addresses: readonly string[],
  options: FetchOptions = {},
): Promise<Fetched> {
  const { signal, onProgress, cacheName } = options;
  signal?.throwIfAborted();
  const cache = cacheName === undefined ? undefined : await openCache(cacheName);
  const key = keyOf(file);
  const stored = await fromCache(cache, key, file);
  if (stored !== undefined) {
    onProgress?.(file.bytes, file.bytes);
    return stored;
  }
  const failures: string[] = [];
  for (const url of addresses) {
    try {
      const bytes = await transfer(file, url, options);
      await verifyFile(file, bytes, url);
      await store(cache, key, bytes, url);
      return { bytes, url, cached: false };
    } catch (error) {
      signal?.throwIfAborted();
      const reason = error instanceof Error ? error.message : String(error);
      failures.push(reason.startsWith(url) ? reason : `${url}: ${reason}`);
    }
  }
  throw new DataError(`${file.name}: no address delivered it; ${failures.join("; ") || "none is known"}`);
}

/** Files are stored by content, so that they are found whatever mirror or page they are for. */
const keyOf = (file: SourceFile) => `https://weft.invalid/${file.sha256}`;

/** Undefined where there is no Cache Storage: insecure pages, some private windows. */
async function openCache(name: string): Promise<Cache | undefined> {
  if (!("caches" in globalThis)) return undefined;
  return caches.open(name).catch(() => undefined);
}

async function fromCache(
  cache: Cache | undefined,
  key: string,
  file: SourceFile,
): Promise<Fetched | undefined> {
  const response = await cache?.match(key).catch(() => undefined);
  if (cache === undefined || response === undefined) return undefined;
  const bytes = new Uint8Array(await response.arrayBuffer());
  const url = response.headers.get("x-from") ?? "";
  try {
    await verifyFile(file, bytes, "Cache Storage");
    return { bytes, url, cached: true };
  } catch {
    await cache.delete(key);
    return undefined;
  }
}

/** Without room for it the file is not stored, and fetched again next time. */
async function store(cache: Cache | undefined, key: string, bytes: Uint8Array, url: string): Promise<void> {
  const response = new Response(bytes as Uint8Array<ArrayBuffer>, { headers: { "x-from": url } });
  await cache?.put(key, response).catch(() => undefined);
}

/** Fetches the file from `url`, and gives up after a silence. */
async function transfer(file: SourceFile, url: string, options: FetchOptions): Promise<Uint8Array> {
  const { signal, silenceTimeout = 15_000 } = options;
  const silence = new AbortController();
  const giveUp = () =>
    silence.abort(new DataError(`nothing came for ${Math.round(silenceTimeout / 1000)} s`));
  let timer = setTimeout(giveUp, silenceTimeout);
  try {
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(giveUp, silenceTimeout);
    };
    const until = AbortSignal.any(signal === undefined ? [silence.signal] : [signal, silence.signal]);
    return await receive(file, url, until, options.onProgress, heard);
  } finally {
    clearTimeout(timer);
  }
}

async function receive(
  file: SourceFile,
  url: string,
  signal: AbortSignal,
  onProgress: FetchOptions["onProgress"],
  heard: () => void,
): Promise<Uint8Array> {
  const response = await fetch(url, { credentials: "omit", signal });
  if (!response.ok) throw new DataError(`the server answered ${response.status}`);
  if (response.body === null) throw new DataError("the answer is empty");
  const bytes = new Uint8Array(file.bytes);
  let received = 0;
  onProgress?.(0, file.bytes);
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (received + value.length > file.bytes) {
      await reader.cancel().catch(() => undefined);
      throw new DataError(`expected ${file.bytes} bytes, more came`);
    }
    heard();
    bytes.set(value, received);
    received += value.length;
    onProgress?.(received, file.bytes);
  }
  if (received !== file.bytes) throw new DataError(`expected ${file.bytes} bytes, got ${received}`);
  return bytes;
}
