/** Signatures of files that this user's Weft wrote, with a key that lies in the user's cache folder. */
import { createHmac, randomBytes } from "node:crypto";
import { join } from "node:path";
import { FileExistsError, readTextFile, writeFileAtomic } from "./atomic-write.ts";
import { cacheDirectory } from "./cache-folder.ts";

/** The signature of `content`; undefined where there can be no key. */
export async function signatureOf(content: unknown): Promise<string | undefined> {
  try {
    return createHmac("sha256", await userKey())
      .update(JSON.stringify(content))
      .digest("hex");
  } catch {
    return undefined;
  }
}

/** Made when first needed, readable for the user alone. */
async function userKey(): Promise<string> {
  const path = join(cacheDirectory(), "signature-key");
  const key = await readTextFile(path).catch(async () => {
    const made = randomBytes(32).toString("hex");
    await writeFileAtomic(path, made, { exclusive: true, mode: 0o600 }).catch((error: unknown) => {
      if (!(error instanceof FileExistsError)) throw error;
    });
    return readTextFile(path);
  });
  if (!/^[0-9a-f]{64}$/.test(key)) throw new Error(`${path}: is no key`);
  return key;
}
