/** Downloads that are cut off, come too slowly, are continued elsewhere or later, and go through proxies; all on this computer. */
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type DownloadOptions, downloadFile } from "../../src/node/download/download-file.ts";
import { proxyFor } from "../../src/node/download/http-get.ts";
import { lockFolder } from "../../src/node/files/folder-lock.ts";
import { DataError } from "../../src/validation/errors.ts";

/** Of no host but the one in these tests. */
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgaL7BkVbD0ZxdjF02
RJKYueYsmkONWplE1ZEQSb9LkPqhRANCAASH7zDIQHjlUc4MkYZSQWT9p2husL44
kwSsWhPSmsyXg1oXTdz/9nMZCeePPYbqmq4QAoeDfpL1H54tkMGI93xT
-----END PRIVATE KEY-----`;
const CERT = `-----BEGIN CERTIFICATE-----
MIIBhDCCASmgAwIBAgIUdFgU4uV24n91A/DAiir1PEA8cEkwCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLbWlycm9yLnRlc3QwIBcNMjYxMTMwMDkzNTUwWhgPMjEyNjEx
MDYwOTM1NTBaMBYxFDASBgNVBAMMC21pcnJvci50ZXN0MFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAEh+8wyEB45VHODJGGUkFk/adobrC+OJMErFoT0prMl4NaF03c
//ZzGQnnjz2G6pquEAKHg36S9R+eLZDBiPd8U6NTMFEwHQYDVR0OBBYEFHAGtIwr
aG+8wB7EELw6hh82++YPMB8GA1UdIwQYMBaAFHAGtIwraG+8wB7EELw6hh82++YP
MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhANKBWWn6XYRWepI3
4poE1PxcRhMtQdHmyy7GFqQRSR/4AiEAv5a1fBGQJZDOIEOE6j9CI+QMlGcevPK8
BkYG+NEIZSk=
-----END CERTIFICATE-----`;

const content = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 9)) % 251);
const file = {
  name: "one.bin",
  bytes: content.length,
  sha256: createHash("sha256").update(content).digest("hex"),
};

const servers: Server[] = [];
async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return (server.address() as AddressInfo).port;
}
const serve = async (answer: RequestListener) => `http://127.0.0.1:${await listen(createServer(answer))}/`;

let folder = "";
const before = { ...process.env };
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weft-download-"));
  for (const name of Object.keys(process.env)) if (/_proxy$/i.test(name)) delete process.env[name];
});
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  for (const name of Object.keys(process.env)) if (/_proxy$/i.test(name)) delete process.env[name];
  Object.assign(process.env, before);
  await rm(folder, { recursive: true, force: true });
});

interface Mirror {
  readonly url: string;
  /** `range` and `if-range` of each request. */
  readonly asked: (string | undefined)[][];
}

interface Behaviour {
  /** Bytes after which the connection is cut, for each request; the last goes on for all later ones. */
  readonly cuts: readonly number[];
  readonly ranges?: boolean;
  readonly etag?: string;
  readonly body?: Uint8Array;
}

async function mirror({ cuts, ranges = true, etag, body = content }: Behaviour): Promise<Mirror> {
  const asked: (string | undefined)[][] = [];
  const url = await serve((request, response) => {
    const cut = cuts[Math.min(asked.length, cuts.length - 1)] as number;
    asked.push([request.headers.range, request.headers["if-range"] as string | undefined]);
    const from = ranges ? Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0) : 0;
    response.writeHead(from > 0 ? 206 : 200, {
      "content-length": body.length - from,
      ...(from > 0 ? { "content-range": `bytes ${from}-${body.length - 1}/${body.length}` } : {}),
      ...(etag === undefined ? {} : { etag }),
    });
    const part = body.subarray(from, from + cut);
    if (part.length < body.length - from) response.write(part, () => response.destroy());
    else response.end(part);
  });
  return { url, asked };
}

const fetched = (mirrors: readonly Mirror[], options: DownloadOptions = {}) =>
  downloadFile(
    file,
    mirrors.map(({ url }) => url),
    options,
  );
const isWhole = (bytes: Uint8Array) => Buffer.compare(bytes, content) === 0;

