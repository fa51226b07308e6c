/** The fusions in the order they are tried. A forced kernel variant switches off the fusions that would hide it. */

import type { Replaced } from "../op.ts";
import type { Rewrite } from "../plan/graph.ts";
import { convBlocks } from "./conv-block-rewrite.ts";
import { fuseLinearActivations, fuseLinearSlopes } from "./linear.ts";
import { pointwiseChains } from "./pointwise-chain.ts";

/** What the ops of a graph bring along themselves. */
function fusionsOfOps(graph: Parameters<Rewrite>[0]): Replaced {
  const all = [...new Set(graph.nodes.map((n) => n.op))].flatMap((op) => op.rewrite?.(graph) ?? []);
  return {
    tensors: new Map(all.flatMap((r) => [...r.tensors])),
    updates: new Map(all.flatMap((r) => [...r.updates])),
  };
}

const fusions: readonly { readonly rewrite: Rewrite; readonly hides: readonly string[] }[] = [
  { rewrite: fusionsOfOps, hides: [] },
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
