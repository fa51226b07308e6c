/** The layout of a flattened buffer: the tensors that `pack` puts into it, each where WebGPU can bind it. */

/** Tensors in a flattened buffer start at multiples of 64 words: 256 bytes, WebGPU's strictest binding alignment. */
export const ALIGN_WORDS = 64;

/** Offsets, in 4-byte words, of tensors of `sizes` elements in a flattened buffer, and the length of the buffer. */
export function packLayout(sizes: readonly number[]): { offsets: number[]; words: number } {
  const offsets: number[] = [];
  let words = 0;
  for (const size of sizes) {
    offsets.push(words);
    words += Math.ceil(size / ALIGN_WORDS) * ALIGN_WORDS;
  }
  return { offsets, words };
}
