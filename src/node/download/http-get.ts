/**
 * GET over http and https, directly or through the proxy that the environment names, by the variables that curl uses. Node
 * supports them itself only from version 24 on.
 */
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { DataError } from "../../validation/errors.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface GetOptions {
  readonly signal?: AbortSignal | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds without a byte after which the request fails. */
  readonly silenceTimeout: number;
}

/**
 * The proxy for `url`: HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, lower case before upper case, unless NO_PROXY names the host.
 * Throws DataError on a value that is not the address of an http or https proxy.
 */
export function proxyFor(url: URL, env: Environment = process.env): URL | undefined {
  const named = (name: string) => env[name] || env[name.toUpperCase()];
  const text = named(url.protocol === "https:" ? "https_proxy" : "http_proxy") || named("all_proxy");
  if (!text || isExempt(url, named("no_proxy") ?? "")) return undefined;
  const whole = text.includes("://") ? text : `http://${text}`;
  const proxy = URL.canParse(whole) ? new URL(whole) : undefined;
  if (proxy === undefined || !/^https?:$/.test(proxy.protocol) || proxy.hostname === "") {
    // The value is not quoted: it may contain a password.
    throw new DataError(
      `the proxy that the environment names for ${url.protocol} is not the address of an http or https proxy`,
    );
  }
  return proxy;
}

/** `example.org`, `.example.org`, `*.example.org`: a host and its subdomains; `host:8080`: one port; `*`: all hosts. */
function isExempt(url: URL, list: string): boolean {
  const entries = list.toLowerCase().split(/[\s,]+/);
  return entries.some((entry) => {
    // The last group of an IPv6 address is not a port.
    const port = isIP(entry) ? undefined : /:(\d+)$/.exec(entry)?.[1];
    if (entry === "" || (port !== undefined && Number(port) !== portOf(url))) return false;
    const name = port === undefined ? entry : entry.slice(0, -port.length - 1);
    const domain = withoutBrackets(name).replace(/^\*?\./, "");
    const host = withoutBrackets(url.hostname);
    return domain === "*" || host === domain || host.endsWith(`.${domain}`);
  });
}

/** An IPv6 address of a URL without its brackets. */
export const withoutBrackets = (host: string): string => host.replace(/^\[|\]$/g, "");
export const portOf = (url: URL): number => Number(url.port) || (url.protocol === "https:" ? 443 : 80);

/** Sends the request and resolves with the response, whatever its status. */
export async function httpGet(url: URL, options: GetOptions): Promise<IncomingMessage> {
  const proxy = proxyFor(url);
  if (proxy === undefined) {
    return responseOf(options, (given) =>
      (url.protocol === "https:" ? httpsRequest : httpRequest)(url, given),
    );
  }
  if (url.protocol === "http:") {
    const headers = { ...options.headers, ...authorization(proxy), host: url.host };
    return responseOf({ ...options, headers }, (given) => toProxy(proxy, { ...given, path: url.href }));
  }
  const socket = await tunnel(proxy, url, options);
  return responseOf(options, (given) => httpsRequest(url, { ...given, createConnection: () => socket }));
}

type Given = Pick<GetOptions, "signal" | "headers">;

function responseOf(
  { silenceTimeout, ...given }: GetOptions,
  send: (given: Given) => ReturnType<typeof httpRequest>,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = send(given);
    request.on("response", resolve).on("error", reject);
    request.setTimeout(silenceTimeout, () => request.destroy(silence(silenceTimeout)));
    request.end();
  });
}

const silence = (milliseconds: number) => new Error(`nothing came for ${milliseconds / 1000} s`);

const toProxy = (proxy: URL, options: Given & { readonly method?: string; readonly path: string }) =>
  (proxy.protocol === "https:" ? httpsRequest : httpRequest)(proxy.origin, { ...options, agent: false });

function authorization({ username, password }: URL): Record<string, string> {
  if (username === "" && password === "") return {};
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(credentials).toString("base64")}` };
}

/** An encrypted connection to `url`'s host through the proxy, which learns only the host's name. */
function tunnel(proxy: URL, url: URL, { signal, silenceTimeout }: GetOptions) {
  const path = `${url.hostname}:${portOf(url)}`;
  const headers = { host: path, ...authorization(proxy) };
  return new Promise<ReturnType<typeof tlsConnect>>((resolve, reject) => {
    const request = toProxy(proxy, { signal, method: "CONNECT", path, headers });
    const refused = (status: number | undefined) =>
      reject(new Error(`the proxy ${proxy.origin} answered ${status} when asked for ${path}`));
    request.on("connect", ({ statusCode }, socket) => {
      if (statusCode !== 200) {
        socket.destroy();
        return refused(statusCode);
      }
      const { hostname } = url;
      const secured = tlsConnect({ socket, ...(isIP(hostname) ? {} : { servername: hostname }) });
      secured.once("error", reject).once("secureConnect", () => {
        secured.off("error", reject);
        resolve(secured);
      });
    });
    request.on("response", ({ statusCode }) => {
      request.destroy();
      refused(statusCode);
    });
    request.on("error", (cause) =>
      reject(new Error(`the proxy ${proxy.origin}: ${cause.message}`, { cause })),
    );
    request.setTimeout(silenceTimeout, () => request.destroy(silence(silenceTimeout)));
    request.end();
  });
}
