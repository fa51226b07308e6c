/**
 * The fusion that introduces convBlock: every conv2d -> relu -> maxPool2d, with its backward nodes if there are any, where
 * nothing else reads the values between. Leaves alone pools that overlap, pad or round up, and grouped convolutions.
 */

import type { ConvAttrs } from "../geometry/conv.ts";
import type { PoolConstants } from "../geometry/pool.ts";
import type { Graph } from "../graph/graph.ts";
import type { Node, Tensor } from "../graph/tensor.ts";
import { conv2dBackwardInputOp, conv2dBackwardWeightOp, conv2dOp } from "../ops/conv/conv2d.ts";
import { reluBackwardOp, reluOp } from "../ops/elementwise/relu-sigmoid-tanh.ts";
import { maxPool2dBackwardOp, maxPool2dOp } from "../ops/pool/pool.ts";
import { convBlockBackwardOp, convBlockOp } from "./conv-block.ts";

/** A `Rewrite`: pooled outputs and gradients, and the outputs of blocks that replace them. */
export function convBlocks(graph: Graph): ReadonlyMap<Tensor, Tensor> {
  const replaced = new Map<Tensor, Tensor>();
  for (const node of graph.nodes) {
    for (const [old, made] of convBlockAt(graph, node) ?? []) replaced.set(old, made);
  }
  return replaced;
}

function convBlockAt(graph: Graph, pool: Node): [Tensor, Tensor][] | undefined {
  if (pool.op !== maxPool2dOp || !isPlainPool(pool.plan.constants as PoolConstants)) return undefined;
  const [pooled, indices] = pool.outputs as [Tensor, Tensor];
  const relu = pool.inputs[0]!.node;
  const conv = relu.inputs[0]?.node;
  if (relu.op !== reluOp || conv?.op !== conv2dOp) return undefined;
  const attrs = conv.attrs as ConvAttrs;
  const active = relu.outputs[0]!;
  const hidden = [conv.outputs[0]!, active, indices];
  if (attrs.GROUPS !== 1 || hidden.some((t) => graph.isOutput(t))) return undefined;
  if (graph.users(conv.outputs[0]!).length > 1) return undefined;

  const unpools = graph.users(indices);
  const unpool = unpools[0];
  const reluBackward = unpool === undefined ? undefined : graph.users(unpool.outputs[0]!)[0];
  const forwardUsers = [pool, reluBackward];
  if (!graph.users(active).every((user) => forwardUsers.includes(user))) return undefined;

  const [x, w] = conv.inputs as [Tensor, Tensor];
  const { KH, KW } = pool.plan.constants as PoolConstants;
  const block = { ...attrs, PKH: KH, PKW: KW };
  const [y, code] = convBlockOp.apply(conv.inputs, block, `${conv.label}+relu+maxPool2d`) as [Tensor, Tensor];
  const replaced: [Tensor, Tensor][] = [[pooled, y]];
  if (unpool === undefined) return replaced;

  if (unpools.length > 1 || unpool.op !== maxPool2dBackwardOp || !onlyUser(graph, unpool, reluBackward))
    return undefined;
  if (reluBackward?.op !== reluBackwardOp || reluBackward.inputs[1] !== active) return undefined;
  const preActivation = reluBackward.outputs[0]!;
  if (graph.isOutput(preActivation)) return undefined;
  const of = { input: conv2dBackwardInputOp, weight: conv2dBackwardWeightOp };
  const users = graph.users(preActivation);
  const input = users.find(
    (user) => user.op === of.input && user.inputs[0] === w && user.inputs[1] === preActivation,
  );
  const weight = users.find(
    (user) => user.op === of.weight && user.inputs[0] === x && user.inputs[1] === preActivation,
  );
  if (users.length !== (input ? 1 : 0) + (weight ? 1 : 0)) return undefined;
  const needs = { needsX: input !== undefined, needsW: weight !== undefined };
  const made = convBlockBackwardOp.apply([w, x, unpool.inputs[0]!, code], { ...block, ...needs });
  const gradients = [...(input?.outputs ?? [undefined]), ...(weight?.outputs ?? [])];
  gradients.forEach((t, i) => {
    if (t !== undefined) replaced.push([t, made[i]!]);
  });
  return replaced;
}

function onlyUser(graph: Graph, node: Node, user: Node | undefined): boolean {
  const out = node.outputs[0]!;
  return graph.users(out).length === 1 && graph.users(out)[0] === user && !graph.isOutput(out);
}

function isPlainPool(p: PoolConstants): boolean {
  return (
    p.strideY === p.KH &&
    p.strideX === p.KW &&
    p.padTop === 0 &&
    p.padLeft === 0 &&
    (p.dilationY === 1 || p.KH === 1) &&
    (p.dilationX === 1 || p.KW === 1) &&
    p.OH === Math.floor(p.H / p.KH) &&
    p.OW === Math.floor(p.W / p.KW)
  );
}
