/** JPEG files of flat blocks, made by hand: any number of components, which colour segments one likes, any frame. */

export interface RawJpeg {
  /** The value of each component, 0 to 255; of one component a list of its blocks, side by side. */
  readonly values: readonly number[];
  /** Default 1, 2, 3, 4. */
  readonly ids?: readonly number[];
  /** The frame's marker; default baseline. */
  readonly frame?: number;
  readonly precision?: number;
  /** Segments before all others. */
  readonly first?: readonly Buffer[];
  /** One component: the values are its blocks. */
  readonly grey?: boolean;
  /** Several components: how many times the block comes, side by side; default 1. */
  readonly blocks?: number;
  /** Blocks (of each component) between restart markers. */
  readonly restart?: number;
}

export const segment = (marker: number, body: Uint8Array): Buffer =>
  Buffer.concat([Buffer.of(0xff, marker, (body.length + 2) >> 8, (body.length + 2) & 255), body]);
export const adobe = (transform: number): Buffer =>
  segment(0xee, Buffer.from([...Buffer.from("Adobe"), 0, 100, 0, 0, 0, 0, transform]));
export const jfif = segment(0xe0, Buffer.from([...Buffer.from("JFIF\0"), 1, 1, 0, 0, 1, 0, 1, 0, 0]));

/** An Exif segment that says how the camera was held. */
export function exif(orientation: number): Buffer {
  return segment(0xe1, Buffer.concat([Buffer.from("Exif\0\0"), tiff(orientation)]));
}
/** What an Exif segment holds. */
export const tiff = (orientation: number): Buffer =>
  Buffer.from([
    0x4d,
    0x4d,
    0,
    42,
    0,
    0,
    0,
    8,
    0,
    1,
    1,
    0x12,
    0,
    3,
    0,
    0,
    0,
    1,
    0,
    orientation,
    0,
    0,
    0,
    0,
    0,
    0,
  ]);

export function rawJpeg(options: RawJpeg): Buffer {
  const { values, frame = 0xc0, precision = 8, first = [], grey = false, blocks = 1, restart = 0 } = options;
  const ids = options.ids ?? (grey ? [1] : values.map((_, i) => i + 1));
  const quantization = segment(0xdb, Buffer.from([0, ...new Array<number>(64).fill(1)]));
  // Codes of four bits for differences of 0 to 11 bits, and one code of one bit, the end of a block.
  const dc = [0, 0, 0, 0, 12, ...new Array<number>(12).fill(0), ...Array.from({ length: 12 }, (_, i) => i)];
  const ac = [0x10, 1, ...new Array<number>(15).fill(0), 0];
  const progressive = frame === 0xc2;
  const scan: number[] = [];
  let bits = "";
  const flush = () => {
    for (const byte of bits.padEnd(8 * Math.ceil(bits.length / 8), "1").match(/.{8}/g) ?? []) {
      scan.push(Number.parseInt(byte, 2));
      if (scan.at(-1) === 255) scan.push(0);
    }
    bits = "";
  };
  const units = grey ? values.map((value) => [value]) : Array.from({ length: blocks }, () => values);
  let before = ids.map(() => 0);
  units.forEach((unit, i) => {
    if (restart > 0 && i > 0 && i % restart === 0) {
      flush();
      scan.push(0xff, 0xd0 + ((i / restart - 1) % 8));
      before = ids.map(() => 0);
    }
    unit.forEach((value, component) => {
      const level = (value - 128) * 8;
      const difference = level - (before[component] as number);
      before[component] = level;
      const size = 32 - Math.clz32(Math.abs(difference));
      bits += size.toString(2).padStart(4, "0");
      if (size > 0) {
        const coded = difference < 0 ? difference + 2 ** size - 1 : difference;
        bits += coded.toString(2).padStart(size, "0");
      }
      if (!progressive) bits += "0";
    });
  });
  flush();
  const width = 8 * units.length;
  const components = ids.flatMap((id) => [id, 0x11, 0]);
  return Buffer.concat([
    Buffer.of(0xff, 0xd8),
    ...first,
    quantization,
    segment(frame, Buffer.from([precision, 0, 8, width >> 8, width & 255, ids.length, ...components])),
    segment(0xc4, Buffer.from(dc)),
    segment(0xc4, Buffer.from(ac)),
    ...(restart > 0 ? [segment(0xdd, Buffer.of(restart >> 8, restart & 255))] : []),
    segment(0xda, Buffer.from([ids.length, ...ids.flatMap((id) => [id, 0]), 0, progressive ? 0 : 63, 0])),
    Buffer.from(scan),
    Buffer.of(0xff, 0xd9),
  ]);
}
