/**
 * Fetches one file of known size and hash from the first mirror that delivers it, following redirects, with progress
 * and abort. All mirrors are called at once, so that being offline shows within seconds; the transfer itself then goes
 * mirror by mirror. Refuses other sizes and hashes, and mirrors that fall silent.
 */
import { get as httpGet, type IncomingMessage } from "node:http";
import { get as httpsGet } from "node:https";
import { connect } from "node:net";
import { type SourceFile, verifyFile } from "../data/source.ts";
import { DataError } from "../errors.ts";

export interface DownloadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called for every piece that arrives; `total` is the published size. */
  readonly onProgress?: ((received: number, total: number) => void) | undefined;
  /** Milliseconds for reaching a mirror; default 4000. */
  readonly connectTimeout?: number | undefined;
  /** Milliseconds without a single byte after which a mirror is given up; default 20000. */
  readonly silenceTimeout?: number | undefined;
}

/** Every mirror failed; `failures` has one line each, `offline` says that none could even be reached. */
export class MirrorsError extends DataError {
  constructor(
    message: string,
    readonly failures: readonly string[],
    readonly offline: boolean,
  ) {
    super(message);
  }
}

const MOST_REDIRECTS = 5;
const reasonOf = (error: unknown) => (error instanceof Error ? error.message || error.name : String(error));

export async function downloadFile(
  file: SourceFile,
  mirrors: readonly string[],
  options: DownloadOptions = {},
): Promise<Uint8Array> {
  const { signal, connectTimeout = 4000 } = options;
  signal?.throwIfAborted();
  const addresses = mirrors.map((mirror) => new URL(mirror + file.name));
  // Failures are kept as values: nobody may be listening yet when one comes.
  const reached = addresses.map((url) => reach(url, connectTimeout, signal).catch(reasonOf));
  const failures: string[] = [];
  let offline = true;
  for (const [i, url] of addresses.entries()) {
    const unreachable = await reached[i];
    signal?.throwIfAborted();
    if (unreachable !== undefined) {
      failures.push(`${url}: can't be reached (${unreachable})`);
      continue;
    }
    offline = false;
    try {
      const bytes = await transfer(file, url, options);
      await verifyFile(file, bytes, url.href);
      return bytes;
    } catch (error) {
      signal?.throwIfAborted();
      const reason = reasonOf(error);
      failures.push(reason.startsWith(url.href) ? reason : `${url}: ${reason}`);
    }
  }
  throw new MirrorsError(`${file.name}: no mirror delivered it; ${failures.join("; ")}`, failures, offline);
}

/** Resolves when the host accepts a connection. */
function reach(url: URL, timeout: number, signal: AbortSignal | undefined): Promise<undefined> {
  return new Promise((resolve, reject) => {
    const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
    const socket = connect({ host: url.hostname, port });
    // Not the socket's own timeout: that one doesn't cover the look-up of the name.
    const timer = setTimeout(() => finish(new Error(`no answer in ${timeout / 1000} s`)), timeout);
    const finish = (error?: Error) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      socket.destroy();
      if (error) reject(error);
      else resolve(undefined);
    };
    const onAbort = () => finish(new Error("aborted"));
    signal?.addEventListener("abort", onAbort);
    socket.on("connect", () => finish()).on("error", finish);
  });
}

/** Opens the address and what it redirects to, until a response with a body comes. */
async function open(start: URL, silenceTimeout: number, signal: AbortSignal | undefined) {
  let url = start;
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const get = url.protocol === "https:" ? httpsGet : httpGet;
      // "identity": the .gz file itself is wanted, whatever the server calls its encoding.
      const request = get(url, { signal, headers: { "accept-encoding": "identity" } }, resolve);
      request.on("error", reject);
      request.setTimeout(silenceTimeout, () => {
        request.destroy(new Error(`nothing came for ${silenceTimeout / 1000} s`));
      });
    });
    const status = response.statusCode ?? 0;
    if (status === 200) return response;
    response.destroy();
    const location = response.headers.location;
    if (status < 300 || status >= 400 || !location) throw new Error(`the server answered ${status}`);
    url = new URL(location, url);
    if (url.protocol !== "https:" && url.protocol !== "http:") throw new Error(`redirected to ${url}`);
  }
  throw new Error(`more than ${MOST_REDIRECTS} redirects`);
}

async function transfer(file: SourceFile, url: URL, options: DownloadOptions): Promise<Uint8Array> {
  const { signal, onProgress, silenceTimeout = 20_000 } = options;
  const response = await open(url, silenceTimeout, signal);
  try {
    const announced = response.headers["content-length"];
    if (announced !== undefined && Number(announced) !== file.bytes) {
      throw new Error(`expected ${file.bytes} bytes, the server announces ${announced}`);
    }
    const bytes = new Uint8Array(file.bytes);
    let received = 0;
    onProgress?.(0, file.bytes);
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      if (received + chunk.length > file.bytes)
        throw new Error(`more than the expected ${file.bytes} bytes came`);
      bytes.set(chunk, received);
      received += chunk.length;
      onProgress?.(received, file.bytes);
    }
    if (received !== file.bytes)
      throw new Error(`expected ${file.bytes} bytes, the transfer ended after ${received}`);
    return bytes;
  } finally {
    response.destroy();
  }
}
