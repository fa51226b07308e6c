/** Sets in MNIST's files, whose images stay there until someone looks at them. */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readable } from "../../src/data/lazy-inputs.ts";
import type { DatasetSource } from "../../src/data/published/dataset-source.ts";
import { datasetSources } from "../../src/data/published/index.ts";
import { shardsOf } from "../../src/data/sharded.ts";
import { loadDataset } from "../../src/node/datasets.ts";

let dataDir = "";
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "weft-mnist-"));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

describe("a set like MNIST", () => {
  /** Five and two pictures of 4 x 3 pixels. */
  const idx = (shape: number[], values: number[]) =>
    gzipSync(Uint8Array.from([0, 0, 8, shape.length, ...shape.flatMap((n) => [0, 0, 0, n]), ...values]));
  const pixels = (count: number) => Array.from({ length: 12 * count }, (_, i) => (i * 37) % 256);
  const packed: Record<string, Uint8Array> = {
    "train-images-idx3-ubyte.gz": idx([5, 4, 3], pixels(5)),
    "train-labels-idx1-ubyte.gz": idx([5], [9, 0, 3, 3, 1]),
    "t10k-images-idx3-ubyte.gz": idx([2, 4, 3], pixels(2)),
    "t10k-labels-idx1-ubyte.gz": idx([2], [7, 2]),
  };
  const sourceOf = (mirrors: string[] = []): DatasetSource => ({
    ...datasetSources.mnist,
    mirrors,
    files: Object.entries(packed).map(([name, bytes]) => ({
      name,
      bytes: bytes.length,
      sha256: createHash("sha256").update(bytes).digest("hex"),
    })),
  });
  const put = async () => {
    await mkdir(join(dataDir, "mnist"));
    for (const [name, bytes] of Object.entries(packed)) await writeFile(join(dataDir, "mnist", name), bytes);
  };

  test("is the same whether its images stay in their files or not", async () => {
    await put();
    const source = sourceOf();
    const { train, test: held } = await loadDataset(source, { dataDir });
    const read = await source.read((name) => readFile(join(dataDir, "mnist", name)));
    for (const [part, whole] of [
      [train, read.train],
      [held, read.test],
    ] as const) {
      expect(readable(part.inputs)).toBeDefined();
      const parts = shardsOf(part);
      expect((await parts.read(1, 1)).inputs).toEqual(whole.inputs.data.slice(12, 24));
      expect(Uint8Array.from(part.inputs.data)).toEqual(Uint8Array.from(whole.inputs.data));
      expect(readable(part.inputs)).toBeUndefined();
      expect({ ...part, inputs: 0 }).toEqual({ ...whole, inputs: 0 });
      expect(part.inputs).toMatchObject({ shape: [1, 4, 3], scale: 1 / 255 });
    }
  });

  test("is downloaded where it is missing, and its damaged files are named", async () => {
    const server = createServer((request, response) => {
      const body = packed[(request.url ?? "").slice(1)] as Uint8Array;
      response.writeHead(200, { "content-length": body.length }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const { train } = await loadDataset(sourceOf([mirror]), { dataDir });
    expect([...train.inputs.data]).toEqual(pixels(5));
    server.closeAllConnections();
    server.close();
    const path = join(dataDir, "mnist", "t10k-images-idx3-ubyte.gz");
    const bytes = Uint8Array.from(packed["t10k-images-idx3-ubyte.gz"] as Uint8Array);
    bytes[20] = (bytes[20] as number) ^ 1;
    await writeFile(path, bytes);
    await expect(loadDataset(sourceOf([mirror]), { dataDir })).rejects.toThrow(
      /t10k-images-idx3-ubyte\.gz: expected sha256 \w+, got \w+; the file is damaged/,
    );
    await writeFile(path, bytes.subarray(1));
    await expect(loadDataset(sourceOf([mirror]), { dataDir })).rejects.toThrow(
      /expected \d+ bytes, got \d+; /,
    );
  });
});
