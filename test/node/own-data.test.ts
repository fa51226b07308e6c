/** Users' own files from disk: folders of images, CSV, NumPy; and the files and folders that are not what they should be. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import jpeg from "jpeg-js";
import { PNG } from "pngjs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Dataset } from "../../src/data/dataset.ts";
import { datasets } from "../../src/node/datasets.ts";
import { decodeImage } from "../../src/node/images/decode-image.ts";
import { DataError, FormatError, ValueError } from "../../src/validation/errors.ts";
import { npy, zip } from "../support/archives.ts";
import { rawPng } from "../support/raw-png.ts";

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "weft-own-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function put(path: string, content: Uint8Array | string): Promise<string> {
  const target = join(root, path);
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, content);
  return target;
}
const filled = (width: number, height: number, rgba: number[]) =>
  Buffer.from(Array.from({ length: width * height }, () => rgba).flat());
function png(width: number, height: number, rgba: number[]): Buffer {
  const image = new PNG({ width, height });
  image.data = filled(width, height, rgba);
  return PNG.sync.write(image);
}
const jpg = (width: number, height: number, rgba: number[]) =>
  jpeg.encode({ width, height, data: filled(width, height, rgba) }, 95).data;
const grey = [90, 90, 90, 255];
const red = [200, 30, 40, 255];

describe("imageFolder", () => {
  test("a folder per class, files in any depth, PNG and JPEG; colours stay apart", async () => {
    await put("b/1.png", png(4, 3, red));
    await put("b/deep/2.JPG", jpg(4, 3, red));
    await put("b/notes.txt", "not an image");
    await put("a/1.jpeg", jpg(4, 3, grey));
    await put(".cache/x.png", "hidden");
    const set = (await datasets.imageFolder(root)) as Dataset;
    expect(set).toMatchObject({ count: 3, classes: 2, classNames: ["a", "b"], split: "all" });
    expect([...set.labels]).toEqual([0, 1, 1]);
    expect(set.inputs.shape).toEqual([3, 3, 4]);
    expect(set.inputs.scale).toBe(1 / 255);
    const channel = (sample: number, c: number) => set.inputs.data[sample * 36 + c * 12 + 5] as number;
    expect([0, 1, 2].map((c) => channel(1, c))).toEqual([200, 30, 40]);
    for (const c of [0, 1, 2]) expect(Math.abs(channel(2, c) - channel(1, c))).toBeLessThan(4);
  });

  test("grey images have one channel; a size is stretched to", async () => {
    await put("a/1.png", png(4, 4, grey));
    await put("b/1.png", png(8, 2, grey));
    const attempt = datasets.imageFolder(root);
    await expect(attempt).rejects.toThrow(DataError);
    await expect(attempt).rejects.toThrow("1.png: is 8x2, images before it 4x4; give the `size`");
    const set = (await datasets.imageFolder(root, { size: [5, 6] })) as Dataset;
    expect(set.inputs.shape).toEqual([1, 5, 6]);
    expect(new Set(set.inputs.data)).toEqual(new Set([90]));
    const colour = (await datasets.imageFolder(root, { size: [5, 6], channels: 3 })) as Dataset;
    expect(colour.inputs.shape).toEqual([3, 5, 6]);
    await expect(datasets.imageFolder(root, { size: [0, 6] })).rejects.toThrow(ValueError);
  });

  test("train and test folders above the classes", async () => {
    await put("train/a/1.png", png(2, 2, grey));
    await put("train/b/1.png", png(2, 2, grey));
    await put("test/b/1.png", png(2, 2, red));
    const parts = await datasets.imageFolder(root);
    if (!("train" in parts)) throw new Error("not divided");
    expect([parts.train.count, parts.test.count]).toEqual([2, 1]);
    // A colour in either part makes both of three channels.
    expect(parts.train.inputs.shape).toEqual([3, 2, 2]);
    expect([...parts.test.labels]).toEqual([1]);
    await put("test/c/1.png", png(2, 2, red));
    await expect(datasets.imageFolder(root)).rejects.toThrow("there is no such class in");
  });

  const wrong: [what: string, file: string, content: () => Uint8Array | string, message: string][] = [
    ["an empty image", "a/1.png", () => "", "a/1.png: neither PNG nor JPEG, it begins with nothing"],
    [
      "a web page as an image",
      "a/1.jpg",
      () => "<html>",
      "a/1.jpg: neither PNG nor JPEG, it begins with 3c 68",
    ],
    ["half a PNG", "a/1.png", () => png(9, 9, red).subarray(0, 60), "a/1.png: truncated PNG"],
    ["half a JPEG", "a/1.jpg", () => jpg(99, 99, red).subarray(0, 800), "a/1.jpg: truncated JPEG"],
    ["a class without images", "a/1.txt", () => "x", "holds no .png, .jpg or .jpeg files"],
    ["images without classes", "1.png", () => png(1, 1, red), "holds no folders; each class needs one"],
  ];
  test.each(wrong)("refuses %s", async (_, file, content, message) => {
    await put(file, content());
    const error = await datasets.imageFolder(root).catch((e: unknown) => e);
    expect([DataError, FormatError].some((kind) => error instanceof kind)).toBe(true);
    expect((error as Error).message).toContain(message);
    expect((error as Error).message).toContain(root);
  });

  test("refuses what is no folder", async () => {
    const file = await put("file", "");
    await expect(datasets.imageFolder(file)).rejects.toThrow(`${file}: is not a folder`);
    await expect(datasets.imageFolder(join(root, "none"))).rejects.toThrow("there is no such folder");
  });
});

describe("decodeImage", () => {
  /** A PNG of other dimensions in its header, checksum put right. */
  function lying(bytes: Buffer, width: number, height: number): Buffer {
    const copy = Buffer.from(bytes);
    copy.writeUInt32BE(width, 16);
    copy.writeUInt32BE(height, 20);
    return copy;
  }
  test("headers that claim more pixels than there are cost nothing", () => {
    const before = process.memoryUsage().rss;
    const liar = lying(png(8, 8, red), 30_000, 1_300);
    expect(() => decodeImage(liar, { name: "f" })).toThrow(/^f: 30000x1300 pixels can't be in \d+ bytes/);
    expect(() => decodeImage(lying(liar, 2 ** 31, 2 ** 31))).toThrow("more than the limit");
    const flat = jpg(8, 8, red);
    const frame = flat.indexOf(Buffer.of(0xff, 0xc0));
    flat.writeUInt16BE(6000, frame + 5);
    flat.writeUInt16BE(6000, frame + 7);
    expect(() => decodeImage(flat, { name: "f" })).toThrow("f: 6000x6000 pixels can't be in");
    const small = png(8, 8, red);
    const twice = Buffer.concat([small.subarray(0, 33), liar.subarray(8, 33), small.subarray(33)]);
    expect(() => decodeImage(twice, { name: "f" })).toThrow(
      'expected one header, at byte 8, got "IHDR" at byte 33',
    );
    // A second frame, larger than the first.
    const sound = jpg(8, 8, red);
    const [from, scan] = [sound.indexOf(Buffer.of(0xff, 0xc0)), sound.indexOf(Buffer.of(0xff, 0xda))];
    const second = Buffer.from(sound.subarray(from, from + 2 + sound.readUInt16BE(from + 2)));
    second.writeUInt16BE(6000, 5);
    second.writeUInt16BE(6000, 7);
    const two = Buffer.concat([sound.subarray(0, scan), second, sound.subarray(scan)]);
    expect(() => decodeImage(two, { name: "f" })).toThrow("f: damaged JPEG file: maxResolutionInMP limit");
    expect(() => decodeImage(png(9, 9, red), { mostPixels: 80 })).toThrow(
      "9x9 pixels are more than the limit of 80",
    );
    expect(process.memoryUsage().rss - before).toBeLessThan(100e6);
  });
  test("an interlaced PNG that inflates for ever is stopped", () => {
    const interlaced = { width: 8, height: 8, interlaced: true };
    const bomb = rawPng(interlaced, new Uint8Array(50_000_000));
    expect(() => decodeImage(bomb, { name: "f" })).toThrow("f: damaged PNG file");
    // Rows of 1, 1, 2, 2, 4, 4 and 8 pixels, each with its filter byte.
    expect(decodeImage(rawPng(interlaced, new Uint8Array(64 + 15))).data).toHaveLength(256);
  });
});

