/**
 * Remembers in the cache folder which driver gave an adapter, for systems whose own drivers Dawn refuses: trying those first
 * takes time and makes Dawn print warnings. Valid while the installed drivers and graphics devices stay the same.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { cacheDirectory } from "../files/cache-folder.ts";

/** After this time the system's own drivers are tried again: 30 days. */
const MOST_AGE_MS = 30 * 24 * 60 * 60 * 1000;

const fileOf = (cache: string): string => join(cache, "driver.json");

/** The driver that worked, if nothing has changed since. */
export function knownDriver(cache = cacheDirectory()): string | undefined {
  try {
    const { system, place, at } = JSON.parse(readFileSync(fileOf(cache), "utf8")) as Record<string, unknown>;
    const age = Date.now() - Number(at);
    const holds = system === systemDrivers() && age >= 0 && age < MOST_AGE_MS;
    return holds && typeof place === "string" ? place : undefined;
  } catch {
    return undefined;
  }
}

/** Stores the driver that worked; undefined deletes it. Where the folder can't be written, nothing is stored. */
export function rememberDriver(place: string | undefined, cache = cacheDirectory()): void {
  const file = fileOf(cache);
  try {
    if (place === undefined) {
      rmSync(file, { force: true });
      return;
    }
    mkdirSync(cache, { recursive: true, mode: 0o700 });
    const draft = `${file}.${process.pid}.tmp`;
    writeFileSync(draft, JSON.stringify({ place, system: systemDrivers(), at: Date.now() }));
    renameSync(draft, file);
  } catch {
    // The next run tries all drivers again.
  }
}

/** A hash of the installed drivers and graphics devices. */
function systemDrivers(): string {
  const data = process.env.XDG_DATA_DIRS?.split(":") ?? ["/usr/local/share", "/usr/share"];
  const folders = ["/etc", ...data, process.env.XDG_DATA_HOME ?? join(homedir(), ".local/share")];
  const manifests = folders.flatMap((folder) => filesIn(join(folder, "vulkan/icd.d")));
  const devices = [...namesIn("/dev/dri"), ...namesIn("/dev").filter((name) => name.startsWith("nvidia"))];
  const all = [process.platform, process.arch, process.version, manifests, devices];
  return createHash("sha256").update(JSON.stringify(all)).digest("hex");
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** Path, size and modification time of each file. */
function filesIn(folder: string): string[] {
  return namesIn(folder).map((name) => {
    const stats = statSync(join(folder, name), { throwIfNoEntry: false });
    return `${join(folder, name)} ${stats?.size} ${stats?.mtimeMs}`;
  });
}
