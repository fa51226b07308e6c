/**
 * The fusion of the two sums in a normalisation's gradient with the element-wise ops that compute the incoming gradient: the
 * derivative of an activation, the sum over the branches of a residual block. The incoming gradient is computed where the sums
 * read it, and stored. Groups with broadcast inputs or with more inputs than a kernel can bind are not fused.
 */

import {
  type ReductionGeometry,
  reducedSpec,
  reductionGeometry,
  reductionIndex,
} from "../geometry/reduction.ts";
import { type DefinedOp, defineOp } from "../graph/op.ts";
import { packLayout } from "../graph/pack-layout.ts";
import { type Data, sameShape } from "../graph/spec.ts";
import type { GraphView, Node, Replaced, Tensor } from "../graph/tensor.ts";
import { type Step, shapesText, singleResult } from "../kernels/elementwise/group.ts";
import { normSumsKernels } from "../kernels/norm/norm-sums.ts";
import { ROW_VARIANTS } from "../kernels/reduce/rows.ts";
import { runGroup } from "../ops/elementwise/pointwise-cpu.ts";
import { normSumsOp, type SumsAttrs } from "../ops/norm/norm-sums.ts";
import { momentsOp } from "../ops/reduce/moments.ts";
import { pack } from "../ops/shape/pack.ts";
import { MAX_STEPS, stepsOf } from "./elementwise-group.ts";

/** With x, statistics and three results, as many bindings as every WebGPU device allows in one stage. */
const MAX_INPUTS = 3;

const namesOf = (count: number) => Array.from({ length: count }, (_, i) => `xs${i + 2}`);

/**
 * (x, stats, ...inputs of the group) -> Σ dy, Σ dy (x - mean) rstd, dy, where `steps` compute dy from the inputs, all of x's
 * shape, and stats is the flattened buffer of mean and rstd.
 */
export function fusedNormSumsOp(steps: readonly Step[]): DefinedOp<SumsAttrs> {
  return defineOp({
    name: "normSums",
    args: ["...xs"],
    results: ["sumDy", "sumDyXhat", "dy"],
    variants: ROW_VARIANTS,
    plan([x, , ...inputs], { axes }: SumsAttrs) {
      const one = reducedSpec(x!, axes);
      const shapes = shapesText(inputs);
      const group = steps.map((s) => s.name).join();
      return {
        outputs: [one, one, x!],
        constants: { ...reductionGeometry("normSums", x!, axes), shapes, group },
      };
    },
    cpu(tensors, constants) {
      const { xs0: x, xs1: stats, sumDy, sumDyXhat, dy } = tensors as Record<string, Data>;
      const groupOf = () => singleResult(steps, namesOf(constants.shapes.split(";").length));
      runGroup(constants, groupOf, { ...tensors, result: dy! });
      const g = constants as unknown as ReductionGeometry;
      const second = packLayout([g.KEPT, g.KEPT]).offsets[1]!;
      for (let k = 0; k < g.KEPT; k++) {
        let [s, t] = [0, 0];
        for (let r = 0; r < g.REDUCED; r++) {
          const at = reductionIndex(g, k, r);
          s += dy![at]!;
          t += dy![at]! * (x![at]! - stats![k]!) * stats![second + k]!;
        }
        sumDy![k] = s;
        sumDyXhat![k] = t;
      }
    },
    kernels(constants, env) {
      const g = constants as unknown as ReductionGeometry;
      const names = namesOf(constants.shapes.split(";").length);
      return normSumsKernels(g, env, {
        stats: ["stats"],
        mean: "stats[k]",
        rstd: `stats[k + ${packLayout([g.KEPT, g.KEPT]).offsets[1]}u]`,
        steps,
        names,
        result: "gradient",
        from: [["x", "xs0"], ["stats", "xs1"], ...names, ["gradient", "dy"]],
      });
    },
  });
}

/** Fuses normSums of (dy, x, mean, rstd) whose statistics come from one node of moments. */
export function fuseNormSums(graph: GraphView): Replaced["tensors"] {
  const tensors = new Map<Tensor, Tensor>();
  const position = new Map(graph.nodes.map((n, i) => [n, i]));
  const at = (t: Tensor) => position.get(t.node) ?? -1;
  for (const node of graph.nodes) {
    const [dy, x, mean, rstd] = node.inputs;
    if (node.op !== normSumsOp || !dy || !x || mean?.node.op !== momentsOp || rstd?.node !== mean.node)
      continue;
    // The other inputs must be computed before dy is, or nodes could depend on each other in a cycle.
    if (tensors.has(dy) || Math.max(at(x), at(mean)) >= at(dy)) continue;
    const members = groupBefore(graph, dy);
    if (members.length === 0 || members.length > MAX_STEPS) continue;
    const { inputs, steps } = stepsOf(members);
    const alike = inputs.every((t) => t.dtype === "f32" && sameShape(t.shape, x.shape));
    if (inputs.length === 0 || inputs.length > MAX_INPUTS || !alike) continue;
    const label = [...members, node].map((n) => n.op.name).join("+");
    const made = fusedNormSumsOp(steps).apply(
      [x, pack([mean, rstd]), ...inputs],
      node.attrs as SumsAttrs,
      label,
    );
    [...node.outputs, dy].forEach((t, i) => {
      tensors.set(t, made[i] as Tensor);
    });
  }
  return tensors;
}

/** The element-wise nodes that compute `last` and that no node outside the group reads, in the order of the graph. */
function groupBefore(graph: GraphView, last: Tensor): Node[] {
  const members = new Set<Node>(last.node.op.pointwise === undefined ? [] : [last.node]);
  for (const node of members) {
    for (const t of node.inputs) {
      const joins =
        t.node.op.pointwise !== undefined &&
        sameShape(t.shape, last.shape) &&
        !graph.isOutput(t) &&
        graph.users(t).every((user) => members.has(user));
      if (joins) members.add(t.node);
    }
  }
  return graph.nodes.filter((n) => members.has(n));
}
