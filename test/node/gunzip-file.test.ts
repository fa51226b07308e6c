/** Reading parts of what is in a gzip file, in any order, and what files can do wrong. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { gunzippedFile } from "../../src/node/files/gunzip-file.ts";
import { DataError, FormatError } from "../../src/validation/errors.ts";

/** Larger than what is unpacked at a time, and hard to pack. */
const content = Uint8Array.from({ length: 300_001 }, (_, i) => Math.imul(i ^ (i >>> 3), 2654435761) >>> 24);
const packed = gzipSync(content);

let folder = "";
const write = async (name: string, bytes: Uint8Array) => {
  await writeFile(join(folder, name), bytes);
  return join(folder, name);
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "weft-gunzip-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const part = (offset: number, length: number) => content.subarray(offset, offset + length);
const same = (got: Uint8Array, offset: number, length: number) =>
  expect(Buffer.compare(got, part(offset, length)), `bytes ${offset} to ${offset + length}`).toBe(0);

it("reads parts one after the other, past gaps, backwards, at the same time, and all at once", async () => {
  const file = await gunzippedFile(await write("good.gz", packed));
  expect(file.size).toBe(content.length);
  for (const [offset, length] of [
    [0, 16],
    [16, 100_000],
    [200_000, 5],
    [3, 0],
    [3, 70_000],
    [0, 300_001],
    [299_999, 2],
  ] as const) {
    same(await file.read(offset, length), offset, length);
  }
  const both = await Promise.all([file.read(1000, 3000), file.read(0, 500), file.read(500, 7)]);
  expect(both).toEqual([part(1000, 3000), part(0, 500), part(500, 7)]);
  same(file.load(), 0, content.length);
});

it("fills the memory that it is given, if it is as long", async () => {
  const file = await gunzippedFile(await write("into.gz", packed));
  const into = new Uint8Array(400);
  expect(await file.read(100, 400, into)).toBe(into);
  expect(into).toEqual(part(100, 400));
  expect(await file.read(500, 10, into)).toEqual(part(500, 10));
  expect(into).toEqual(part(100, 400));
});

it("names files that are damaged, cut off, too short, gone or none, and reads on after a failure", async () => {
  const broken = Uint8Array.from(packed);
  broken.fill(255, 50_000, 50_100);
  const damaged = await gunzippedFile(await write("broken.gz", broken));
  await expect(damaged.read(0, content.length)).rejects.toThrow(FormatError);
  await expect(damaged.read(0, content.length)).rejects.toThrow(/broken\.gz: damaged or truncated gzip file/);
  expect(() => damaged.load()).toThrow(/broken\.gz: damaged or truncated gzip file/);
  expect(await damaged.read(0, 10)).toEqual(part(0, 10));

  const cut = await gunzippedFile(await write("cut.gz", packed.subarray(0, 60_000)));
  await expect(cut.read(0, content.length)).rejects.toThrow(/cut\.gz: damaged or truncated/);
  await expect(gunzippedFile(await write("short.gz", packed.subarray(0, 17)))).rejects.toThrow(/17 bytes/);
  await expect(gunzippedFile(join(folder, "nothing.gz"))).rejects.toThrow(DataError);

  const file = await gunzippedFile(await write("gone.gz", packed));
  await rm(join(folder, "gone.gz"));
  await expect(file.read(0, 10)).rejects.toThrow(/gone\.gz: can't be read: ENOENT/);
  expect(() => file.load()).toThrow(/gone\.gz: can't be read: ENOENT/);
});
