/**
 * Downloads one file of known size and hash from the first mirror that delivers it, with redirects, proxies, progress and
 * abort. All mirrors are contacted at once, so that being offline is noticed within seconds; the transfer then tries mirror
 * after mirror. An interrupted transfer resumes where it stopped, also at another mirror or in a later process. Refuses other
 * sizes and hashes, and gives up mirrors that fall silent or are too slow.
 */
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import { type SourceFile, verifyFile } from "../../data/published/dataset-source.ts";
import { defined } from "../../validation/defined.ts";
import { DataError } from "../../validation/errors.ts";
import { httpGet, portOf, proxyFor, withoutBrackets } from "./http-get.ts";
import { PartialFile } from "./partial-file.ts";

export interface DownloadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called for every piece that arrives; `total` is the published size. */
  readonly onProgress?: ((received: number, total: number) => void) | undefined;
  /** Milliseconds for connecting to a mirror; default 4000. */
  readonly connectTimeout?: number | undefined;
  /** Milliseconds without a byte after which a mirror is given up; default 20000. */
  readonly silenceTimeout?: number | undefined;
  /** Bytes per second, averaged over each `silenceTimeout`, below which a mirror is given up; default 1000. */
  readonly minimumRate?: number | undefined;
  /** Where to store a part of the file for a later process; default nowhere. */
  readonly partFile?: string | undefined;
}

/** Every mirror failed; `failures` has one line each, `offline` tells that none could be reached. */
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
/** How often an interrupted transfer is resumed at the same mirror. */
const MOST_CONTINUATIONS = 10;

/** A transfer ended too early and can be resumed. */
class InterruptedTransfer extends Error {}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  const text = error.message || error.name;
  return code === undefined || text.includes(code) ? text : `${text}, ${code}`;
}

/** Throws MirrorsError where no mirror delivers the file, and the reason of `signal`. */
export async function downloadFile(
  file: SourceFile,
  mirrors: readonly string[],
  options: DownloadOptions = {},
): Promise<Uint8Array> {
  const { signal, connectTimeout = 4000 } = options;
  signal?.throwIfAborted();
  // A folder without a slash at its end would be joined with the file name.
  const addresses = mirrors.map((mirror) => new URL(mirror + (/[/=]$/.test(mirror) ? "" : "/") + file.name));
  // Failures become values: a rejection that is not awaited yet would end the process.
  const reached = addresses.map((url) => reach(url, connectTimeout, signal).catch(reasonOf));
  const failures: string[] = [];
  let offline = true;
  const transfer = new Transfer(file, options);
  try {
    for (const [i, url] of addresses.entries()) {
      const unreachable = await reached[i];
      signal?.throwIfAborted();
      if (unreachable !== undefined) {
        failures.push(`${url}: can't be reached (${unreachable})`);
        continue;
      }
      offline = false;
      try {
        const bytes = await transfer.completeFrom(url);
        await transfer.part.close("remove");
        return bytes;
      } catch (error) {
        signal?.throwIfAborted();
        const reason = reasonOf(error);
        failures.push(reason.startsWith(url.href) ? reason : `${url}: ${reason}`);
      }
    }
  } finally {
    await transfer.part.close("keep");
  }
  throw new MirrorsError(`${file.name}: no mirror delivered it; ${failures.join("; ")}`, failures, offline);
}

/** Resolves when the host, or the proxy before it, accepts a connection. */
function reach(url: URL, timeout: number, signal: AbortSignal | undefined): Promise<undefined> {
  return new Promise((resolve, reject) => {
    const proxy = proxyFor(url);
    const target = proxy ?? url;
    const socket = connect({ host: withoutBrackets(target.hostname), port: portOf(target) });
    // The socket's own timeout does not cover name resolution.
    const timer = setTimeout(() => finish(new Error(`no answer in ${timeout / 1000} s`)), timeout);
    const finish = (error?: Error) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      socket.destroy();
      if (error && proxy) reject(new Error(`the proxy ${proxy.origin}: ${reasonOf(error)}`));
      else if (error) reject(error);
      else resolve(undefined);
    };
    const onAbort = () => finish(new Error("aborted"));
    signal?.addEventListener("abort", onAbort);
    socket.on("connect", () => finish()).on("error", finish);
  });
}

/** The received bytes of a file, whichever mirrors they come from. */
class Transfer {
  readonly part: PartialFile;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  /** Undefined until a stored part has been looked for. */
  #received: number | undefined;
  /** Addresses that the received bytes came from; "" for an earlier process. */
  readonly #sources = new Set<string>();
  /** ETag or modification date by address, to resume only the same version of the file. */
  readonly #validators = new Map<string, string>();

