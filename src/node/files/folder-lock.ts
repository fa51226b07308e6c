/**
 * Keeps every other process out of a folder while a run writes there. The lock is a file that names its holder. One whose
 * holder has ended (killed, power cut, out of memory) is taken over; of several that try, exactly one succeeds.
 */
import { randomBytes } from "node:crypto";
import { readFileSync, readlinkSync, unlinkSync } from "node:fs";
import { readFile, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { FormatError, LockedError } from "../../common/errors.ts";
import type { FolderLock } from "../../runtime/backend.ts";
import { atExit } from "../at-exit.ts";
import { FileExistsError, writeFileAtomic } from "./atomic-write.ts";

/** The name of the file in a folder that is locked. */
export const LOCK_NAME = ".weft.lock";
const FORMAT = 1;

/** What the file says of the process that holds the lock. */
interface Holder {
  readonly format: number;
  readonly pid: number;
  readonly host: string;
  /** When the process started, as ISO 8601 has it. */
  readonly started: string;
  /** Boot of the system and clock tick at which the process started: tells it from later ones of the same number. */
  readonly start?: string | undefined;
  /** Process numbers of other namespaces (containers) mean nothing here. */
  readonly namespace?: string | undefined;
  /** Different for every lock. */
  readonly token: string;
}

/** The holder renews the file's time this often, ... */
const BEAT_MILLISECONDS = 10_000;
/** ... and one that can't be looked at otherwise (another container of the same name) counts as dead after this long. */
const DEAD_AFTER_MILLISECONDS = 120_000;
/** Of start times as the system and as Node tell them. */
const CLOCK_TOLERANCE_MILLISECONDS = 2_000;
const MOST_ATTEMPTS = 100;

/** Those that this process holds. They go with it. */
const locks = new Map<string, Holder>();
let forget: (() => void) | undefined;

/**
 * Locks `folder`, making it if need be. Rejects with a LockedError while another holder may be alive, with a FormatError on
 * a lock file that no version of Weft wrote. The lock ends with `release` or with the process, unless that is killed.
 */
export async function lockFolder(
  folder: string,
  onNotice: (line: string) => void = () => undefined,
): Promise<FolderLock> {
  const path = join(folder, LOCK_NAME);
  const holder = await take(path, folder, onNotice);
  forget ??= atExit(releaseAll);
  locks.set(path, holder);
  const beat = setInterval(
    () => void utimes(path, new Date(), new Date()).catch(() => {}),
    BEAT_MILLISECONDS,
  );
  beat.unref();
  const isOurs = async () => (await readHolder(path))?.token === holder.token;
  return {
    async verify() {
      if (await isOurs()) return;
      throw new LockedError(
        `${folder}: the lock of this run, ${path}, was removed or replaced while the run went on; another process may be writing there`,
      );
    },
    async release() {
      clearInterval(beat);
      if (locks.get(path) !== holder) return;
      locks.delete(path);
      if (locks.size === 0) {
        forget?.();
        forget = undefined;
      }
      if (await isOurs().catch(() => false)) await rm(path, { force: true });
    },
  };
}

/** Makes the lock file `path`, or replaces one whose holder is dead. */
async function take(path: string, folder: string, onNotice: (line: string) => void): Promise<Holder> {
  const mine: Holder = { ...self(), token: randomBytes(8).toString("hex") };
  const content = `${JSON.stringify(mine)}\n`;
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    try {
      await writeFileAtomic(path, content, { exclusive: true });
      return mine;
    } catch (error) {
      if (!(error instanceof FileExistsError)) throw error;
    }
    const holder = await readHolder(path);
    if (holder === undefined) continue;
    if (!(await isDead(holder, path))) throw new LockedError(inUse(folder, path, holder));
    // Two processes may see the same dead holder. Only the one that holds the guard, whose name belongs to this very lock,
    // may replace it; and it looks again, because another one may have had the guard before.
    const guard = `${path}.${holder.token}`;
    const guarding = await take(guard, folder, () => undefined);
    try {
      if ((await readHolder(path))?.token !== holder.token) continue;
      await writeFileAtomic(path, content);
      const { pid, started } = holder;
      onNotice(
        `${folder}: process ${pid}, started ${started}, ended without unlocking it; its lock is taken over.`,
      );
      return mine;
    } finally {
      if ((await readHolder(guard))?.token === guarding.token) await rm(guard, { force: true });
    }
  }
  throw new LockedError(`${folder}: its lock ${path} changes all the time; other processes seem to use it`);
}

