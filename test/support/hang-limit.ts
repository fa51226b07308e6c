/**
 * How long a process, a page or an answer may take before it counts as hung. It is for hangs and never for speed: busy
 * cores and software adapters make all of it many times slower. A test may take half as long again, so that what hung in
 * it is ended and told first.
 */
export const HANG_LIMIT_MS = 600_000;
