/** Reads the numbers and paths of the command line; refuses what is not one, saying what is expected. */
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { InvalidArgumentError } from "commander";
import { ValueError } from "../../errors.ts";

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

/** Throws ValueError unless a file can be put at `path`: better now than after an hour of training. */
export async function expectWritable(option: string, path: string): Promise<void> {
  const refuse = (why: string): never => {
    throw new ValueError(`${option}: can't write ${path}: ${why}`);
  };
  const target = resolve(path);
  const existing = await stat(target).catch(() => undefined);
  if (existing?.isDirectory()) refuse("it is a folder");
  for (let folder = dirname(target); ; folder = dirname(folder)) {
    const found = await stat(folder).catch((error: NodeJS.ErrnoException) => error.code);
    if (found === "ENOENT" && folder !== dirname(folder)) continue;
    if (found === undefined || typeof found === "string") return refuse(`${folder}: ${found ?? "unknown"}`);
    if (!found.isDirectory()) return refuse(`${folder} is no folder`);
    return access(folder, constants.W_OK).catch(() => refuse(`${folder} is not writable`));
  }
}
