/** Signs content with a key in the user's cache folder, to recognise files that this user's Weft wrote. */
import { createHmac, randomBytes } from "node:crypto";
import { join } from "node:path";
import { FileExistsError, readTextFile, writeFileAtomic } from "./atomic-write.ts";
import { cacheDirectory } from "./cache-folder.ts";

/** The signature of `content`; undefined where no key can be stored. */
export async function signatureOf(content: unknown): Promise<string | undefined> {
  try {
    const text = JSON.stringify(content);
    return createHmac("sha256", await userKey())
      .update(text)
      .digest("hex");
  } catch {
    return undefined;
  }
}

/** The user's key, created at first use and readable only by the user. */
async function userKey(): Promise<string> {
  const path = join(cacheDirectory(), "signature-key");
  const key = await readTextFile(path).catch(async () => {
    const created = randomBytes(32).toString("hex");
    await writeFileAtomic(path, created, { exclusive: true, mode: 0o600 }).catch((error: unknown) => {
      if (!(error instanceof FileExistsError)) throw error;
    });
    return readTextFile(path);
  });
  if (!/^[0-9a-f]{64}$/.test(key)) throw new Error(`${path}: not a key`);
  return key;
}