describe("a transfer that is cut off", () => {
  test("goes on where it stopped, if the file there is still the same", async () => {
    const one = await mirror({ cuts: [100_000, 50_000, 1e9], etag: '"v1"' });
    const seen: number[] = [];
    expect(isWhole(await fetched([one], { onProgress: (received) => void seen.push(received) }))).toBe(true);
    expect(one.asked).toEqual([
      [undefined, undefined],
      ["bytes=100000-", '"v1"'],
      ["bytes=150000-", '"v1"'],
    ]);
    expect([...seen].sort((a, b) => a - b)).toEqual(seen);
  });

  test("starts over where the server knows no ranges or sends the whole file, which may have changed", async () => {
    const whole = await mirror({ cuts: [100_000, 1e9], ranges: false });
    expect(isWhole(await fetched([whole]))).toBe(true);
    expect(whole.asked).toHaveLength(2);
  });

  test("goes on at the next mirror; what two mirrors make together is checked, and fetched whole if it is wrong", async () => {
    const first = await mirror({ cuts: [100_000, 0], etag: '"a"' });
    const second = await mirror({ cuts: [1e9] });
    expect(isWhole(await fetched([first, second]))).toBe(true);
    expect(second.asked).toEqual([["bytes=100000-", undefined]]);
    const wrong = await mirror({ cuts: [100_000, 0], body: content.map((byte) => byte ^ 1) });
    expect(isWhole(await fetched([wrong, second]))).toBe(true);
    expect(second.asked.slice(1)).toEqual([
      ["bytes=100000-", undefined],
      [undefined, undefined],
    ]);
  });

  test("is told with its reason, status and bytes; nobody is asked for ever", async () => {
    const never = await mirror({ cuts: [1000] });
    const stuck = await mirror({ cuts: [1000, 0] });
    const attempt = fetched([never, stuck]);
    await expect(attempt).rejects.toThrow(DataError);
    await expect(attempt).rejects.toThrow(
      /cut off after \d+ of 300000 bytes \(status 206\): .*(aborted|reset|hang up).*ECONNRESET/,
    );
    expect(never.asked.length + stuck.asked.length).toBeLessThan(20);
    const gone = await serve((_, response) => void response.writeHead(503).end());
    await expect(downloadFile(file, [gone])).rejects.toThrow("the server answered 503 Service Unavailable");
  });

  test.each([
    ["another place", "bytes 5-299999/300000"],
    ["no place", undefined],
  ])("a server that answers with %s is not believed", async (_, range) => {
    let requests = 0;
    const url = await serve((_, response) => {
      requests++;
      if (requests === 1) {
        response.writeHead(200, { "content-length": content.length });
        response.write(content.subarray(0, 1000), () => response.destroy());
      } else if (requests === 2) {
        response.writeHead(206, range === undefined ? {} : { "content-range": range });
        response.end(content.subarray(5));
      } else response.end(content);
    });
    const good = await mirror({ cuts: [1e9] });
    expect(isWhole(await downloadFile(file, [url, good.url]))).toBe(true);
  });

  test("a range that is not there any more: all of it", async () => {
    const asked: (string | undefined)[] = [];
    const url = await serve((request, response) => {
      asked.push(request.headers.range);
      if (request.headers.range) response.writeHead(416).end();
      else if (asked.length > 1) response.end(content);
      else {
        response.writeHead(200, { "content-length": content.length });
        response.write(content.subarray(0, 1000), () => response.destroy());
      }
    });
    expect(isWhole(await downloadFile(file, [url]))).toBe(true);
    expect(asked).toEqual([undefined, "bytes=1000-", undefined]);
  });
});

