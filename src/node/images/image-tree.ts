/**
 * Finds the images of a folder, and decides which of its folders are classes and which are parts (training, validation, test)
 * that hold the classes. Links are followed.
 * Refuses, naming the path: links in circles or to nothing, images in other formats, pipes and devices with image names,
 * classes without images, and folders that may be parts or classes.
 */
import type { Dirent } from "node:fs";
import { readdir, readlink, realpath, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileKind } from "../../data/formats/file-kind.ts";
import { DataError } from "../../validation/errors.ts";
import { fileBytes, nameOfKind } from "../files/plain-file.ts";

type PartKind = "train" | "validation" | "test";

interface ClassFolder {
  readonly name: string;
  /** Paths of its images in any depth, sorted. */
  readonly files: readonly string[];
}

export interface ImagePart {
  /** "all" where the folder is not divided. */
  readonly kind: PartKind | "all";
  readonly path: string;
  readonly classes: readonly ClassFolder[];
}

type Notice = (text: string) => void;

const IMAGE = /\.(png|jpe?g|jpe|jfif)$/i;
const OTHER_IMAGE = /\.(webp|gif|bmp|dib|tiff?|avif|heic|heif|hif|jxl|jp2|j2k|ppm|pgm|pbm|pnm|tga|exr|qoi)$/i;
/** Files that operating systems and programs leave behind. */
const JUNK =
  /^(\..*|__MACOSX|__pycache__|Thumbs\.db|ehthumbs\.db|desktop\.ini|@eaDir|\$RECYCLE\.BIN|System Volume Information|lost\+found|Icon\r)$/i;
/** How often links may lead to folders that were read already: links to folders of links grow exponentially. */
const MOST_REPEATED_FOLDERS = 1000;

const PART_NAMES: Readonly<Record<PartKind, string>> = {
  train: "train|training|trn",
  validation: "val|valid|vali|validation|validate|dev|devel|development|eval|evaluation|holdout",
  test: "test|tests|testing|tst",
};
const FILLER =
  "(?:set|sets|split|data|dataset|image|images|img|imgs|pic|pics|picture|pictures|photo|photos|folder|dir|part)*";
const PARTS = (Object.entries(PART_NAMES) as [PartKind, string][]).map(
  ([kind, names]) => [kind, new RegExp(`^${FILLER}(?:${names})${FILLER}$`)] as const,
);

/** The part that a folder of this name holds, in any usual spelling: Train, VALID, test_set, train2017. */
function partOf(name: string): PartKind | undefined {
  const letters = name.toLowerCase().replace(/[^\p{L}]/gu, "");
  return PARTS.find(([, pattern]) => pattern.test(letters))?.[0];
}

interface Folder {
  readonly name: string;
  readonly path: string;
  readonly folders: readonly Folder[];
  readonly images: readonly string[];
  /** Number of files directly in it that are not images. */
  readonly others: number;
}

/** The parts with their classes; one of kind "all" if the folder is not divided. `notice` is told what is left out. */
export async function findImages(root: string, notice: Notice): Promise<readonly ImagePart[]> {
  const tree = await new TreeReader(root).read();
  const top = withoutWrappers(tree);
  const parts = partFolders(top);
  const found =
    parts === undefined
      ? [{ kind: "all" as const, path: top.path, classes: classesOf(top, notice) }]
      : parts.map(([kind, folder]) => imagePart(kind, folder, notice));
  const others = sum(tree, ({ others }) => others);
  if (others > 0)
    notice(
      `${root}: ${others === 1 ? "1 file is not an image and is" : `${others} files are not images and are`} left out`,
    );
  return found;
}

const sum = (folder: Folder, of: (folder: Folder) => number): number =>
  folder.folders.reduce((total, inner) => total + sum(inner, of), of(folder));
const holdsImages = (folder: Folder) => sum(folder, ({ images }) => images.length) > 0;
const namesOf = (folders: readonly Folder[]) => folders.map(({ name }) => name).join(", ");

/** Skips folders that hold only one other folder of folders, as archives create them: set/set/train/cat. */
function withoutWrappers(folder: Folder): Folder {
  const filled = folder.folders.filter(holdsImages);
  const [only] = filled;
  if (folder.images.length > 0 || only === undefined || filled.length > 1) return folder;
  if (partOf(only.name) !== undefined && partOf(folder.name) === undefined) return folder;
  if (only.images.length > 0 || !only.folders.some(holdsImages)) return folder;
  return withoutWrappers(only);
}

/** The folders that are parts; undefined if they are classes. Throws DataError where they may be either. */
function partFolders(top: Folder): readonly (readonly [PartKind, Folder])[] | undefined {
  const filled = top.folders.filter(holdsImages);
  const prefix = commonPrefix(filled.map(({ name }) => name));
  const kindOf = ({ name }: Folder) => partOf(name) ?? partOf(name.slice(prefix.length));
  const parts = filled.flatMap((folder) => {
    const kind = kindOf(folder);
    return kind === undefined ? [] : [[kind, folder] as const];
  });
  if (parts.length === 0) {
    filled.forEach(expectNoPartsInClass);
    return undefined;
  }
  const kinds = new Set(parts.map(([kind]) => kind));
  const others = filled.filter((folder) => kindOf(folder) === undefined);
  const isDivided =
    others.length === 0 || kinds.size > 1 || parts.every(([, { images }]) => images.length === 0);
  if (!isDivided) return undefined;
  if (others.length > 0) {
    throw new DataError(
      `${top.path}: holds ${namesOf(parts.map(([, folder]) => folder))} beside ${namesOf(others)}; parts and classes can't be ` +
        "told apart, move the others away",
    );
  }
  for (const kind of kinds) {
    const same = parts.flatMap(([other, folder]) => (other === kind ? [folder] : []));
    if (same.length > 1)
      throw new DataError(`${top.path}: ${namesOf(same)} are all names of the ${kind} part`);
  }
  if (kinds.size > 1 && !kinds.has("train")) {
    throw new DataError(
      `${top.path}: holds ${namesOf(filled)}, but no folder \`train\`; read one of them by itself`,
    );
  }
  return parts;
}

