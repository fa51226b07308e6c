/**
 * Locks a folder against other processes while a run writes there. The lock is a file that names its holder. A lock whose
 * holder has ended (killed, power cut, out of memory) is taken over; of several processes that try, exactly one succeeds.
 *
 * Lock packages such as proper-lockfile judge holders by the age of the lock alone. Here a dead holder is recognised at once
 * by its process, and a live one that was suspended keeps its lock.
 */
import { randomBytes } from "node:crypto";
import { readFileSync, readlinkSync, unlinkSync } from "node:fs";
import { readFile, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import type { FolderLock } from "../../runtime/backend.ts";
import { LockedError } from "../../validation/errors.ts";
import { Fields } from "../../validation/json-fields.ts";
import { atExit } from "../at-exit.ts";
import { FileExistsError, writeFileAtomic } from "./atomic-write.ts";

/** The name of the lock file in a folder. */
export const LOCK_NAME = ".weft.lock";
const FORMAT = 1;

/** The content of the lock file. */
interface Holder {
  readonly format: number;
  readonly pid: number;
  readonly host: string;
  /** When the process started, as ISO 8601. */
  readonly started: string;
  /** Boot id and start tick of the process: distinguishes it from later processes with the same pid. Linux only. */
  readonly start?: string | undefined;
  /** Pid namespace: pids of other namespaces (containers) have no meaning here. */
  readonly namespace?: string | undefined;
  /** Different for every lock. */
  readonly token: string;
}

/** How often the holder renews the file's modification time. */
const HEARTBEAT_MS = 10_000;
/** Age from which a lock of another pid namespace on this host, whose process can't be looked up, counts as dead. */
const DEAD_AFTER_MS = 120_000;
/** Difference between start times as the system and as Node report them. */
const CLOCK_TOLERANCE_MS = 2_000;
const MOST_ATTEMPTS = 100;

/** Locks held by this process, removed when it ends. */
const held = new Map<string, Holder>();
let cancelRelease: (() => void) | undefined;

/**
 * Locks `folder`, creating it if necessary. Rejects with a LockedError while another holder may be alive, with a FormatError
 * on a lock file that this version of Weft did not write. The lock ends with `release` or with the process. `onNotice` is told
 * when the lock of a dead process is taken over.
 */
export async function lockFolder(
  folder: string,
  onNotice: (line: string) => void = () => undefined,
): Promise<FolderLock> {
  const path = join(folder, LOCK_NAME);
  const holder = await take(path, folder, onNotice);
  cancelRelease ??= atExit(releaseAll);
  held.set(path, holder);
  const renew = () => void utimes(path, new Date(), new Date()).catch(() => {});
  const heartbeat = setInterval(renew, HEARTBEAT_MS);
  heartbeat.unref();
  const isOurs = async () => (await readHolder(path))?.token === holder.token;
  return {
    async verify() {
      if (await isOurs()) return;
      throw new LockedError(
        `${folder}: the lock of this run, ${path}, was removed or replaced during the run; another process may be writing there`,
      );
    },
    async release() {
      clearInterval(heartbeat);
      if (held.get(path) !== holder) return;
      held.delete(path);
      if (held.size === 0) {
        cancelRelease?.();
        cancelRelease = undefined;
      }
      if (await isOurs().catch(() => false)) await rm(path, { force: true });
    },
  };
}

/** Creates the lock file `path`, or replaces one whose holder is dead. */
async function take(path: string, folder: string, onNotice: (line: string) => void): Promise<Holder> {
  const mine: Holder = { ...thisProcess(), token: randomBytes(8).toString("hex") };
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
    // Two processes may see the same dead holder. Only the one that holds the guard lock, named after this dead lock, may
    // replace it; and it checks the lock again, because another process may have held the guard before.
    const guard = `${path}.${holder.token}`;
    const guarding = await take(guard, folder, () => undefined);
    try {
      if ((await readHolder(path))?.token !== holder.token) continue;
      await writeFileAtomic(path, content);
      const { pid, started } = holder;
      onNotice(
        `${folder}: process ${pid}, started ${started}, ended without unlocking it; taking over its lock.`,
      );
      return mine;
    } finally {
      if ((await readHolder(guard))?.token === guarding.token) await rm(guard, { force: true });
    }
  }
  throw new LockedError(`${folder}: its lock ${path} changes all the time; other processes seem to use it`);
}

function inUse(folder: string, path: string, { pid, host, started, namespace }: Holder): string {
  const here = host === hostname() && namespace === thisProcess().namespace;
  const who = here && pid === process.pid ? "this process" : `process ${pid} on ${host}`;
  const since = `${folder}: is in use by ${who}, started ${started}`;
  return here
    ? `${since}; wait for it or stop it, or use another folder`
    : `${since}; whether it still runs can't be seen from here: if it does not, delete ${path}`;
}

/** The holder in the lock file; undefined where there is no such file. */
async function readHolder(path: string): Promise<Holder | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new LockedError(`${path}: can't be read: ${(error as Error).message}`, { cause: error });
  }
  return parseHolder(path, text);
}

function parseHolder(path: string, text: string): Holder {
  const place = `${path}: not a lock of this version of Weft; delete it if no process uses the folder`;
  const holder = Fields.parse(text, place);
  holder.whole("format", FORMAT, FORMAT);
  holder.whole("pid", 1);
  for (const name of ["host", "started"]) holder.text(name);
  for (const name of ["start", "namespace"]) holder.optional(name, (n) => holder.text(n));
  // The token becomes part of a file name.
  holder.matching("token", /^[0-9a-f]{16}$/, "16 hexadecimal digits");
  return holder.values as unknown as Holder;
}

/** True where it is certain that the process of `holder` has ended. */
async function isDead({ pid, host, started, start, namespace }: Holder, path: string): Promise<boolean> {
  const self = thisProcess();
  if (host !== self.host) return false;
  if (namespace !== self.namespace) {
    const renewed = await stat(path).catch(() => undefined);
    return renewed !== undefined && Date.now() - renewed.mtimeMs > DEAD_AFTER_MS;
  }
  if (pid === process.pid && start === undefined)
    return Math.abs(Date.parse(started) - Date.parse(self.started)) > CLOCK_TOLERANCE_MS;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: the process exists and belongs to another user.
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return true;
  }
  const now = startOf(pid);
  return now === "ended" || (now !== undefined && start !== undefined && now !== start);
}

let self: Omit<Holder, "token"> | undefined;

function thisProcess(): Omit<Holder, "token"> {
  self ??= {
    format: FORMAT,
    pid: process.pid,
    host: hostname(),
    started: new Date(Date.now() - 1000 * process.uptime()).toISOString(),
    start: startOf(process.pid),
    namespace: orUndefined(() => readlinkSync("/proc/self/ns/pid")),
  };
  return self;
}

/** Boot id and start tick of a process from Linux's /proc; undefined on other systems. */
function startOf(pid: number): string | "ended" | undefined {
  const text = orUndefined(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  const boot = orUndefined(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
  // The second field, the program's name in parentheses, may contain anything: read the fields behind it.
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ") ?? [];
  const [state, ticks] = [fields[0], fields[19]];
  // A zombie has ended, but its parent has not read its exit code yet.
  if (state === "Z" || state === "X") return "ended";
  return boot === undefined || ticks === undefined ? undefined : `${boot}/${ticks}`;
}

function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function releaseAll(): void {
  for (const [path, { token }] of held) {
    try {
      if (parseHolder(path, readFileSync(path, "utf8")).token === token) unlinkSync(path);
    } catch {
      // Already removed, or the disk fails: the next process sees that this one has ended.
    }
  }
  held.clear();
}