describe("a later process", () => {
  const part = () => join(folder, "one.bin.part");

  test("goes on with what an earlier one kept, and nothing stays behind", async () => {
    const broken = await mirror({ cuts: [100_000, 0] });
    await expect(fetched([broken], { partFile: part() })).rejects.toThrow(/cut off after 100000/);
    expect(await readdir(folder)).toEqual(["one.bin.part"]);
    expect(new Uint8Array(await readFile(part()))).toEqual(content.subarray(0, 100_000));
    const sound = await mirror({ cuts: [1e9] });
    expect(isWhole(await fetched([sound], { partFile: part() }))).toBe(true);
    expect(sound.asked).toEqual([["bytes=100000-", undefined]]);
    expect(await readdir(folder)).toEqual([]);
  });

  test("a kept part that is of another file is fetched anew", async () => {
    await writeFile(part(), new Uint8Array(100_000).fill(3));
    const sound = await mirror({ cuts: [1e9] });
    expect(isWhole(await fetched([sound], { partFile: part() }))).toBe(true);
    expect(sound.asked).toHaveLength(2);
    for (const size of [content.length, content.length + 5]) {
      await writeFile(part(), new Uint8Array(size));
      expect(isWhole(await fetched([sound], { partFile: part() }))).toBe(true);
      expect(sound.asked.at(-1)).toEqual([undefined, undefined]);
      expect(await readdir(folder)).toEqual([]);
    }
  });

  test("an abort keeps the part; two at once don't mix theirs", async () => {
    const abort = new AbortController();
    const slow = await serve((_, response) => {
      response.writeHead(200, { "content-length": content.length });
      response.write(content.subarray(0, 200_000));
    });
    const onProgress = (received: number) => {
      if (received < 200_000) return;
      const watch = setInterval(() => {
        if (statSync(part()).size < 200_000) return;
        clearInterval(watch);
        abort.abort();
      }, 5);
    };
    await expect(
      downloadFile(file, [slow], { partFile: part(), signal: abort.signal, onProgress }),
    ).rejects.toMatchObject({ name: "AbortError" });
    expect((await readFile(part())).length).toBe(200_000);
    const lock = await lockFolder(folder);
    const sound = await mirror({ cuts: [1e9] });
    expect(isWhole(await fetched([sound], { partFile: part() }))).toBe(true);
    expect(sound.asked).toEqual([[undefined, undefined]]);
    expect((await readFile(part())).length).toBe(200_000);
    await lock.release();
  });
});

test("a server that trickles is given up, one that is slow but fast enough is waited for", async () => {
  const trickle = (bytes: number, everyMs: number) =>
    serve((_, response) => {
      response.writeHead(200, { "content-length": content.length });
      let at = 0;
      const timer = setInterval(() => {
        response.write(content.subarray(at, at + bytes));
        at += bytes;
        if (at >= content.length) response.end();
      }, everyMs);
      response.on("close", () => clearInterval(timer));
    });
  await expect(downloadFile(file, [await trickle(1, 20)], { silenceTimeout: 2000 })).rejects.toThrow(
    /only \d+ bytes came in 2 s, less than 1000 bytes per second/,
  );
  // As a whole it takes longer than silence may last; between two pieces a busy machine may well pause.
  const enough = await trickle(20_000, 300);
  expect(isWhole(await downloadFile(file, [enough], { silenceTimeout: 3000 }))).toBe(true);
});

