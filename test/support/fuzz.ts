/**
 * A seeded fuzzer of file formats: mutates sound files and expects, of each mutant, a sound result or a typed error that
 * names the file, and neither a crash nor a long wait. What fails can be made again from format, seed and number.
 */

import { Random } from "../../src/numbers/random.ts";
import { DataError, FormatError, ShapeError, ValueError } from "../../src/validation/errors.ts";
import { ascii, join } from "./archives.ts";

export interface FuzzFormat {
  readonly name: string;
  /** Sound files; a mutant is made of one of them. */
  readonly files: readonly Uint8Array[];
  /** Reads a mutant; `file` is the name that errors must hold. Resolves to whether the result is sound. */
  read(bytes: Uint8Array, file: string): boolean | Promise<boolean>;
  /** Words of the format, put in place of its bytes. */
  readonly words?: readonly string[];
  /** Makes checksums right again in half of the mutants, so that what is behind them is reached. */
  repair?(bytes: Uint8Array): void;
}

export interface FuzzResult {
  readonly refused: number;
  readonly accepted: number;
  readonly slowestMs: number;
  /** Empty where all went well. */
  readonly failures: readonly string[];
}

/** No mutant of a file of some kilobytes, each of which takes milliseconds, may take longer, on busy machines too. */
const LONGEST_MS = 60_000;
const TEXT_WORDS = [
  "",
  ",",
  "\n",
  '"',
  "\0",
  "\r",
  ";",
  " ",
  "-",
  "NaN",
  "Infinity",
  "1e999",
  "-1",
  "0x1",
  "é",
];
const EXTREMES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];

/** One to three changes: bits, bytes, numbers of 32 bits, stretches cut out, doubled, moved, cut off, words put in. */
export function mutate(source: Uint8Array, random: Random, words: readonly string[]): Uint8Array {
  let bytes: Uint8Array<ArrayBufferLike> = Uint8Array.from(source);
  const below = (n: number) => (n <= 1 ? 0 : Math.floor(random.uniform() * n));
  for (let left = 1 + below(3); left > 0; left--) {
    const at = below(bytes.length);
    const length = 1 + below(random.uniform() < 0.8 ? 4 : bytes.length - at);
    switch (below(9)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
        break;
      case 1:
        bytes[at] = below(256);
        break;
      case 2: {
        const value = EXTREMES[below(EXTREMES.length)] as number;
        const view = new DataView(bytes.buffer);
        if (at + 4 <= bytes.length) view.setUint32(at, value, random.uniform() < 0.5);
        break;
      }
      case 3:
        bytes = join(bytes.subarray(0, at), bytes.subarray(at + length));
        break;
      case 4:
        bytes = join(bytes.subarray(0, at + length), bytes.subarray(at));
        break;
      case 5:
        bytes.copyWithin(below(bytes.length), at, at + length);
        break;
      case 6:
        bytes = bytes.slice(0, at);
        break;
      case 7: {
        const word = ascii(words[below(words.length)] ?? "");
        bytes = join(
          bytes.subarray(0, at),
          word,
          bytes.subarray(random.uniform() < 0.5 ? at : at + word.length),
        );
        break;
      }
      default:
        bytes.fill(below(256), at, at + Math.min(length, 8));
    }
  }
  return bytes;
}

/** Runs `count` mutants, some at a time. */
export async function fuzz(format: FuzzFormat, count: number, seed = 1): Promise<FuzzResult> {
  const words = [...TEXT_WORDS, ...(format.words ?? [])];
  const failures: string[] = [];
  let [refused, accepted, slowestMs] = [0, 0, 0];
  const one = async (i: number) => {
    const random = new Random(seed, i);
    const source = format.files[i % format.files.length] as Uint8Array;
    const mutant = mutate(source, random, words);
    if (random.uniform() < 0.5) format.repair?.(mutant);
    const file = `mutant-${i}`;
    const begun = performance.now();
    try {
      if (await format.read(mutant, file)) accepted++;
      else failures.push(`${format.name} ${file}: accepted, but the result is not sound`);
    } catch (error) {
      refused++;
      const typed = [DataError, FormatError, ShapeError, ValueError].some((kind) => error instanceof kind);
      if (!typed) failures.push(`${format.name} ${file}: ${(error as Error).stack ?? error}`);
      else if (!(error as Error).message.includes(file)) {
        failures.push(`${format.name} ${file}: does not name the file: ${(error as Error).message}`);
      }
    }
    slowestMs = Math.max(slowestMs, performance.now() - begun);
  };
  const atOnce = 16;
  for (let i = 0; i < count; i += atOnce) {
    await Promise.all(Array.from({ length: Math.min(atOnce, count - i) }, (_, k) => one(i + k)));
  }
  if (slowestMs > LONGEST_MS) failures.push(`${format.name}: a mutant took ${slowestMs.toFixed(0)} ms`);
  return { refused, accepted, slowestMs, failures };
}
