/** How folders of images are divided and what is in them: parts by any name, links, levels, what systems leave behind. */
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Dataset } from "../../src/data/dataset.ts";
import { datasets } from "../../src/node/datasets.ts";
import type { ImageParts } from "../../src/node/images/image-folder.ts";
import { DataError } from "../../src/validation/errors.ts";
import { rawPng } from "../support/raw-png.ts";

let root = "";
let notices: string[] = [];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "weft-folder-"));
  notices = [];
});
afterEach(() => rm(root, { recursive: true, force: true }));

const dot = rawPng({ width: 1, height: 1 }, Uint8Array.of(0, 90));
async function put(...paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), dot);
  }
}
async function link(path: string, target: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await symlink(
    target.startsWith("/") || target.startsWith(".") ? target : join(root, target),
    join(root, path),
  );
}
const read = (folder = "") =>
  datasets.imageFolder(join(root, folder), { onNotice: (text) => notices.push(text) });
const whole = async (folder = "") => (await read(folder)) as Dataset;
const parts = async (folder = "") => (await read(folder)) as ImageParts;
const refused = async (message: string, folder = "") => {
  const error = await read(folder).catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(DataError);
  expect((error as Error).message).toContain(message);
  expect((error as Error).message).toContain(root);
};

describe("parts", () => {
  const spellings: [train: string, held: string][] = [
    ["train", "test"],
    ["Train", "Test"],
    ["TRAINING", "TESTING"],
    ["train", "valid"],
    ["training", "validation"],
    ["train", "dev"],
    ["train", "eval"],
    ["train2017", "val2017"],
    ["train_set", "test-set"],
    ["training_set", "test_set"],
    ["TrainImages", "TestImages"],
    ["01_train", "02_val"],
    ["images_train", "images_test"],
    ["seg_train", "seg_test"],
    ["ILSVRC2012_img_train", "ILSVRC2012_img_val"],
    ["trn", "tst"],
  ];
  test.each(spellings)("%s and %s", async (train, held) => {
    await put(`${train}/cat/1.png`, `${train}/dog/1.png`, `${train}/dog/2.png`, `${held}/dog/1.png`);
    const found = await parts();
    expect([found.train.count, found.test.count]).toEqual([3, 1]);
    expect([found.train.split, found.test.split, [...found.test.labels]]).toEqual(["train", "test", [1]]);
    expect(found.train.classNames).toEqual(["cat", "dog"]);
    expect(notices).toEqual([`${join(root, held)}: has no images of cat`]);
  });

  test("train, val and test are three", async () => {
    for (const part of ["train", "val", "test"]) await put(`${part}/cat/1.png`, `${part}/dog/1.png`);
    await put("val/dog/2.png");
    const { train, test: held, validation } = await parts();
    expect([train.count, held.count, validation?.count, validation?.split]).toEqual([2, 2, 3, "validation"]);
    await put("val/bird/1.png");
    await refused(`${join(root, "val", "bird")}: there is no such class in`);
  });

  test("one part alone is one data set", async () => {
    await put("train/cat/1.png", "train/dog/1.png");
    expect(await whole()).toMatchObject({ split: "train", classNames: ["cat", "dog"] });
  });

  test("that can't be told from classes, or from each other, are refused", async () => {
    await put("a/train/cat/1.png", "a/test/cat/1.png", "a/extra/cat/1.png");
    await refused("holds test, train beside extra", "a");
    await put("b/train/cat/1.png", "b/training/cat/1.png");
    await refused("train, training are all names of the train part", "b");
    await put("c/test/cat/1.png", "c/val/cat/1.png");
    await refused("but no folder `train`", "c");
    await put("d/train/cat/1.png", "d/test/1.png");
    await refused(`${join(root, "d", "test")}: holds images, but no folders`, "d");
    await put("e/train/1.png", "e/test/1.png");
    await refused("holds images, but no folders", "e");
    await put("f/cat/train/1.png", "f/cat/test/1.png", "f/dog/train/1.png", "f/dog/test/1.png");
    await refused(`${join(root, "f", "cat")}: has parts in it (test, train)`, "f");
  });

  test("classes may be called like parts", async () => {
    await put("bus/1.png", "train/1.png", "tram/1.png");
    expect((await whole()).classNames).toEqual(["bus", "train", "tram"]);
    await put("fruit/valid/1.png", "fruit/invalid/1.png");
    expect((await whole("fruit")).classNames).toEqual(["invalid", "valid"]);
    await put("tubes/test tubes/1.png", "tubes/trains/1.png");
    expect((await whole("tubes")).classNames).toEqual(["test tubes", "trains"]);
  });
});

describe("levels", () => {
  test("a folder with nothing but another one in it is gone into", async () => {
    await put("set/data/train/cat/1.png", "set/data/train/dog/1.png", "set/data/test/cat/1.png");
    expect((await parts()).train.classNames).toEqual(["cat", "dog"]);
    await put("zip/zip/cat/1.png", "zip/zip/dog/1.png");
    expect((await whole("zip")).classNames).toEqual(["cat", "dog"]);
    for (const part of ["training_set", "test_set"])
      await put(`k/${part}/${part}/cat/1.png`, `k/${part}/${part}/dog/1.png`);
    expect((await parts("k")).test.classNames).toEqual(["cat", "dog"]);
    // One class is one class.
    await put("one/cat/1.png");
    expect((await whole("one")).classNames).toEqual(["cat"]);
  });

  test("folders that all hold the same folders are said", async () => {
    await put("2019/cat/1.png", "2019/dog/1.png", "2020/cat/1.png", "2020/dog/1.png");
    expect((await whole()).classNames).toEqual(["2019", "2020"]);
    expect(notices).toEqual([expect.stringContaining("each of its folders holds folders cat, dog")]);
  });
});

