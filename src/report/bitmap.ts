/** Small images as data URLs, so that a page contains them. The format is BMP, which needs no compression. */
import { ValueError } from "../validation/errors.ts";

export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** 0 black to 1 white, row-major, clamped. Three planes (red, green, blue) or one (grey). */
  readonly values: ArrayLike<number>;
}

const HEADER = 54;

/** Throws ValueError unless `values` has one or three planes of width x height. */
export function bitmapAddress({ width, height, values }: Pixels): string {
  const plane = width * height;
  if (values.length !== plane && values.length !== 3 * plane) {
    throw new ValueError(
      `bitmap: ${width} x ${height} pixels need ${plane} or ${3 * plane} values, got ${values.length}`,
    );
  }
  const stride = Math.ceil((width * 3) / 4) * 4;
  const bytes = new Uint8Array(HEADER + stride * height);
  const view = new DataView(bytes.buffer);
  bytes.set([0x42, 0x4d]);
  view.setUint32(2, bytes.length, true);
  view.setUint32(10, HEADER, true);
  view.setUint32(14, 40, true);
  view.setInt32(18, width, true);
  // A negative height means rows from top to bottom.
  view.setInt32(22, -height, true);
  view.setUint16(26, 1, true);
  view.setUint16(28, 24, true);
  view.setUint32(34, stride * height, true);
  const colours = values.length / plane;
  for (let i = 0; i < plane; i++) {
    const at = HEADER + Math.floor(i / width) * stride + (i % width) * 3;
    for (let c = 0; c < 3; c++) {
      // BMP stores blue first.
      const value = values[(colours === 3 ? 2 - c : 0) * plane + i] as number;
      bytes[at + c] = Math.round(255 * Math.min(1, Math.max(0, value)));
    }
  }
  return `data:image/bmp;base64,${btoa(String.fromCharCode(...bytes))}`;
}