function inUse(folder: string, path: string, { pid, host, started, namespace }: Holder): string {
  const here = host === hostname() && namespace === self().namespace;
  const who = here && pid === process.pid ? "this process" : `process ${pid} on ${host}`;
  const since = `${folder}: is in use by ${who}, started ${started}`;
  return here
    ? `${since}; wait for it or stop it, or take another folder`
    : `${since}; whether it still runs can't be seen from here: if it does not, delete ${path}`;
}

/** undefined where there is no such file. */
async function readHolder(path: string): Promise<Holder | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new LockedError(`${path}: can't be read: ${(error as Error).message}`, { cause: error });
  }
  const holder = parsed(text);
  if (holder === undefined) {
    throw new FormatError(
      `${path}: is no lock that this version of Weft knows; delete it if no process uses the folder`,
    );
  }
  return holder;
}

function parsed(text: string): Holder | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { format, pid, host, started, start, namespace, token } = (value ?? {}) as Readonly<
    Record<string, unknown>
  >;
  const isText = (item: unknown): item is string => typeof item === "string" && item.length <= 1000;
  const sound =
    format === FORMAT &&
    Number.isSafeInteger(pid) &&
    (pid as number) > 0 &&
    [host, started].every(isText) &&
    [start, namespace].every((item) => item === undefined || isText(item)) &&
    // It becomes part of a file's name.
    isText(token) &&
    /^[0-9a-f]{16}$/.test(token);
  return sound ? (value as Holder) : undefined;
}

/** True where it is certain that the process of `holder` has ended. */
async function isDead({ pid, host, started, start, namespace }: Holder, path: string): Promise<boolean> {
  const own = self();
  if (host !== own.host) return false;
  if (namespace !== own.namespace) {
    const beat = await stat(path).catch(() => undefined);
    return beat !== undefined && Date.now() - beat.mtimeMs > DEAD_AFTER_MILLISECONDS;
  }
  if (pid === process.pid && start === undefined)
    return Math.abs(Date.parse(started) - Date.parse(own.started)) > CLOCK_TOLERANCE_MILLISECONDS;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there and another user's.
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return true;
  }
  const now = startOf(pid);
  return now === "ended" || (now !== undefined && start !== undefined && now !== start);
}

let own: Omit<Holder, "token"> | undefined;

function self(): Omit<Holder, "token"> {
  own ??= {
    format: FORMAT,
    pid: process.pid,
    host: hostname(),
    started: new Date(Date.now() - 1000 * process.uptime()).toISOString(),
    start: startOf(process.pid),
    namespace: fromProc(() => readlinkSync("/proc/self/ns/pid")),
  };
  return own;
}

/** When a process started, as Linux tells it; undefined on other systems. */
function startOf(pid: number): string | "ended" | undefined {
  const text = fromProc(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  const boot = fromProc(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
  // The name of the program, in parentheses, may hold anything.
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state] = fields ?? [];
  const ticks = fields?.[19];
  // A zombie has ended, but its parent has not read its exit code yet.
  if (state === "Z" || state === "X") return "ended";
  return boot === undefined || ticks === undefined ? undefined : `${boot}/${ticks}`;
}

function fromProc<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function releaseAll(): void {
  for (const [path, { token }] of locks) {
    try {
      if (parsed(readFileSync(path, "utf8"))?.token === token) unlinkSync(path);
    } catch {
      // Gone already, or a disk that fails: the next one sees that this process has ended.
    }
  }
  locks.clear();
}
