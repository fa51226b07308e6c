// Lower bound of the work of each dispatch, from a plan: floating-point operations of products and convolutions, and the bytes
// of the tensors that it reads and writes, each counted once.

/** Multiply-adds of the ops that are made of them, from their constants. */
const MULTIPLY_ADDS = {
  matmul: ({ BATCH, M, N, K }) => BATCH * M * N * K,
  linear: ({ N, IN, OUT }) => N * IN * OUT,
  linearBackward: ({ N, IN, OUT, needsX, needsW }) => N * IN * OUT * (Number(needsX) + Number(needsW)),
  conv2d: convolution,
  conv2dBackwardInput: convolution,
  conv2dBackwardWeight: convolution,
  convBlock: convolution,
  // After a max-pool only one output position per window has a gradient.
  convBlockBackward: (c) => (convolution(c) / (c.PKH * c.PKW)) * (Number(c.needsX) + Number(c.needsW)),
};

function convolution({ N, O, OH, OW, CG, KH, KW }) {
  return N * O * OH * OW * CG * KH * KW;
}

/** Per dispatch, in their order; the flops of a node count for the first of its dispatches. */
export function workOf(plan) {
  return plan.graph.nodes.flatMap((node) =>
    (plan.kernels.get(node)?.kernels ?? []).map((kernel, i) => ({
      flops: i === 0 ? 2 * (MULTIPLY_ADDS[node.op.name]?.(node.plan.constants) ?? 0) : 0,
      bytes: trafficOf(plan, node, kernel),
    })),
  );
}

function trafficOf(plan, node, kernel) {
  const names = new Set(kernel.bind.map((bound) => (typeof bound === "string" ? bound : bound[1])));
  let words = 0;
  for (const name of names) {
    const scratch = plan.storage.scratch.get(node)?.get(name);
    const input = node.inputs[node.op.args.indexOf(name)];
    const output = node.outputs[node.op.results.indexOf(name)];
    const times = node.op.mutates?.includes(name) ? 2 : 1;
    // Builds before this one call an allocation a root.
    const allocation = scratch?.allocation ?? scratch?.root;
    words += times * (allocation?.words ?? input?.size ?? output?.size ?? 0);
  }
  return 4 * words;
}
