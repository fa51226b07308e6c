/** Files are written whole or not at all, and nothing is left lying about. */
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { writeFileAtomic } from "../../src/node/files/atomic-write.ts";
import { cacheDirectory, dataDirectory } from "../../src/node/files/cache-folder.ts";
import { WeftError } from "../../src/validation/errors.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weft-files-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe("writeFileAtomic", () => {
  test("writes bytes and text, makes folders, replaces what was there", async () => {
    const path = join(folder, "a", "b", "weights.bin");
    await writeFileAtomic(path, Uint8Array.of(1, 2, 3));
    expect([...(await readFile(path))]).toEqual([1, 2, 3]);
    await writeFileAtomic(path, "text");
    expect(await readFile(path, "utf8")).toBe("text");
    expect(await readdir(join(folder, "a", "b"))).toEqual(["weights.bin"]);
  });

  test("a failed write leaves the target as it was and no temporary file", async () => {
    await mkdir(join(folder, "taken", "inside"), { recursive: true });
    const attempt = writeFileAtomic(join(folder, "taken"), "x");
    await expect(attempt).rejects.toThrow(WeftError);
    await expect(attempt).rejects.toThrow(join(folder, "taken"));
    expect(await readdir(folder)).toEqual(["taken"]);
    await writeFile(join(folder, "file"), "old");
    await expect(writeFileAtomic(join(folder, "file", "below"), "x")).rejects.toThrow(WeftError);
    expect(await readFile(join(folder, "file"), "utf8")).toBe("old");
  });

  test("a folder that can't be written to, or made, is named", async () => {
    // Root may write anywhere but where the file system itself says no.
    const root = process.getuid?.() === 0;
    if (process.platform === "linux") {
      const path = "/proc/weft/x";
      await expect(writeFileAtomic(path, "x")).rejects.toThrow(/can't write \/proc\/weft\/x/);
    }
    await chmod(folder, 0o500);
    if (!root) await expect(writeFileAtomic(join(folder, "x"), "x")).rejects.toThrow(join(folder, "x"));
    await chmod(folder, 0o700);
    await writeFileAtomic(join(folder, "deep", "er", "x"), "x");
    expect(await readFile(join(folder, "deep", "er", "x"), "utf8")).toBe("x");
  });

  test("abort: before and while writing", async () => {
    const path = join(folder, "x");
    await writeFile(path, "old");
    await expect(writeFileAtomic(path, "new", { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
    const controller = new AbortController();
    const attempt = writeFileAtomic(path, new Uint8Array(50_000_000), { signal: controller.signal });
    setTimeout(() => controller.abort(), 2);
    await expect(attempt).rejects.toThrow(/abort/i);
    expect(await readFile(path, "utf8")).toBe("old");
    expect(await readdir(folder)).toEqual(["x"]);
  });

  test("two writers at once: one of them wins whole", async () => {
    const path = join(folder, "x");
    const texts = ["a", "b", "c", "d"].map((letter) => letter.repeat(100_000));
    await Promise.all(texts.map((text) => writeFileAtomic(path, text)));
    expect(texts).toContain(await readFile(path, "utf8"));
    expect(await readdir(folder)).toEqual(["x"]);
  });
});

describe("data directory", () => {
  test("option, then WEFT_DATA, then the cache folder of the platform", () => {
    expect(dataDirectory("here", { WEFT_DATA: "/there" })).toBe(resolve("here"));
    expect(dataDirectory(undefined, { WEFT_DATA: "/there" })).toBe(resolve("/there"));
    expect(dataDirectory(undefined, { XDG_CACHE_HOME: "/cache" })).toBe(join("/cache", "weft"));
    expect(cacheDirectory({}, "linux", "/home/ada")).toBe(join("/home/ada", ".cache", "weft"));
    expect(cacheDirectory({ XDG_CACHE_HOME: "relative" }, "linux", "/home/ada")).toBe(
      join("/home/ada", ".cache", "weft"),
    );
    expect(cacheDirectory({}, "darwin", "/Users/ada")).toBe(join("/Users/ada", "Library", "Caches", "weft"));
    expect(cacheDirectory({ LOCALAPPDATA: "/local" }, "win32", "/x")).toBe(join("/local", "weft", "Cache"));
  });
});