describe("links", () => {
  test("to folders and files, in and out of the folder, are followed", async () => {
    await put("set/cat/1.png", "store/bird/1.png", "store/bird/2.png", "store/more/3.png", "x.png");
    await link("set/bird", "store/bird");
    await link("set/cat/more", "../../store/more");
    await link("set/cat/9.png", "x.png");
    expect(await whole("set")).toMatchObject({ count: 5, classNames: ["bird", "cat"] });
    await link("split/train", "set");
    await link("split/test", "set");
    expect((await parts("split")).test.count).toBe(5);
    await link("way", "set");
    expect((await whole("way")).count).toBe(5);
  });

  test("in circles, to nothing, and without end are refused", async () => {
    await put("a/cat/1.png");
    await link("a/cat/up", "a");
    await refused(`${join(root, "a/cat/up")}: is a link to`, "a");
    await put("b/cat/1.png");
    await link("b/cat/self", "b/cat");
    await refused("which it lies in", "b");
    await put("c/cat/1.png");
    await link("c/dog", "gone");
    await refused(`${join(root, "c/dog")}: is a link to ${join(root, "gone")}, which is not there`, "c");
    await put("d/cat/1.png");
    await link("d/dog", "d/dog");
    await refused("which leads in a circle", "d");
    // 2^20 ways to one folder.
    for (let i = 0; i < 20; i++) {
      await link(`deep/${i}/x`, `deep/${i + 1}`);
      await link(`deep/${i}/y`, `deep/${i + 1}`);
    }
    await put("deep/20/1.png");
    await refused("links lead to the same folders more than 1000 times", "deep/0");
  });
});

describe("what is no image", () => {
  test("is counted and said; what systems leave behind is not even that", async () => {
    await put("cat/1.png", "dog/1.jpe", "dog/2.JFIF", "notes.txt", "cat/list.csv", "dog/README");
    await put(
      "__MACOSX/cat/._1.png",
      "cat/._1.png",
      "cat/Thumbs.db",
      ".git/x.png",
      "dog/desktop.ini",
      "@eaDir/1.png",
    );
    expect(await whole()).toMatchObject({ count: 3, classNames: ["cat", "dog"] });
    expect(notices).toEqual([`${root}: 3 files are not images and are left out`]);
    await put("0.png");
    await read();
    expect(notices).toContain(`${root}: 1 images lie beside the classes' folders and are left out`);
  });

  test("an empty class is refused by name, in a part, too", async () => {
    await put("cat/1.png", "empty/x.txt");
    await refused(`${join(root, "empty")}: holds no .png`);
    await put("two/train/cat/1.png", "two/test/cat/1.png");
    await mkdir(join(root, "two/train/dog"));
    await refused(`${join(root, "two/train/dog")}: holds no .png`, "two");
  });

  test("images of other kinds are named", async () => {
    await put("cat/1.png");
    await writeFile(join(root, "cat/2.webp"), "RIFF\x24\0\0\0WEBPVP8 ", "latin1");
    await refused(`${join(root, "cat/2.webp")}: is a WebP image; convert it to PNG or JPEG`);
    await writeFile(join(root, "cat/2.webp"), "GIF89a");
    await refused("is a GIF image");
  });

  test("pipes and devices are never opened", async () => {
    await put("a/cat/1.png", "b/cat/1.png", "c/cat/1.png");
    execFileSync("mkfifo", [join(root, "a/cat/2.png")]);
    await refused(`${join(root, "a/cat/2.png")}: is a pipe, not an image file`, "a");
    await link("b/cat/2.png", "/dev/zero");
    await refused(`${join(root, "b/cat/2.png")}: is a device, not an image file`, "b");
    await link("c/cat/2.png", "a/cat/2.png");
    await refused("is a pipe, not an image file", "c");
  });
});

describe("files that are none", () => {
  const readers: [what: string, read: (path: string) => Promise<unknown>][] = [
    ["csv", (path) => datasets.csv(path, { label: 0 })],
    ["npz", (path) => datasets.npz(path)],
    ["npy", (path) => datasets.npy(path, path)],
    ["imageFolder", (path) => datasets.imageFolder(path)],
  ];
  test.each(readers)("are refused at once by %s", async (_, open) => {
    const pipe = join(root, "pipe");
    execFileSync("mkfifo", [pipe]);
    for (const path of [pipe, "/dev/zero", "/dev/random"]) {
      const error = await open(path).catch((cause: unknown) => cause);
      expect(error).toBeInstanceOf(DataError);
      expect((error as Error).message).toMatch(
        /: can't be read: it is a (pipe|device), not a file$|: is not a folder$/,
      );
      expect((error as Error).message).toContain(path);
    }
  });
});
