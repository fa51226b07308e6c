/** The fusions in the order they are tried. A forced kernel variant switches off the fusions that would hide it. */
import type { Rewrite } from "../plan/graph.ts";

export function rewrites(_variants: Readonly<Record<string, string>>): Rewrite[] {
  return [];
}
