/**
 * Finds the images of a folder: which of its folders are classes, and which are parts (training, validation, test) with
 * the classes in them. Links are followed.
 * Refuses, naming the path: links in circles or to nothing, images of kinds that are not read, pipes and devices called
 * like images, classes without images, and folders that may be parts or classes.
 */
import type { Dirent } from "node:fs";
import { readdir, readlink, realpath, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { DataError } from "../../common/errors.ts";
import { fileKind } from "../../data/formats/file-kind.ts";
import { fileBytes, nameOfKind } from "../files/plain-file.ts";

export type PartKind = "train" | "validation" | "test";

export interface ClassFolder {
  readonly name: string;
  /** Paths of its images, in order, in any depth. */
  readonly files: readonly string[];
}

export interface ImagePart {
  /** "all" where the folder is not divided. */
  readonly kind: PartKind | "all";
  readonly path: string;
  readonly classes: readonly ClassFolder[];
}

const IMAGE = /\.(png|jpe?g|jpe|jfif)$/i;
const OTHER_IMAGE = /\.(webp|gif|bmp|dib|tiff?|avif|heic|heif|hif|jxl|jp2|j2k|ppm|pgm|pbm|pnm|tga|exr|qoi)$/i;
/** What systems and programs leave behind. */
const JUNK =
  /^(\..*|__MACOSX|__pycache__|Thumbs\.db|ehthumbs\.db|desktop\.ini|@eaDir|\$RECYCLE\.BIN|System Volume Information|lost\+found|Icon\r)$/i;
/** Folders that links lead to again more often than this come of links that lead to links. */
const MOST_AGAIN = 1000;

const PART_WORDS: Readonly<Record<PartKind, string>> = {
  train: "train|training|trn",
  validation: "val|valid|vali|validation|validate|dev|devel|development|eval|evaluation|holdout",
  test: "test|tests|testing|tst",
};
const FILLER =
  "(?:set|sets|split|data|dataset|image|images|img|imgs|pic|pics|picture|pictures|photo|photos|folder|dir|part)*";
const PARTS = (Object.entries(PART_WORDS) as [PartKind, string][]).map(
  ([kind, words]) => [kind, new RegExp(`^${FILLER}(?:${words})${FILLER}$`)] as const,
);

/** The part that a folder of this name holds, however it is spelled: Train, VALID, test_set, train2017. */
function partOf(name: string): PartKind | undefined {
  const letters = name.toLowerCase().replace(/[^\p{L}]/gu, "");
  return PARTS.find(([, pattern]) => pattern.test(letters))?.[0];
}

interface Folder {
  readonly name: string;
  readonly path: string;
  readonly folders: readonly Folder[];
  /** Images that lie in it, not in folders of it. */
  readonly images: readonly string[];
  /** Files in it that are no images. */
  readonly others: number;
}

/** The parts with their classes; one of kind "all" if the folder is not divided. `notice` is told what is left out. */
export async function findImages(
  root: string,
  notice: (text: string) => void,
): Promise<readonly ImagePart[]> {
  const tree = await new TreeReader(root).read();
  const top = withoutLevels(tree);
  const parts = divisionOf(top);
  const found =
    parts === undefined
      ? [{ kind: "all" as const, path: top.path, classes: classesOf(top, notice) }]
      : parts.map(([kind, folder]) => partWith(kind, folder, notice));
  const others = sum(tree, ({ others }) => others);
  if (others > 0)
    notice(`${root}: ${others} ${others === 1 ? "file is" : "files are"} no images and left out`);
  return found;
}

const sum = (folder: Folder, of: (folder: Folder) => number): number =>
  folder.folders.reduce((total, inner) => total + sum(inner, of), of(folder));
const imagesIn = (folder: Folder) => sum(folder, ({ images }) => images.length);
const holdsImages = (folder: Folder) => imagesIn(folder) > 0;

/** Without folders that hold nothing but one other folder of folders, as archives make them: set/set/train/cat. */
function withoutLevels(folder: Folder): Folder {
  const filled = folder.folders.filter(holdsImages);
  const [only] = filled;
  if (folder.images.length > 0 || only === undefined || filled.length > 1) return folder;
  if (partOf(only.name) !== undefined && partOf(folder.name) === undefined) return folder;
  if (only.images.length > 0 || !only.folders.some(holdsImages)) return folder;
  return withoutLevels(only);
}

/** The folders that are parts; undefined if they are classes. Throws DataError where they may be either. */
function divisionOf(top: Folder): readonly (readonly [PartKind, Folder])[] | undefined {
  const filled = top.folders.filter(holdsImages);
  const prefix = commonPrefix(filled.map(({ name }) => name));
  const kindOf = ({ name }: Folder) => partOf(name) ?? partOf(name.slice(prefix.length));
  const parts = filled.flatMap((folder) => {
    const kind = kindOf(folder);
    return kind === undefined ? [] : [[kind, folder] as const];
  });
  const kinds = new Set(parts.map(([kind]) => kind));
  const others = filled.filter((folder) => kindOf(folder) === undefined);
  const lists = (folders: readonly Folder[]) => folders.map(({ name }) => name).join(", ");
  if (parts.length === 0) {
    // Parts within the classes would be mixed.
    for (const folder of filled) {
      const inner = folder.folders.filter(holdsImages);
      const within = new Set(inner.flatMap(({ name }) => partOf(name) ?? []));
      if (within.size < 2 || folder.images.length > 0) continue;
      throw new DataError(
        `${folder.path}: has parts in it (${lists(inner)}); put a folder per class into each part, not parts into each class`,
      );
    }
    return undefined;
  }
  const isDivided =
    others.length === 0 || kinds.size > 1 || parts.every(([, { images }]) => images.length === 0);
  if (!isDivided) return undefined;
  if (others.length > 0) {
    throw new DataError(
      `${top.path}: holds ${lists(parts.map(([, folder]) => folder))} beside ${lists(others)}; parts and classes can't be ` +
        "told apart, move the others away",
    );
  }
  for (const kind of kinds) {
    const same = parts.flatMap(([other, folder]) => (other === kind ? [folder] : []));
    if (same.length > 1) throw new DataError(`${top.path}: ${lists(same)} are all names of the ${kind} part`);
  }
  if (kinds.size > 1 && !kinds.has("train")) {
    throw new DataError(
      `${top.path}: holds ${lists(filled)}, but no folder \`train\`; read one of them by itself`,
    );
  }
  return parts;
}

/** The longest begin that all names share, up to a mark between words: "seg_" of seg_train and seg_test. */
function commonPrefix(names: readonly string[]): string {
  const [first = "", ...rest] = names;
  if (rest.length === 0) return "";
  const mark = /^.*[-_. ]/.exec(first)?.[0] ?? "";
  for (let prefix = mark; prefix !== ""; prefix = /^.*[-_. ](?=.)/.exec(prefix.slice(0, -1))?.[0] ?? "") {
    if (rest.every((name) => name.startsWith(prefix))) return prefix;
  }
  return "";
}

function partWith(kind: PartKind, folder: Folder, notice: (text: string) => void): ImagePart {
  if (!folder.folders.some(holdsImages)) {
    throw new DataError(
      `${folder.path}: holds images, but no folders; each class needs one. To read another part by itself, name its folder`,
    );
  }
  const top = withoutLevels(folder);
  return { kind, path: top.path, classes: classesOf(top, notice) };
}

function classesOf(top: Folder, notice: (text: string) => void): readonly ClassFolder[] {
  if (top.folders.length === 0) {
    throw new DataError(
      `${top.path}: holds no folders; each class needs one, with its PNG and JPEG files in it`,
    );
  }
  if (top.images.length > 0)
    notice(`${top.path}: ${top.images.length} images lie beside the classes' folders and are left out`);
  const [first, ...rest] = top.folders;
  const inner = (folder?: Folder) =>
    folder?.images.length ? "" : folder?.folders.map(({ name }) => name).join(", ");
  if (
    first &&
    first.folders.length > 1 &&
    rest.length > 0 &&
    rest.every((folder) => inner(folder) === inner(first))
  ) {
    notice(
      `${top.path}: each of its folders holds folders ${inner(first)}; if these are the classes, read one of ` +
        `${top.folders.map(({ name }) => name).join(", ")} by itself`,
    );
  }
  return top.folders.map((folder) => {
    const files = filesOf(folder);
    if (files.length === 0) throw new DataError(`${folder.path}: holds no .png, .jpg or .jpeg files`);
    return { name: folder.name, files };
  });
}

const filesOf = ({ images, folders }: Folder): string[] => [...images, ...folders.flatMap(filesOf)].sort();

class TreeReader {
  readonly #seen = new Set<string>();
  #again = 0;
  constructor(readonly root: string) {}

  async read(): Promise<Folder> {
    // `readdir` says it where there is no such folder.
    const real = await realpath(this.root).catch(() => this.root);
    return this.#read(this.root, [real]);
  }

  /** `above`: the true paths of the folder and of those it was reached through. */
  async #read(path: string, above: readonly string[]): Promise<Folder> {
    const real = above.at(-1) as string;
    if (this.#seen.has(real) && ++this.#again > MOST_AGAIN) {
      throw new DataError(`${path}: links lead to the same folders more than ${MOST_AGAIN} times`);
    }
    this.#seen.add(real);
    const folders: Folder[] = [];
    const images: string[] = [];
    let others = 0;
    const entries = (await listing(path)).filter(({ name }) => !JUNK.test(name));
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const inner = join(path, entry.name);
      const info = entry.isSymbolicLink() ? await followed(inner) : entry;
      if (info.isDirectory()) {
        const real = entry.isSymbolicLink()
          ? await realpath(inner)
          : join(above.at(-1) as string, entry.name);
        if (above.includes(real)) throw new DataError(`${inner}: is a link to ${real}, which it lies in`);
        folders.push(await this.#read(inner, [...above, real]));
      } else if (OTHER_IMAGE.test(entry.name)) throw await unread(inner);
      else if (!IMAGE.test(entry.name)) others++;
      else if (info.isFile()) images.push(inner);
      else throw new DataError(`${inner}: is ${nameOfKind(info)}, not an image file`);
    }
    return { name: basename(path), path, folders, images, others };
  }
}

async function followed(path: string) {
  try {
    return await stat(path);
  } catch (cause) {
    const target = await readlink(path).catch(() => "?");
    const { code, message } = cause as NodeJS.ErrnoException;
    const reason =
      code === "ENOENT"
        ? "which is not there"
        : code === "ELOOP"
          ? "which leads in a circle"
          : `: ${message}`;
    throw new DataError(`${path}: is a link to ${target}, ${reason}`, { cause });
  }
}

async function unread(path: string): Promise<DataError> {
  const head = await fileBytes(path).then((file) => file.read(0, Math.min(512, file.size)));
  const kind = fileKind(head) ?? "of a kind that is not read";
  return new DataError(`${path}: is ${kind}; convert it to PNG or JPEG, or take it out of the folder`);
}

async function listing(folder: string): Promise<Dirent[]> {
  return readdir(folder, { withFileTypes: true, recursive: false }).catch((cause: NodeJS.ErrnoException) => {
    const reason =
      cause.code === "ENOENT"
        ? "there is no such folder"
        : cause.code === "ENOTDIR"
          ? "is no folder"
          : cause.message;
    throw new DataError(`${folder}: ${reason}`, { cause });
  });
}
