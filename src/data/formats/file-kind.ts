/** Recognises file formats by their first bytes, so that an error can say what a file is instead of what it is not. */

const SIGNATURES: readonly (readonly [start: string, kind: string])[] = [
  ["\x89PNG\r\n\x1a\n", "a PNG image"],
  ["\xff\xd8\xff", "a JPEG image"],
  ["GIF8", "a GIF image"],
  ["BM", "a BMP image"],
  ["II*\0", "a TIFF image"],
  ["II+\0", "a TIFF image"],
  ["MM\0*", "a TIFF image"],
  ["MM\0+", "a TIFF image"],
  ["\0\0\x01\0", "an icon (ICO)"],
  ["\xff\x0a", "a JPEG XL image"],
  ["\0\0\0\x0cJXL ", "a JPEG XL image"],
  ["\0\0\0\x0cjP  ", "a JPEG 2000 image"],
  ["\xff\x4f\xff\x51", "a JPEG 2000 image"],
  ["8BPS", "a Photoshop document"],
  ["%PDF", "a PDF document"],
  ["qoif", "a QOI image"],
  ["DDS ", "a DDS image"],
  ["\x76\x2f\x31\x01", "an OpenEXR image"],
  ["PK\x03\x04", "a zip archive (Excel workbooks are such archives too)"],
  ["PK\x05\x06", "an empty zip archive"],
  ["\x1f\x8b\x08", "a gzip file"],
  ["BZh", "a bzip2 file"],
  ["\xfd7zXZ", "an xz file"],
  ["(\xb5/\xfd", "a Zstandard file"],
  ["7z\xbc\xaf", "a 7-Zip archive"],
  ["Rar!", "a RAR archive"],
  ["\xd0\xcf\x11\xe0", "an old Microsoft Office file (.xls, .doc)"],
  ["PAR1", "a Parquet file"],
  ["\x89HDF", "an HDF5 file"],
  ["\x93NUMPY", "a NumPy array (.npy)"],
  ["SQLite format 3", "an SQLite database"],
  ["ARROW1", "an Arrow file"],
  ["version https://git-lfs", "a Git LFS pointer, not the file itself; fetch it with `git lfs pull`"],
];

/** Image formats within the ISO base media file format, whose files begin with a box `ftyp` that lists their brands. */
const BRANDS: Readonly<Record<string, string>> = {
  avif: "an AVIF image",
  avis: "an AVIF image",
  heic: "a HEIC image",
  heix: "a HEIC image",
  hevc: "a HEIC image",
  hevx: "a HEIC image",
  heim: "a HEIC image",
  heis: "a HEIC image",
  mif1: "a HEIF image",
  msf1: "a HEIF image",
};

/** The format with its article, such as "a WebP image"; undefined for unknown ones. */
export function fileKind(bytes: Uint8Array): string | undefined {
  const text = String.fromCharCode(...bytes.subarray(0, 512));
  if (text.startsWith("RIFF")) return text.startsWith("WEBP", 8) ? "a WebP image" : "a RIFF file";
  if (text.startsWith("ftyp", 4)) {
    // The major brand comes first. If that is "mif1", one of the compatible brands that follow is more specific.
    const length = Math.min(text.length, text.charCodeAt(2) * 256 + text.charCodeAt(3));
    const brands = [text.slice(8, 12), ...(text.slice(16, length).match(/.{4}/gs) ?? [])];
    const known = brands.flatMap((brand) => BRANDS[brand] ?? []);
    return known.find((kind) => !kind.includes("HEIF")) ?? known[0] ?? "a video (ISO media file)";
  }
  const known = SIGNATURES.find(([start]) => text.startsWith(start))?.[1];
  if (known !== undefined) return known;
  const markup = text.replace(/^\xef\xbb\xbf/, "").trimStart();
  if (/^<svg[\s>]/i.test(markup) || (/^<(\?xml|!--|!doctype svg)/i.test(markup) && /<svg[\s>]/i.test(text)))
    return "an SVG image";
  if (/^<(!doctype html|html)/i.test(markup)) return "a web page (HTML)";
  if (/^P[1-7]\s/.test(text)) return "a PNM image (PBM, PGM, PPM)";
  return undefined;
}
