/** Files of data sets in a page: what is taken, what is refused, what stays in Cache Storage. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { loadDataset, pageMirrors } from "../../src/browser/datasets.ts";
import { fetchFile } from "../../src/browser/fetch-file.ts";
import { type SourceFile, sha256Hex } from "../../src/data/published/dataset-source.ts";
import { DataError } from "../../src/validation/errors.ts";

const CACHE = "weft-test-fetch-file";
const bytes = Uint8Array.from({ length: 5000 }, (_, i) => (i * 31) % 251);
const wrong = bytes.map((value, i) => (i === 4321 ? value ^ 1 : value));
let file: SourceFile;
let answers: Record<string, (signal: AbortSignal | null | undefined) => Response | Promise<Response>>;
let asked: string[];

beforeEach(async () => {
  file = { name: "part.gz", bytes: bytes.length, sha256: await sha256Hex(bytes) };
  answers = {};
  asked = [];
  vi.stubGlobal("fetch", async (url: string, { signal }: RequestInit = {}) => {
    asked.push(url);
    const answer = answers[url];
    if (answer === undefined) throw new TypeError("Failed to fetch");
    return Promise.race([
      answer(signal),
      new Promise<Response>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason))),
    ]);
  });
});
afterEach(async () => {
  vi.unstubAllGlobals();
  await caches.delete(CACHE);
});

const good = () => new Response(bytes);

describe("fetchFile", () => {
  it("takes the first address that delivers the published bytes, and tells how far it is", async () => {
    answers = {
      "https://a/part.gz": () => new Response("no", { status: 404 }),
      "https://b/part.gz": () => new Response(wrong),
      "https://c/part.gz": () => new Response(bytes.slice(0, 100)),
      "https://d/part.gz": () => new Response(new Uint8Array(6000)),
      "https://e/part.gz": good,
    };
    const heard: number[] = [];
    const addresses = ["https://none/part.gz", ...Object.keys(answers)];
    const onProgress = (received: number) => void heard.push(received);
    expect(await fetchFile(file, addresses, { onProgress })).toEqual({
      bytes,
      url: "https://e/part.gz",
      cached: false,
    });
    expect(asked).toEqual(addresses);
    expect(heard.at(-1)).toBe(bytes.length);
  });

  it("names every address and its fault when none delivers", async () => {
    answers = {
      "https://b/part.gz": () => new Response(wrong),
      "https://c/part.gz": () => new Response(bytes.slice(0, 100)),
    };
    const failing = fetchFile(file, ["https://none/part.gz", ...Object.keys(answers)]);
    await expect(failing).rejects.toThrow(DataError);
    await expect(failing).rejects.toThrow(
      /none\/part.gz: Failed to fetch; .*b\/part.gz: expected sha256.*got 100/,
    );
  });

  it("keeps what was checked, by content, and asks nobody again", async () => {
    answers = { "https://a/part.gz": good };
    await fetchFile(file, ["https://a/part.gz"], { cacheName: CACHE });
    const again = await fetchFile(file, ["https://other/part.gz"], { cacheName: CACHE });
    expect(again).toEqual({ bytes, url: "https://a/part.gz", cached: true });
    expect(asked).toEqual(["https://a/part.gz"]);
  });

  it("throws a damaged copy away and fetches anew; keeps nothing that is wrong", async () => {
    answers = { "https://a/part.gz": () => new Response(wrong) };
    await expect(fetchFile(file, ["https://a/part.gz"], { cacheName: CACHE })).rejects.toThrow(DataError);
    const cache = await caches.open(CACHE);
    expect(await cache.keys()).toEqual([]);
    await cache.put(`https://weft.invalid/${file.sha256}`, new Response(wrong));
    answers = { "https://a/part.gz": good };
    const fetched = await fetchFile(file, ["https://a/part.gz"], { cacheName: CACHE });
    expect(fetched.cached).toBe(false);
    expect((await fetchFile(file, [], { cacheName: CACHE })).cached).toBe(true);
  });

  it("gives up on an address that falls silent, in the middle too", async () => {
    // As a real body does, this one ends with the signal's reason.
    const stuck = (signal: AbortSignal | null | undefined) =>
      new Response(
        new ReadableStream({
          start: (controller) => {
            controller.enqueue(bytes.slice(0, 10));
            signal?.addEventListener("abort", () => controller.error(signal.reason));
          },
        }),
      );
    answers = { "https://a/part.gz": () => new Promise(() => undefined), "https://c/part.gz": good };
    // Time enough for the good one on a busy machine.
    expect((await fetchFile(file, Object.keys(answers), { silenceTimeout: 2000 })).url).toBe(
      "https://c/part.gz",
    );
    answers = { "https://b/part.gz": stuck };
    const silent = fetchFile(file, ["https://b/part.gz"], { silenceTimeout: 30 });
    await expect(silent).rejects.toThrow(/nothing came/);
  });

  it("ends with the reason of its signal", async () => {
    answers = { "https://a/part.gz": () => new Promise(() => undefined) };
    const abort = new AbortController();
    const waiting = fetchFile(file, ["https://a/part.gz"], { signal: abort.signal });
    setTimeout(() => abort.abort(new Error("enough")), 20);
    await expect(waiting).rejects.toThrow("enough");
  });
});

describe("loadDataset", () => {
  const source = () => ({
    name: "tiny",
    title: "Tiny",
    homepage: "https://home/",
    files: [file],
    mirrors: ["http://plain/", "https://mirror/tiny/"],
    read: async (get: (name: string) => Promise<Uint8Array>) => (await get("part.gz")).length,
  });

  it("asks beside the page first, then mirrors over https, and never those without", async () => {
    answers = { "https://mirror/tiny/part.gz": good };
    const heard: [number, number][] = [];
    const length = await loadDataset(source(), {
      baseUrl: "https://here/some/data/",
      cacheName: null,
      onProgress: ({ received, total }) => void heard.push([received, total]),
    });
    expect(length).toBe(bytes.length);
    expect(asked).toEqual(["https://here/some/data/tiny/part.gz", "https://mirror/tiny/part.gz"]);
    expect(heard.at(-1)).toEqual([5000, 5000]);
    expect(pageMirrors(source())).toEqual(["https://mirror/tiny/"]);
  });

  it("leaves the page's folder out where there is none", async () => {
    answers = { "https://mirror/tiny/part.gz": good };
    await loadDataset(source(), { baseUrl: null, cacheName: null });
    expect(asked).toEqual(["https://mirror/tiny/part.gz"]);
  });
});