describe("proxies", () => {
  test.each<[string, Record<string, string>, string | undefined]>([
    ["http://a.org/", {}, undefined],
    ["http://a.org/", { http_proxy: "http://p:1" }, "http://p:1"],
    ["http://a.org/", { HTTP_PROXY: "p:1" }, "http://p:1"],
    ["http://a.org/", { http_proxy: "http://low:1", HTTP_PROXY: "http://up:1" }, "http://low:1"],
    ["http://a.org/", { http_proxy: "", HTTP_PROXY: "" }, undefined],
    ["https://a.org/", { HTTP_PROXY: "http://p:1" }, undefined],
    ["https://a.org/", { HTTPS_PROXY: "https://p:1" }, "https://p:1"],
    ["https://a.org/", { ALL_PROXY: "http://p:1" }, "http://p:1"],
    ["https://a.org/", { https_proxy: "http://p", no_proxy: "*" }, undefined],
    ["https://a.org/", { https_proxy: "http://p", NO_PROXY: "b.org, A.ORG" }, undefined],
    ["https://x.a.org/", { https_proxy: "http://p", no_proxy: "a.org" }, undefined],
    ["https://x.a.org/", { https_proxy: "http://p", no_proxy: ".a.org" }, undefined],
    ["https://x.a.org/", { https_proxy: "http://p", no_proxy: "*.a.org" }, undefined],
    ["https://xa.org/", { https_proxy: "http://p", no_proxy: "a.org" }, "http://p"],
    ["https://a.org/", { https_proxy: "http://p", no_proxy: "a.org:8443" }, "http://p"],
    ["https://a.org:8443/", { https_proxy: "http://p", no_proxy: "a.org:8443" }, undefined],
    ["http://127.0.0.1/", { http_proxy: "http://p", no_proxy: "127.0.0.1" }, undefined],
    ["http://[::1]:5/", { http_proxy: "http://p", no_proxy: "::1" }, undefined],
    ["http://[::1]:5/", { http_proxy: "http://p", no_proxy: "[::1]:6" }, "http://p"],
  ])("%s with %j", (url, env, expected) => {
    expect(proxyFor(new URL(url), env)?.origin).toBe(expected);
  });

  test("what is no proxy is refused, without telling its password", async () => {
    for (const text of ["socks5://u:secret@p:1", "http://", "http://u:secret@[", "ftp://p"]) {
      const attempt = () => proxyFor(new URL("http://a.org/"), { http_proxy: text });
      expect(attempt, text).toThrow(DataError);
      expect(attempt, text).not.toThrow(/secret/);
    }
    process.env.http_proxy = "socks5://p";
    await expect(downloadFile(file, ["http://mirror.invalid/"])).rejects.toThrow(
      /not the address of an http or https proxy/,
    );
  });

  test("http goes to the proxy as it is, with its password", async () => {
    const seen: unknown[] = [];
    const proxy = await serve((request, response) => {
      seen.push([
        request.url,
        request.headers.host,
        request.headers["proxy-authorization"],
        request.headers.authorization,
      ]);
      response.end(content);
    });
    process.env.HTTP_PROXY = proxy.replace("http://", "http://me:p%40ss@");
    expect(isWhole(await downloadFile(file, ["http://mirror.invalid/sets/"]))).toBe(true);
    const word = `Basic ${Buffer.from("me:p@ss").toString("base64")}`;
    expect(seen).toEqual([["http://mirror.invalid/sets/one.bin", "mirror.invalid", word, undefined]]);
    process.env.NO_PROXY = "127.0.0.1";
    const direct = await mirror({ cuts: [1e9] });
    expect(isWhole(await fetched([direct]))).toBe(true);
    expect([seen.length, direct.asked.length]).toEqual([1, 1]);
  });

  test("https goes through a tunnel, and a proxy that refuses or is not there is named", async () => {
    const secure = createSecureServer({ key: KEY, cert: CERT }, (_, response) => void response.end(content));
    const port = await listen(secure as unknown as Server);
    const asked: string[] = [];
    const proxy = createServer();
    proxy.on("connect", (request, socket) => {
      asked.push(request.url ?? "");
      if (request.headers["proxy-authorization"] === undefined) {
        socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
        return;
      }
      const target = connect(port, "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
        target.pipe(socket).pipe(target);
      });
      for (const end of [socket, target]) end.on("error", () => undefined);
    });
    const address = `127.0.0.1:${await listen(proxy)}`;
    process.env.https_proxy = `http://u:p@${address}`;
    // The certificate is these tests' own.
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
    try {
      expect(isWhole(await downloadFile(file, ["https://mirror.test/sets/"]))).toBe(true);
    } finally {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    }
    await expect(downloadFile(file, ["https://mirror.test/"])).rejects.toThrow(/self.signed|certificate/i);
    process.env.https_proxy = `http://${address}`;
    await expect(downloadFile(file, ["https://mirror.test:8443/"])).rejects.toThrow(
      `the proxy http://${address} answered 407 when asked for mirror.test:8443`,
    );
    expect(asked).toEqual(["mirror.test:443", "mirror.test:443", "mirror.test:8443"]);
    const closed = createServer();
    const nobody = `127.0.0.1:${await listen(closed)}`;
    await new Promise((done) => closed.close(done));
    process.env.https_proxy = `http://u:secret@${nobody}`;
    const attempt = downloadFile(file, ["https://mirror.test/"]);
    await expect(attempt).rejects.toThrow(
      `can't be reached (the proxy http://${nobody}: connect ECONNREFUSED`,
    );
    await expect(attempt).rejects.not.toThrow(/secret/);
  });
});
