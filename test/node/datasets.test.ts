/** Loading and downloading data sets, against a server on this computer that misbehaves in every way we know. */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { DatasetSource } from "../../src/data/published/dataset-source.ts";
import { type DownloadProgress, datasets, loadDataset } from "../../src/node/datasets.ts";
import { downloadFile } from "../../src/node/download/download-file.ts";
import { DataError } from "../../src/validation/errors.ts";
import { withRealData } from "../support/real-data.ts";

const contents: Record<string, Uint8Array> = {
  "one.bin": Uint8Array.from({ length: 200_000 }, (_, i) => i * 7),
  "two.gz": gzipSync("hello"),
};

/** A data set of two files whose "parts" are just their sizes. */
const toySource = (mirrors: string[]): DatasetSource<number[]> => ({
  name: "toy",
  title: "Toy set",
  homepage: "https://example.org/toy",
  mirrors,
  files: Object.entries(contents).map(([name, bytes]) => ({
    name,
    bytes: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  })),
  async read(fetchFile) {
    return [(await fetchFile("one.bin")).length, (await fetchFile("two.gz")).length];
  },
});

const servers: Server[] = [];
/** Starts a server; its address ends with a slash. */
async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
const bodyOf = (url: string | undefined) => contents[(url ?? "").split("/").pop() ?? ""] as Uint8Array;
const good: RequestListener = (request, response) => {
  const body = bodyOf(request.url);
  response.writeHead(200, { "content-length": body.length }).end(body);
};
/** An address nobody listens on. */
async function closedPort(): Promise<string> {
  const address = await serve(good);
  await new Promise((resolve) => servers.pop()?.close(resolve));
  return address;
}

let dataDir = "";
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "weft-data-"));
});
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  await rm(dataDir, { recursive: true, force: true });
});
/** What lies in the data set's folder, temporary files included. */
const stored = () => readdir(join(dataDir, "toy")).catch(() => [] as string[]);

