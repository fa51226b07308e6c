/**
 * Which driver gave an adapter in an earlier run, for systems whose own drivers Dawn refuses: asking those first costs time
 * and has Dawn print warnings. Kept in the user's cache folder; it holds as long as drivers and graphics devices are the same.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { cacheDirectory } from "../files/cache-folder.ts";

/** After so long the system's own drivers are asked again. */
const MOST_DAYS = 30;
const DAY = 24 * 60 * 60 * 1000;

const fileOf = (cache: string): string => join(cache, "driver.json");

/** The place of the driver that worked, if nothing has changed since. */
export function knownDriver(cache = cacheDirectory()): string | undefined {
  try {
    const { system, place, at } = JSON.parse(readFileSync(fileOf(cache), "utf8")) as Record<string, unknown>;
    const age = Date.now() - Number(at);
    const holds = system === systemDrivers() && age >= 0 && age < MOST_DAYS * DAY;
    return holds && typeof place === "string" ? place : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps `place` for the next run; undefined forgets. Where the folder can't be written, nothing is kept. */
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
    // The next run asks all drivers again.
  }
}

/** Tells drivers and graphics devices of this system from others. */
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

/** Path, size and time of each file. */
function filesIn(folder: string): string[] {
  return namesIn(folder).map((name) => {
    const stats = statSync(join(folder, name), { throwIfNoEntry: false });
    return `${join(folder, name)} ${stats?.size} ${stats?.mtimeMs}`;
  });
}
