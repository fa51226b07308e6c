/**
 * Where data sets lie on this computer: the caller's choice, else the environment variable WEFT_DATA, else the
 * per-user cache folder. One sub-folder per data set (`mnist/`, ...), files under their published names.
 */
import { homedir } from "node:os";
import { join, resolve } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/** The per-user cache folder of the platform, with `weft` at its end. */
export function cacheDirectory(
  env: Environment = process.env,
  platform: string = process.platform,
  home: string = homedir(),
): string {
  // The XDG specification: a relative path there is to be ignored.
  const xdg = env.XDG_CACHE_HOME;
  if (xdg?.startsWith("/")) return join(xdg, "weft");
  if (platform === "win32") return join(env.LOCALAPPDATA || join(home, "AppData", "Local"), "weft", "Cache");
  if (platform === "darwin") return join(home, "Library", "Caches", "weft");
  return join(home, ".cache", "weft");
}

/** The data directory as an absolute path; it need not exist. */
export function dataDirectory(option?: string, env: Environment = process.env): string {
  const chosen = option || env.WEFT_DATA;
  return chosen ? resolve(chosen) : cacheDirectory(env);
}
