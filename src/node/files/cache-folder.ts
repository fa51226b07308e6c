/** Folders of this user: the cache folder, and the data folder with one sub-folder per data set (`mnist/`, ...). */
import { homedir } from "node:os";
import { join, resolve } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/** The cache folder of the platform, with `weft` at its end. */
export function cacheDirectory(
  env: Environment = process.env,
  platform: string = process.platform,
  home: string = homedir(),
): string {
  // The XDG specification says to ignore a relative path.
  const xdg = env.XDG_CACHE_HOME;
  if (xdg?.startsWith("/")) return join(xdg, "weft");
  if (platform === "win32") return join(env.LOCALAPPDATA || join(home, "AppData", "Local"), "weft", "Cache");
  if (platform === "darwin") return join(home, "Library", "Caches", "weft");
  return join(home, ".cache", "weft");
}

/** The data folder as an absolute path: `option`, else WEFT_DATA, else the cache folder. It need not exist. */
export function dataDirectory(option?: string, env: Environment = process.env): string {
  const chosen = option || env.WEFT_DATA;
  return chosen ? resolve(chosen) : cacheDirectory(env);
}
