/** The fusions in the order they are tried. A forced kernel variant switches off the fusions that would hide it. */
import type { Rewrite } from "../graph/graph.ts";
import { convBlocks } from "./conv-block-rewrite.ts";
import { fuseElementwise } from "./elementwise-group.ts";
import { fuseUpdates } from "./elementwise-updates.ts";
import { fuseActivationGradients, fuseLinearActivations, fuseResiduals } from "./linear.ts";
import { fuseNormSums } from "./norm-sums.ts";
import { fuseAddedGradients, fuseAddedRows } from "./row-norm.ts";
import { fuseRunningStats } from "./running-stats.ts";

const fusions: readonly { readonly rewrite: Rewrite; readonly hides?: readonly string[] }[] = [
  // Looks for moments that fuseRunningStats would replace.
  { rewrite: fuseNormSums },
  { rewrite: fuseRunningStats },
  {
    rewrite: convBlocks,
    hides: ["conv2d", "conv2dBackwardInput", "conv2dBackwardWeight", "maxPool2dBackward"],
  },
  { rewrite: fuseLinearActivations },
  { rewrite: fuseActivationGradients },
  { rewrite: fuseResiduals },
  { rewrite: fuseAddedRows },
  { rewrite: fuseAddedGradients },
  { rewrite: fuseUpdates },
  { rewrite: fuseElementwise },
];

export function rewrites(variants: Readonly<Record<string, string>>): Rewrite[] {
  return fusions
    .filter(({ hides = [] }) => !hides.some((op) => op in variants))
    .map(({ rewrite }) => rewrite);
}