/** Throws DataError where a class holds parts: their images would be mixed. */
function expectNoPartsInClass(folder: Folder): void {
  const inner = folder.folders.filter(holdsImages);
  const parts = new Set(inner.flatMap(({ name }) => partOf(name) ?? []));
  if (parts.size < 2 || folder.images.length > 0) return;
  throw new DataError(
    `${folder.path}: has parts in it (${namesOf(inner)}); put a folder per class into each part, not parts into each class`,
  );
}

/** The longest prefix of all names that ends at a separator: "seg_" of seg_train and seg_test. */
function commonPrefix(names: readonly string[]): string {
  const [first = "", ...rest] = names;
  if (rest.length === 0) return "";
  let prefix = /^.*[-_. ]/.exec(first)?.[0] ?? "";
  while (!rest.every((name) => name.startsWith(prefix)))
    prefix = /^.*[-_. ](?=.)/.exec(prefix.slice(0, -1))?.[0] ?? "";
  return prefix;
}

function imagePart(kind: PartKind, folder: Folder, notice: Notice): ImagePart {
  if (!folder.folders.some(holdsImages)) {
    throw new DataError(
      `${folder.path}: holds images, but no folders; each class needs one. To read another part by itself, name its folder`,
    );
  }
  const top = withoutWrappers(folder);
  return { kind, path: top.path, classes: classesOf(top, notice) };
}

function classesOf(top: Folder, notice: Notice): readonly ClassFolder[] {
  const { folders } = top;
  if (folders.length === 0) {
    throw new DataError(
      `${top.path}: holds no folders; each class needs one, with its PNG and JPEG files in it`,
    );
  }
  if (top.images.length > 0)
    notice(`${top.path}: ${top.images.length} images lie beside the classes' folders and are left out`);
  const inner = folders.map((folder) => (folder.images.length > 0 ? "" : namesOf(folder.folders)));
  const [first = ""] = inner;
  const mayBeClasses = folders.length > 1 && first.includes(", ") && inner.every((list) => list === first);
  if (mayBeClasses) {
    notice(
      `${top.path}: each of its folders holds folders ${first}; if these are the classes, read one of ` +
        `${namesOf(folders)} by itself`,
    );
  }
  return folders.map((folder) => {
    const files = filesOf(folder);
    if (files.length === 0) throw new DataError(`${folder.path}: holds no .png, .jpg or .jpeg files`);
    return { name: folder.name, files };
  });
}

const filesOf = ({ images, folders }: Folder): string[] => [...images, ...folders.flatMap(filesOf)].sort();

class TreeReader {
  readonly #seen = new Set<string>();
  #repeated = 0;
  constructor(readonly root: string) {}

  async read(): Promise<Folder> {
    // Where there is no such folder, reading it fails with the proper message.
    const real = await realpath(this.root).catch(() => this.root);
    return this.#read(this.root, [real]);
  }

  /** `above`: the real paths of the folders that lead here, this one last. */
  async #read(path: string, above: readonly string[]): Promise<Folder> {
    const real = above.at(-1) as string;
    if (this.#seen.has(real) && ++this.#repeated > MOST_REPEATED_FOLDERS) {
      throw new DataError(`${path}: links lead to the same folders more than ${MOST_REPEATED_FOLDERS} times`);
    }
    this.#seen.add(real);
    const folders: Folder[] = [];
    const images: string[] = [];
    let others = 0;
    const entries = (await listFolder(path)).filter(({ name }) => !JUNK.test(name));
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const inner = join(path, entry.name);
      const info = entry.isSymbolicLink() ? await followLink(inner) : entry;
      if (info.isDirectory()) {
        const target = entry.isSymbolicLink() ? await realpath(inner) : join(real, entry.name);
        if (above.includes(target)) throw new DataError(`${inner}: is a link to ${target}, which it lies in`);
        folders.push(await this.#read(inner, [...above, target]));
      } else if (OTHER_IMAGE.test(entry.name)) throw await otherFormat(inner);
      else if (!IMAGE.test(entry.name)) others++;
      else if (info.isFile()) images.push(inner);
      else throw new DataError(`${inner}: is ${nameOfKind(info)}, not an image file`);
    }
    return { name: basename(path), path, folders, images, others };
  }
}

async function followLink(path: string) {
  try {
    return await stat(path);
  } catch (cause) {
    const target = await readlink(path).catch(() => "?");
    const { code = "", message } = cause as NodeJS.ErrnoException;
    const known: Record<string, string> = { ENOENT: "which is not there", ELOOP: "which leads in a circle" };
    throw new DataError(`${path}: is a link to ${target}, ${known[code] ?? `: ${message}`}`, { cause });
  }
}

async function otherFormat(path: string): Promise<DataError> {
  const head = await fileBytes(path).then((file) => file.read(0, Math.min(512, file.size)));
  const kind = fileKind(head) ?? "in a format that is not supported";
  return new DataError(`${path}: is ${kind}; convert it to PNG or JPEG, or take it out of the folder`);
}

async function listFolder(folder: string): Promise<Dirent[]> {
  return readdir(folder, { withFileTypes: true, recursive: false }).catch((cause: NodeJS.ErrnoException) => {
    const known: Record<string, string> = { ENOENT: "there is no such folder", ENOTDIR: "is not a folder" };
    throw new DataError(`${folder}: ${known[cause.code ?? ""] ?? cause.message}`, { cause });
  });
}