  constructor(
    readonly file: SourceFile,
    readonly options: DownloadOptions,
  ) {
    this.#bytes = new Uint8Array(file.bytes);
    this.part = new PartialFile(options.partFile, this.#bytes);
  }

  /** Receives the missing bytes from `url` and returns the verified file. */
  async completeFrom(url: URL): Promise<Uint8Array> {
    if (this.#received === undefined) {
      this.#received = await this.part.load();
      if (this.#received > 0) this.#sources.add("");
    }
    for (let left = MOST_CONTINUATIONS; ; left--) {
      const before = this.#received;
      try {
        await this.#receive(url);
        await verifyFile(this.file, this.#bytes, url.href);
        return this.#bytes;
      } catch (error) {
        this.options.signal?.throwIfAborted();
        if (this.#received === this.file.bytes) {
          // Complete, but with a wrong hash. If only a part came from this mirror, its own copy may still be right.
          const isMixed = this.#sources.size > 1 || !this.#sources.has(url.href);
          await this.#restart();
          if (!isMixed) throw error;
        } else if (!(error instanceof InterruptedTransfer) || this.#received <= before || left === 0)
          throw error;
      }
    }
  }

  async #restart(): Promise<void> {
    this.#received = 0;
    this.#sources.clear();
    await this.part.store(0);
  }

  async #receive(url: URL): Promise<void> {
    const { signal, silenceTimeout = 20_000 } = this.options;
    const from = this.#received as number;
    const range = defined({ range: `bytes=${from}-`, "if-range": this.#validators.get(url.href) });
    const response = await open(url, from > 0 ? range : {}, silenceTimeout, signal);
    let stopWatching: (() => void) | undefined;
    try {
      await this.#checkHeaders(response, url, from);
      stopWatching = this.#watchRate(response, silenceTimeout);
      await this.#receiveBody(response);
    } finally {
      stopWatching?.();
      response.destroy();
    }
  }

  /** Fails the response when less than the minimum rate came within a period. Returns a function that stops watching. */
  #watchRate(response: IncomingMessage, silenceTimeout: number): () => void {
    const { minimumRate = 1000 } = this.options;
    const seconds = silenceTimeout / 1000;
    let measured = this.#received as number;
    const timer = setInterval(() => {
      const received = this.#received as number;
      const came = received - measured;
      measured = received;
      if (came >= minimumRate * seconds) return;
      const slow = came === 0 ? `nothing came for ${seconds} s` : `only ${came} bytes came in ${seconds} s`;
      response.destroy(new Error(`${slow}, less than ${minimumRate} bytes per second`));
    }, silenceTimeout);
    return () => clearInterval(timer);
  }

  /** Throws where the response does not continue at byte `from`; restarts where it is the whole file. */
  async #checkHeaders({ statusCode, headers }: IncomingMessage, url: URL, from: number): Promise<void> {
    if (statusCode !== 206) await this.#restart();
    else if (!(headers["content-range"] ?? "").startsWith(`bytes ${from}-`)) {
      await this.#restart();
      throw new InterruptedTransfer(
        `asked for bytes from ${from} on, the server sent ${headers["content-range"]}`,
      );
    }
    const missing = this.file.bytes - (this.#received as number);
    const announced = headers["content-length"];
    if (announced !== undefined && Number(announced) !== missing)
      throw new Error(`expected ${missing} bytes, the server announces ${announced}`);
    const { etag, "last-modified": modified } = headers;
    // Weak ETags are not allowed in If-Range.
    const validator = etag === undefined || etag.startsWith("W/") ? modified : etag;
    if (validator !== undefined) this.#validators.set(url.href, validator);
    this.#sources.add(url.href);
  }

  async #receiveBody(response: IncomingMessage): Promise<void> {
    const { onProgress } = this.options;
    const { bytes: total } = this.file;
    let received = this.#received as number;
    const status = `(status ${response.statusCode})`;
    onProgress?.(received, total);
    try {
      for await (const chunk of response as AsyncIterable<Uint8Array>) {
        if (received + chunk.length > total) {
          await this.#restart();
          throw new Error(`more than the expected ${total} bytes came`);
        }
        this.#bytes.set(chunk, received);
        received += chunk.length;
        this.#received = received;
        onProgress?.(received, total);
        await this.part.store(received);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
      throw new InterruptedTransfer(
        `cut off after ${received} of ${total} bytes ${status}: ${reasonOf(error)}`,
      );
    }
    if (received === total) return;
    throw new InterruptedTransfer(`expected ${total} bytes, the transfer ended after ${received} ${status}`);
  }
}

/** Opens the address, following redirects, until a response with the file comes. */
async function open(
  start: URL,
  range: Readonly<Record<string, string>>,
  silenceTimeout: number,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  // "identity": the .gz file itself is wanted, even if the server declares gzip as an encoding.
  const headers = { "accept-encoding": "identity", ...range };
  let url = start;
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    const response = await httpGet(url, { signal, headers, silenceTimeout });
    const status = response.statusCode ?? 0;
    if (status === 200 || (status === 206 && "range" in range)) return response;
    response.destroy();
    // Range not satisfiable: the file there is another one.
    if (status === 416 && "range" in range) return open(start, {}, silenceTimeout, signal);
    const location = response.headers.location;
    if (status < 300 || status >= 400 || !location)
      throw new Error(`the server answered ${`${status} ${response.statusMessage ?? ""}`.trim()}`);
    url = new URL(location, url);
    if (url.protocol !== "https:" && url.protocol !== "http:") throw new Error(`redirected to ${url}`);
  }
  throw new Error(`more than ${MOST_REDIRECTS} redirects`);
}