describe("files by path", () => {
  test("CSV, plain and gzipped, named by its path", async () => {
    const path = await put("t.csv", "a,y\n1,0\n2,1\n");
    const set = await datasets.csv(path, { label: "y" });
    expect([set.name, set.count]).toEqual([path, 2]);
    const packed = await put("t.csv.gz", gzipSync("a,y\n1,0\n2,1\n"));
    expect((await datasets.csv(packed, { label: "y", name: path })).inputs).toEqual(set.inputs);
    await put("t.csv", "a,y\n1,0\n2\n");
    await expect(datasets.csv(path, { label: "y" })).rejects.toThrow(`${path}: line 3: expected 2 columns`);
  });

  test("NumPy's files", async () => {
    const x = npy("|u1", [2, 3], [1, 2, 3, 4, 5, 6]);
    const y = npy("|u1", [2], [0, 1]);
    const [xs, ys] = [await put("x.npy", x), await put("y.npy", y)];
    expect((await datasets.npy(xs, ys)).inputs).toEqual({
      data: Uint8Array.of(1, 2, 3, 4, 5, 6),
      shape: [3],
      scale: 1 / 255,
    });
    const archive = await put("a.npz", await zip({ "x.npy": x, "y.npy": y }));
    expect((await datasets.npz(archive)) as Dataset).toMatchObject({ name: archive, classes: 2, count: 2 });
    await put("a.npz", (await zip({ "x.npy": x })).subarray(9));
    await expect(datasets.npz(archive)).rejects.toThrow(FormatError);
  });

  test("no file, an empty one, a folder, one that may not be read", async () => {
    const none = join(root, "none.csv");
    await expect(datasets.csv(none, { label: 0 })).rejects.toThrow(`${none}: there is no such file`);
    await expect(datasets.csv(root, { label: 0 })).rejects.toThrow(`${root}: can't be read`);
    await expect(datasets.npz(root)).rejects.toThrow(DataError);
    const empty = await put("empty", "");
    await expect(datasets.csv(empty, { label: 0 })).rejects.toThrow(`${empty}: holds no lines`);
    await expect(datasets.npz(empty)).rejects.toThrow(`${empty}: not a zip archive`);
    await expect(datasets.npy(empty, empty)).rejects.toThrow(`${empty}: not a .npy file`);
    await chmod(root, 0o755);
    const secret = await put("a/1.png", png(1, 1, red));
    await chmod(secret, 0o000);
    // The superuser may read everything; only as somebody else is there something to see.
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) process.seteuid?.(65_534);
    try {
      await expect(datasets.csv(secret, { label: 0 })).rejects.toThrow(`${secret}: can't be read`);
      await expect(datasets.imageFolder(root)).rejects.toThrow(`${secret}: can't be read`);
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  });
});
