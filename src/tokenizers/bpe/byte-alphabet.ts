/**
 * GPT-2's way to write bytes as text, which its files and byte-level tokenizer.json files use: visible characters of Latin-1
 * stand for themselves, the other bytes are written as U+0100 and on, so that no token holds white space.
 */

const isVisible = (byte: number) =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
const all = Array.from({ length: 256 }, (_, byte) => byte);
const hidden = all.filter((byte) => !isVisible(byte));

/** All bytes, in order of their characters; GPT-2 numbers its first 256 tokens so. */
export const BYTES_IN_ORDER: readonly number[] = [...all.filter(isVisible), ...hidden];

/** The character of each byte. */
export const CHARACTER_OF: readonly string[] = all.map((byte) =>
  String.fromCharCode(isVisible(byte) ? byte : 0x100 + hidden.indexOf(byte)),
);

const BYTE_OF: ReadonlyMap<string, number> = new Map(
  CHARACTER_OF.map((character, byte) => [character, byte]),
);

/** The bytes that `token` writes; undefined if it has characters that stand for none. */
export function bytesOf(token: string): Uint8Array | undefined {
  const bytes = Array.from(token, (character) => BYTE_OF.get(character));
  return bytes.includes(undefined) ? undefined : Uint8Array.from(bytes as number[]);
}