describe("loadDataset", () => {
  test("downloads what is missing with progress, keeps it, and asks no server the second time", async () => {
    let requests = 0;
    const mirror = await serve((request, response) => {
      requests++;
      good(request, response);
    });
    const seen: DownloadProgress[] = [];
    const options = { dataDir, onProgress: (progress: DownloadProgress) => void seen.push(progress) };
    expect(await loadDataset(toySource([mirror]), options)).toEqual([200_000, contents["two.gz"]?.length]);
    expect((await stored()).sort()).toEqual(["one.bin", "two.gz"]);
    expect(new Uint8Array(await readFile(join(dataDir, "toy", "one.bin")))).toEqual(contents["one.bin"]);
    const first = seen.filter(({ file }) => file === "one.bin");
    expect(first[0]).toEqual({ dataset: "toy", file: "one.bin", received: 0, total: 200_000 });
    expect(first.at(-1)?.received).toBe(200_000);
    expect(first.every(({ received }, i) => i === 0 || received > (first[i - 1]?.received ?? 0))).toBe(true);

    expect(requests).toBe(2);
    seen.length = 0;
    await loadDataset(toySource([mirror]), { ...options, download: false });
    expect([requests, seen.length]).toEqual([2, 0]);
  });

  test("uses WEFT_DATA when no folder is given", async () => {
    const before = process.env.WEFT_DATA;
    process.env.WEFT_DATA = dataDir;
    try {
      await loadDataset(toySource([await serve(good)]));
    } finally {
      if (before === undefined) delete process.env.WEFT_DATA;
      else process.env.WEFT_DATA = before;
    }
    expect(await stored()).toHaveLength(2);
  });

  test("a mirror's slash may be missing; what is no address is refused, as a path too", async () => {
    const mirror = (await serve(good)).replace(/\/$/, "");
    const sizes = await loadDataset(toySource([]), { dataDir, mirrors: [`${mirror}/sets`] });
    expect(sizes).toEqual([contents["one.bin"]?.length, contents["two.gz"]?.length]);
    const bad = loadDataset(toySource([]), { dataDir, mirrors: ["nonsense"] });
    await expect(bad).rejects.toThrow('toy: mirrors must be addresses such as "https://example.com/mnist/"');
    const options = { label: 0 };
    await expect(datasets.csv("https://example.com/a.csv", options)).rejects.toThrow("is an address");
    await expect(datasets.csv(new URL("file:///a.csv") as never, options)).rejects.toThrow(
      "path must be a text",
    );
  });

  test("follows redirects, and not for ever", async () => {
    const target = await serve(good);
    const moved = await serve((request, response) => {
      response.writeHead(302, { location: new URL(request.url ?? "", target).href }).end();
    });
    expect(await loadDataset(toySource([moved]), { dataDir })).toHaveLength(2);
    const circle = await serve((request, response) => {
      response.writeHead(301, { location: request.url ?? "/" }).end();
    });
    const file = toySource([]).files[0];
    if (file) await expect(downloadFile(file, [circle])).rejects.toThrow("more than 5 redirects");
  });

  test("takes the file as it is when the server calls it content-encoding: gzip", async () => {
    const mirror = await serve((request, response) => {
      response.writeHead(200, { "content-encoding": "gzip" }).end(bodyOf(request.url));
    });
    expect(await loadDataset(toySource([mirror]), { dataDir })).toHaveLength(2);
  });

  const changed = Uint8Array.from(contents["one.bin"] as Uint8Array).fill(9, 100, 101);
  const bad: [what: string, answer: RequestListener, message: RegExp][] = [
    ["404", (_, response) => void response.writeHead(404).end("gone"), /the server answered 404/],
    ["another size", (_, response) => void response.end("short"), /expected 200000 bytes, (got|the)/],
    [
      "too much, of unknown length",
      (_, response) => {
        response.writeHead(200);
        for (let i = 0; i < 10; i++) response.write(new Uint8Array(50_000));
        response.end();
      },
      /more than the expected 200000 bytes/,
    ],
    [
      "a body cut off",
      (_, response) => {
        response.writeHead(200, { "content-length": 200_000 });
        response.write(new Uint8Array(1000), () => response.destroy());
      },
      /aborted|hang up|reset/,
    ],
    [
      "a body that ends early, of unknown length",
      (_, response) => void response.writeHead(200).end(new Uint8Array(1000)),
      /the transfer ended after 1000/,
    ],
    [
      "the wrong content",
      (_, response) => void response.end(changed),
      /expected sha256 [0-9a-f]{64}, got [0-9a-f]{64}/,
    ],
    ["a hang-up", (request) => void request.socket.destroy(), /hang up|reset/],
  ];
  test.each(bad)("a mirror that gives %s: the next one is asked", async (_, answer, reason) => {
    const broken = await serve(answer);
    expect(await loadDataset(toySource([broken, await serve(good)]), { dataDir })).toHaveLength(2);
    await rm(join(dataDir, "toy"), { recursive: true });
    const attempt = loadDataset(toySource([broken]), { dataDir });
    await expect(attempt).rejects.toThrow(DataError);
    await expect(attempt).rejects.toThrow(reason);
    await expect(attempt).rejects.toThrow(`${broken}one.bin`);
    expect(await stored()).toEqual([]);
  });

  test("a mirror that falls silent is given up", async () => {
    const silent = await serve((_, response) => {
      response.writeHead(200, { "content-length": 200_000 });
      response.write(new Uint8Array(1000));
    });
    const mute = await serve(() => {});
    const file = toySource([]).files[0];
    if (!file) return;
    await expect(downloadFile(file, [silent, mute], { silenceTimeout: 200 })).rejects.toThrow(
      /nothing came for 0\.2 s|aborted.*nothing came for 0\.2 s/,
    );
    // Time enough for the good one on a busy machine.
    expect(await downloadFile(file, [silent, await serve(good)], { silenceTimeout: 3000 })).toHaveLength(
      200_000,
    );
  });

  test("a slow server that keeps sending is waited for", async () => {
    const slow = await serve(async (request, response) => {
      const body = bodyOf(request.url);
      for (let at = 0; at < body.length; at += 20_000) {
        response.write(body.subarray(at, at + 20_000));
        await new Promise((resolve) => setTimeout(resolve, 400));
      }
      response.end();
    });
    const file = toySource([]).files[0];
    if (file) expect(await downloadFile(file, [slow], { silenceTimeout: 3000 })).toEqual(contents["one.bin"]);
  });

  test("abort during the transfer: rejects at once, leaves nothing behind", async () => {
    const slow = await serve((_, response) => {
      response.writeHead(200, { "content-length": 200_000 });
      response.write(new Uint8Array(1000));
    });
    const controller = new AbortController();
    const attempt = loadDataset(toySource([slow, await serve(good)]), {
      dataDir,
      signal: controller.signal,
      onProgress: ({ received }) => received > 0 && controller.abort(),
    });
    await expect(attempt).rejects.toMatchObject({ name: "AbortError" });
    expect(await stored()).toEqual([]);
    await expect(
      loadDataset(toySource([slow]), { dataDir, signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({
      name: "AbortError",
    });
  });

  test("offline: refused connections, unknown names and unanswered calls show within 5 seconds", async () => {
    const refused = await closedPort();
    // ".invalid" never resolves (RFC 2606); 192.0.2.1 is set aside for documentation (RFC 5737) and answers nobody.
    const mirrors = [refused, "http://mirror.invalid/toy/", "http://192.0.2.1/a/", "https://192.0.2.1/b/"];
    const error = await loadDataset(toySource(mirrors), { dataDir }).catch((e: unknown) => e as Error);
    expect(error).toBeInstanceOf(DataError);
    const message = (error as Error).message;
    expect(message).toContain("is this computer offline?");
    for (const mirror of mirrors) expect(message).toContain(`${mirror}one.bin`);
    expect(message).toContain("put one.bin, two.gz (see https://example.org/toy) into");
    expect(message).toContain(join(dataDir, "toy"));
    expect(message).toContain("WEFT_DATA");
    expect(await stored()).toEqual([]);
  });

  test("a mirror that can't be reached is passed over quickly", async () => {
    const mirrors = ["http://192.0.2.1/", await closedPort(), await serve(good)];
    expect(await loadDataset(toySource(mirrors), { dataDir, connectTimeout: 3000 })).toHaveLength(2);
  });

  test("missing files with downloads switched off, or no mirror", async () => {
    await expect(loadDataset(toySource(["http://127.0.0.1/"]), { dataDir, download: false })).rejects.toThrow(
      `${join(dataDir, "toy", "one.bin")} is missing and downloads are switched off: put one.bin, two.gz`,
    );
    await expect(loadDataset(toySource([]), { dataDir })).rejects.toThrow(
      "can't be downloaded automatically",
    );
  });

  test("a damaged file in the folder is named with both hashes, and left alone", async () => {
    await mkdir(join(dataDir, "toy"));
    const path = join(dataDir, "toy", "one.bin");
    await writeFile(path, changed);
    const attempt = loadDataset(toySource([await serve(good)]), { dataDir });
    await expect(attempt).rejects.toThrow(DataError);
    await expect(attempt).rejects.toThrow(`${path}: expected sha256 `);
    await expect(attempt).rejects.toThrow("delete it to have it downloaded again");
    expect(new Uint8Array(await readFile(path))).toEqual(changed);
    await writeFile(path, "short");
    await expect(loadDataset(toySource([]), { dataDir })).rejects.toThrow(
      `${path}: expected 200000 bytes, got 5`,
    );
    await rm(path);
    await mkdir(path);
    await expect(loadDataset(toySource([]), { dataDir })).rejects.toThrow(`${path}: can't be read`);
  });

  test("a folder that can't be made is named", async () => {
    const file = join(dataDir, "file");
    await writeFile(file, "");
    await expect(loadDataset(toySource([await serve(good)]), { dataDir: file })).rejects.toThrow(file);
  });
});

describe("the published sets", () => {
  const countsOf = (labels: ArrayLike<number>) => {
    const counts = new Array<number>(10).fill(0);
    for (const label of Array.from(labels)) counts[label] = (counts[label] ?? 0) + 1;
    return counts;
  };
  const meanOf = (bytes: ArrayLike<number>) => {
    let sum = 0;
    for (let i = 0; i < bytes.length; i++) sum += bytes[i] as number;
    return sum / bytes.length / 255;
  };

  withRealData("mnist", (realTest) => {
    realTest("MNIST", async (folder) => {
      const { train, test: held } = await datasets.mnist({ dataDir: folder, download: false });
      expect([train.count, held.count]).toEqual([60_000, 10_000]);
      expect(train.inputs.shape).toEqual([1, 28, 28]);
      expect([...train.labels.subarray(0, 10)]).toEqual([5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
      expect([...held.labels.subarray(0, 10)]).toEqual([7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
      expect(countsOf(held.labels)).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
      expect(meanOf(train.inputs.data)).toBeCloseTo(0.1307, 4);
    });
  });

  withRealData("fashion-mnist", (realTest) => {
    realTest("Fashion-MNIST", async (folder) => {
      const { train, test: held } = await datasets.fashionMnist({ dataDir: folder, download: false });
      expect([...train.labels.subarray(0, 10)]).toEqual([9, 0, 0, 3, 0, 2, 7, 2, 5, 5]);
      expect([...held.labels.subarray(0, 10)]).toEqual([9, 2, 1, 1, 6, 1, 4, 6, 5, 7]);
      expect(countsOf(train.labels)).toEqual(new Array(10).fill(6000));
      expect(meanOf(train.inputs.data)).toBeCloseTo(0.286, 4);
      expect(train.classNames?.[9]).toBe("Ankle boot");
    });
  });

  withRealData("cifar10", (realTest) => {
    realTest("CIFAR-10, the batches that are there", async (folder) => {
      const { train, test: held, note } = await datasets.cifar10({ dataDir: folder, download: false });
      expect(train.count % 10_000).toBe(0);
      if (train.count < 50_000) expect(note).toMatch(/of 50,000 training images: batch(es)? [1-5]/);
      expect(train.inputs.shape).toEqual([3, 32, 32]);
      expect(countsOf(held.labels)).toEqual(new Array(10).fill(1000));
      expect([...held.labels.subarray(0, 10)]).toEqual([3, 8, 8, 0, 6, 6, 1, 6, 3, 1]);
      expect([...train.labels.subarray(0, 10)]).toEqual([6, 9, 9, 4, 1, 1, 2, 7, 8, 3]);
      expect(countsOf(train.labels.subarray(10_000, 20_000))).toEqual([
        ...[984, 1007, 1010, 995, 1010, 988, 1008, 1026, 987, 985],
      ]);
      // Red, green and blue of batch 1.
      const means = [0, 0, 0];
      for (let i = 0; i < 10_000 * 3072; i++) {
        const channel = Math.floor(i / 1024) % 3;
        means[channel] = (means[channel] as number) + (train.inputs.data[i] as number);
      }
      expect(means.map((sum) => (sum / 1024 / 10_000 / 255).toFixed(4))).toEqual([
        "0.4935",
        "0.4834",
        "0.4472",
      ]);
      expect(train.classNames?.[9]).toBe("truck");
    });
  });

  withRealData("usps", (realTest) => {
    realTest("USPS", async (folder) => {
      const { train, test: held } = await datasets.usps({ dataDir: folder, download: false });
      expect([train.count, held.count]).toEqual([7291, 2007]);
      expect(countsOf(train.labels)).toEqual([1194, 1005, 731, 658, 652, 556, 664, 645, 542, 644]);
      expect(countsOf(held.labels)).toEqual([359, 264, 198, 166, 200, 160, 170, 147, 166, 177]);
      expect([...train.labels.subarray(0, 10)]).toEqual([6, 5, 4, 7, 3, 6, 3, 1, 0, 1]);
      expect(train.inputs.shape).toEqual([1, 16, 16]);
      expect(meanOf(train.inputs.data) * 255).toBeCloseTo(-0.491, 4);
      expect(meanOf(held.inputs.data) * 255).toBeCloseTo(-0.4648, 4);
    });
  });

  withRealData("digits", (realTest) => {
    realTest("digits", async (folder) => {
      const all = await datasets.digits({ dataDir: folder, download: false });
      expect([all.count, all.split, ...all.inputs.shape]).toEqual([1797, "all", 1, 8, 8]);
      expect(countsOf(all.labels)).toEqual([178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
      expect([...all.labels.subarray(0, 10)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      // The first row of the first image; the network sees 0 .. 1.
      expect([...all.inputs.data.subarray(0, 8)]).toEqual([0, 0, 5, 13, 9, 1, 0, 0]);
      expect(all.inputs.scale).toBe(1 / 16);
    });
  });

  withRealData("boston", (realTest) => {
    realTest("Boston housing, StatLib's text and UCI's", async (folder) => {
      const all = await datasets.boston({ dataDir: folder, download: false });
      expect([all.count, ...all.inputs.shape]).toEqual([506, 13]);
      const column = (j: number) => Array.from({ length: 506 }, (_, i) => all.inputs.data[i * 13 + j] ?? 0);
      const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
      expect(mean(column(0))).toBeCloseTo(3.6135, 4);
      expect(mean(column(11))).toBeCloseTo(356.674, 3);
      expect(mean(column(12))).toBeCloseTo(12.6531, 4);
      expect(mean([...all.labels])).toBeCloseTo(22.5328, 4);
      expect(column(3).filter((tract) => tract === 1)).toHaveLength(35);
      expect(all.columns?.[12]).toBe("LSTAT");
      await mkdir(join(dataDir, "boston"));
      const uci = await readFile(join(folder, "boston", "housing.data"));
      await writeFile(join(dataDir, "boston", "housing.data"), uci);
      expect(await datasets.boston({ dataDir, download: false })).toEqual(all);
      // A number changed: still a table, but not the published one.
      await writeFile(join(dataDir, "boston", "housing.data"), uci.toString().replace("24.00", "24.10"));
      await expect(datasets.boston({ dataDir, download: false })).rejects.toThrow(
        "boston/housing.data: numbers: expected sha256",
      );
    });
  });

  test("sets that are not there say which files to put where", async () => {
    const attempt = datasets.usps({ dataDir });
    await expect(attempt).rejects.toThrow(DataError);
    await expect(attempt).rejects.toThrow(
      `zip.train.gz is missing and can't be downloaded automatically: put zip.train.gz and zip.test.gz`,
    );
    await expect(datasets.cifar10({ dataDir, download: false })).rejects.toThrow(
      "put cifar-10-binary.tar.gz, or test_batch.bin and some of data_batch_1.bin .. data_batch_5.bin",
    );
    await expect(datasets.digits({ dataDir, download: false })).rejects.toThrow(
      "put optdigits.tes or digits.csv.gz (see https://archive.ics.uci.edu/",
    );
  });
});
