/** Reads the numbers and paths of the command line; refuses what is not one, saying what is expected. */
import { rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { InvalidArgumentError } from "commander";
import { ValueError } from "../../../common/errors.ts";
import { writeFileAtomic } from "../../files/atomic-write.ts";

/** A parser of whole numbers of at least `least`. */
export function whole(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text.trim()) || !Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`It must be a whole number of at least ${least}.`);
    }
    return value;
  };
}

/** Parses a number above 0. */
export function positive(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value <= 0) {
    throw new InvalidArgumentError("It must be a number above 0.");
  }
  return value;
}

/** Parses a number of at least 0. */
export function nonNegative(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 0) {
    throw new InvalidArgumentError("It must be a number of at least 0.");
  }
  return value;
}

/** Parses a number from 0 to below 1. */
export function share(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value < 1)) {
    throw new InvalidArgumentError("It must be a number from 0 to below 1.");
  }
  return value;
}

/** Throws ValueError unless a file can be put at `path`: better now than after an hour of training. Makes its folder. */
export async function expectWritable(option: string, path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) throw new ValueError(`${option}: can't write ${path}: it is a folder`);
  const probe = join(dirname(path), `.${basename(path)}.${process.pid}.probe`);
  try {
    await writeFileAtomic(probe, "");
    await rm(probe, { force: true });
  } catch (cause) {
    const reason = (cause as Error).cause ?? cause;
    throw new ValueError(`${option}: can't write ${path}: ${(reason as Error).message}`, { cause });
  }
}
