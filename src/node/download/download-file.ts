/**
 * Fetches one file of known size and hash from the first mirror that delivers it, following redirects, with progress
 * and abort, through the proxy that the environment names. All mirrors are called at once, so that being offline shows within
 * seconds; the transfer itself then goes mirror by mirror. One that is cut off goes on where it stopped, also from another
 * mirror or in a later process. Refuses other sizes and hashes, and mirrors that fall silent or come too slowly.
 */
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import { DataError } from "../../common/errors.ts";
import { type SourceFile, verifyFile } from "../../data/published/dataset-source.ts";
import { httpGet, portOf, proxyFor } from "./http-get.ts";
import { PartFile } from "./partial-file.ts";

export interface DownloadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called for every piece that arrives; `total` is the published size. */
  readonly onProgress?: ((received: number, total: number) => void) | undefined;
  /** Milliseconds for reaching a mirror; default 4000. */
  readonly connectTimeout?: number | undefined;
  /** Milliseconds without a single byte after which a mirror is given up; default 20000. */
  readonly silenceTimeout?: number | undefined;
  /** Bytes per second, over each `silenceTimeout`, below which a mirror is given up; default 1000. */
  readonly minimumRate?: number | undefined;
  /** Where to keep what has come, for a later process; default nowhere. */
  readonly partFile?: string | undefined;
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
/** Times that a mirror is asked to go on after it was cut off. */
const MOST_CONTINUATIONS = 10;

/** A transfer that ended too early, and may go on from there. */
class CutError extends Error {}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  const text = error.message || error.name;
  return code === undefined || text.includes(code) ? text : `${text}, ${code}`;
}

export async function downloadFile(
  file: SourceFile,
  mirrors: readonly string[],
  options: DownloadOptions = {},
): Promise<Uint8Array> {
  const { signal, connectTimeout = 4000, partFile } = options;
  signal?.throwIfAborted();
  // A folder without the slash at its end would become part of the file's name.
  const addresses = mirrors.map((mirror) => new URL(mirror + (/[/=]$/.test(mirror) ? "" : "/") + file.name));
  // Failures are kept as values: nobody may be listening yet when one comes.
  const reached = addresses.map((url) => reach(url, connectTimeout, signal).catch(reasonOf));
  const failures: string[] = [];
  let offline = true;
  const transfer = new Transfer(file, options, partFile);
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
        const bytes = await transfer.from(url);
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
    const { hostname } = proxy ?? url;
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ""), port: portOf(proxy ?? url) });
    // Not the socket's own timeout: that one doesn't cover the look-up of the name.
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

/** The bytes of a file as they gather, whichever mirrors they come from. */
class Transfer {
  readonly part: PartFile;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #received: number | undefined;
  /** Where the bytes so far came from; an earlier process is "". */
  readonly #sources = new Set<string>();
  /** By address: what tells whether the file there is still the same. */
  readonly #validators = new Map<string, string>();

  constructor(
    readonly file: SourceFile,
    readonly options: DownloadOptions,
    partFile: string | undefined,
  ) {
    this.#bytes = new Uint8Array(file.bytes);
    this.part = new PartFile(partFile, this.#bytes);
  }

  /** The whole file, the rest of it from `url`. */
  async from(url: URL): Promise<Uint8Array> {
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
          // All came, and it is not the file. If this mirror sent only some of it, it may have the right one.
          const mixed = this.#sources.size > 1 || !this.#sources.has(url.href);
          await this.#beginAnew();
          if (!mixed) throw error;
        } else if (!(error instanceof CutError) || this.#received <= before || left === 0) throw error;
      }
    }
  }

  async #beginAnew(): Promise<void> {
    this.#received = 0;
    this.#sources.clear();
    await this.part.keep(0);
  }

  async #receive(url: URL): Promise<void> {
    const { bytes: total } = this.file;
    const { onProgress, signal, silenceTimeout = 20_000, minimumRate = 1000 } = this.options;
    const from = this.#received as number;
    const validator = this.#validators.get(url.href);
    const range = {
      range: `bytes=${from}-`,
      ...(validator === undefined ? {} : { "if-range": validator }),
    };
    const response = await open(url, from > 0 ? range : {}, silenceTimeout, signal);
    let pace: NodeJS.Timeout | undefined;
    try {
      const { statusCode: status = 0 } = response;
      if (status !== 206) await this.#beginAnew();
      else if (!(response.headers["content-range"] ?? "").startsWith(`bytes ${from}-`)) {
        await this.#beginAnew();
        throw new CutError(
          `asked for bytes from ${from} on, the server sent ${response.headers["content-range"]}`,
        );
      }
      let received = this.#received as number;
      const announced = response.headers["content-length"];
      if (announced !== undefined && Number(announced) !== total - received) {
        throw new Error(`expected ${total - received} bytes, the server announces ${announced}`);
      }
      const { etag, "last-modified": modified } = response.headers;
      const mark = etag === undefined || etag.startsWith("W/") ? modified : etag;
      if (mark !== undefined) this.#validators.set(url.href, mark);
      this.#sources.add(url.href);
      let measured = received;
      pace = setInterval(() => {
        const least = (minimumRate * silenceTimeout) / 1000;
        const came = received - measured;
        measured = received;
        if (came >= least) return;
        const seconds = silenceTimeout / 1000;
        const slow = came === 0 ? `nothing came for ${seconds} s` : `only ${came} bytes came in ${seconds} s`;
        response.destroy(new Error(`${slow}, less than ${minimumRate} bytes per second`));
      }, silenceTimeout);
      onProgress?.(received, total);
      try {
        for await (const chunk of response as AsyncIterable<Uint8Array>) {
          if (received + chunk.length > total) {
            await this.#beginAnew();
            throw new Error(`more than the expected ${total} bytes came`);
          }
          this.#bytes.set(chunk, received);
          received += chunk.length;
          this.#received = received;
          onProgress?.(received, total);
          await this.part.keep(received);
        }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === undefined) throw error;
        throw new CutError(
          `cut off after ${received} of ${total} bytes (status ${status}): ${reasonOf(error)}`,
        );
      }
      if (received !== total)
        throw new CutError(
          `expected ${total} bytes, the transfer ended after ${received} (status ${status})`,
        );
    } finally {
      clearInterval(pace);
      response.destroy();
    }
  }
}

/** Opens the address and what it redirects to, until a response with a body comes. */
async function open(
  start: URL,
  range: Readonly<Record<string, string>>,
  silenceTimeout: number,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  // "identity": the .gz file itself is wanted, whatever the server calls its encoding.
  const headers = { "accept-encoding": "identity", ...range };
  let url = start;
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    const response = await httpGet(url, { signal, headers, silenceTimeout });
    const status = response.statusCode ?? 0;
    if (status === 200 || (status === 206 && "range" in range)) return response;
    response.destroy();
    // The part asked for is not there: the file is another one.
    if (status === 416 && "range" in range) return open(start, {}, silenceTimeout, signal);
    const location = response.headers.location;
    if (status < 300 || status >= 400 || !location)
      throw new Error(`the server answered ${`${status} ${response.statusMessage ?? ""}`.trim()}`);
    url = new URL(location, url);
    if (url.protocol !== "https:" && url.protocol !== "http:") throw new Error(`redirected to ${url}`);
  }
  throw new Error(`more than ${MOST_REDIRECTS} redirects`);
}
