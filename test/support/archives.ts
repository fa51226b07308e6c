/** Makes small files of other people's formats for tests: gzip, zip, tar, `.npy`. Host-neutral. */
import { crc32 } from "../../src/data/archives/zip.ts";

async function compress(bytes: Uint8Array, format: CompressionFormat): Promise<Uint8Array> {
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(new CompressionStream(format));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export const gzip = (bytes: Uint8Array): Promise<Uint8Array> => compress(bytes, "gzip");
export const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** A `.npy` file of version 1 with these value bytes; `header` replaces the dictionary. */
export function npy(
  descr: string,
  shape: readonly number[],
  values: ArrayLike<number>,
  fortran = false,
  header?: string,
): Uint8Array {
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const order = fortran ? "True" : "False";
  const dictionary = header ?? `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${tuple}), }`;
  const padded = dictionary.padEnd(117, " ");
  const start = Uint8Array.of(
    0x93,
    0x4e,
    0x55,
    0x4d,
    0x50,
    0x59,
    1,
    0,
    (padded.length + 1) & 0xff,
    (padded.length + 1) >> 8,
  );
  return join(start, ascii(`${padded}\n`), Uint8Array.from(values));
}

/** A zip archive. */
export async function zip(
  files: Readonly<Record<string, Uint8Array>>,
  method: "stored" | "deflated" = "deflated",
): Promise<Uint8Array> {
  const locals: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const [path, content] of Object.entries(files)) {
    const packed = method === "stored" ? content : await compress(content, "deflate-raw");
    const name = ascii(path);
    // What local header and directory have in common: version .. lengths of name and extra field.
    const common = new DataView(new ArrayBuffer(26));
    common.setUint16(0, 20, true);
    common.setUint16(4, method === "stored" ? 0 : 8, true);
    common.setUint32(10, crc32(content), true);
    common.setUint32(14, packed.length, true);
    common.setUint32(18, content.length, true);
    common.setUint16(22, name.length, true);
    const shared = new Uint8Array(common.buffer);
    const local = join(ascii("PK\u0003\u0004"), shared, name, packed);
    const tail = new Uint8Array(14);
    new DataView(tail.buffer).setUint32(10, at, true);
    directory.push(join(ascii("PK\u0001\u0002"), Uint8Array.of(20, 0), shared, tail, name));
    locals.push(local);
    at += local.length;
  }
  const listing = join(...directory);
  const end = new DataView(new ArrayBuffer(18));
  end.setUint16(4, directory.length, true);
  end.setUint16(6, directory.length, true);
  end.setUint32(8, listing.length, true);
  end.setUint32(12, at, true);
  return join(...locals, listing, ascii("PK\u0005\u0006"), new Uint8Array(end.buffer));
}

export interface TarEntry {
  readonly path: string;
  readonly content: Uint8Array;
  /** Default "0", a regular file. */
  readonly type?: string;
  readonly prefix?: string;
}

/** A ustar archive with its two empty blocks at the end. */
export function tar(...entries: readonly TarEntry[]): Uint8Array {
  const blocks = entries.flatMap(({ path, content, type = "0", prefix = "" }) => {
    const header = new Uint8Array(512);
    const put = (text: string, offset: number) => header.set(ascii(text), offset);
    put(path, 0);
    put("0000644\0", 100);
    put(`${content.length.toString(8).padStart(11, "0")}\0`, 124);
    put("        ", 148);
    put(type, 156);
    put("ustar\u000000", 257);
    put(prefix, 345);
    const sum = header.reduce((total, byte) => total + byte, 0);
    put(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    const body = new Uint8Array(Math.ceil(content.length / 512) * 512);
    body.set(content);
    return [header, body];
  });
  return join(...blocks, new Uint8Array(1024));
}
