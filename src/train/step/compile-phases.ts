/** Compiles the graphs of a step's phases to one program. */

import type { GraphSpec } from "../../graph/graph.ts";
import type { Backend, Program } from "../../runtime/backend.ts";
import type { PhaseRing } from "./program-source.ts";
import type { StepGraph } from "./step-graph.ts";

/** `last`: a graph that runs after the phases of every step. */
export async function compilePhases(
  backend: Backend,
  compile: (spec: GraphSpec) => Promise<Program>,
  graphs: readonly StepGraph[],
  last?: GraphSpec,
): Promise<{ readonly program: Program; readonly rings: readonly PhaseRing[] }> {
  const parts: { program: Program; every: number }[] = [];
  for (const { spec, every } of graphs) parts.push({ program: await compile(spec), every });
  if (last !== undefined) parts.push({ program: await compile(last), every: 1 });
  const [only] = parts;
  const program = parts.length === 1 && only?.every === 1 ? only.program : backend.sequence(parts);
  return { program, rings: graphs.map(({ name, every, ring, layout }) => ({ name, every, ring, layout })) };
}
