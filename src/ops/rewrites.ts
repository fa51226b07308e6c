/** The fusions in the order they are tried. A forced kernel variant switches off the fusions that would hide it. */
import type { Rewrite } from "../plan/graph.ts";
import { convBlocks } from "./conv-block-rewrite.ts";
import { fuseLinearActivations, fuseLinearSlopes } from "./linear.ts";
import { pointwiseChains } from "./pointwise-chain.ts";

const fusions: readonly { readonly rewrite: Rewrite; readonly hides: readonly string[] }[] = [
  {
    rewrite: convBlocks,
    hides: ["conv2d", "conv2dBackwardInput", "conv2dBackwardWeight", "maxPool2dBackward"],
  },
  { rewrite: fuseLinearActivations, hides: [] },
  { rewrite: fuseLinearSlopes, hides: [] },
  { rewrite: pointwiseChains, hides: [] },
];

export function rewrites(variants: Readonly<Record<string, string>>): Rewrite[] {
  return fusions.filter(({ hides }) => !hides.some((op) => op in variants)).map(({ rewrite }) => rewrite);
}
