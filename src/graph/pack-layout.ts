/** How tensors lie in a pack: slices of one buffer, each where WebGPU can bind it. */

/** Slices of a pack start at multiples of 64 words: 256 bytes, WebGPU's strictest binding alignment. */
export const ALIGN_WORDS = 64;

/** Offsets in words of `sizes` laid one after another in a pack, and the pack's length. */
export function packLayout(sizes: readonly number[]): { offsets: number[]; words: number } {
  const offsets: number[] = [];
  let words = 0;
  for (const size of sizes) {
    offsets.push(words);
    words += Math.ceil(size / ALIGN_WORDS) * ALIGN_WORDS;
  }
  return { offsets, words };
}
