/** Plans of random graphs: lifetimes by brute force, and values against a run that shares no memory. */
import { describe, expect, it } from "vitest";
import { gradients } from "../src/autograd.ts";
import { Graph } from "../src/graph/graph.ts";
import { argName } from "../src/graph/op.ts";
import { ALIGN_WORDS } from "../src/graph/pack-layout.ts";
import type { Data } from "../src/graph/spec.ts";
import { input, isLeaf, type Node, parameter, type Tensor } from "../src/graph/tensor.ts";
import { Random } from "../src/numbers/random.ts";
import { add, mul } from "../src/ops/elementwise/arithmetic.ts";
import { relu } from "../src/ops/elementwise/relu-sigmoid-tanh.ts";
import { maxPool2dWithIndices } from "../src/ops/pool/pool.ts";
import { sum } from "../src/ops/reduce/sum.ts";
import { pack } from "../src/ops/shape/pack.ts";
import { reshape } from "../src/ops/shape/reshape.ts";
import { CpuBackend } from "../src/runtime/cpu/backend.ts";
import { checkPlan, planOf } from "./support/check-plan.ts";

/** The values of `wanted`, computed from the unplanned graph with an array for each tensor. */
function straight(wanted: readonly Tensor[], values: ReadonlyMap<Tensor, Data>): Data[] {
  const known = new Map<Tensor, Data>();
  const value = (t: Tensor): Data => {
    const got = known.get(t);
    if (got !== undefined) return got;
    const { leaf, node } = t;
    const inputs = node.inputs.map(value);
    const results = node.outputs.map((o) =>
      o.dtype === "i32" ? new Int32Array(o.size) : new Float64Array(o.size),
    );
    if (leaf !== undefined) results[0]?.set(values.get(t) ?? (leaf.kind === "constant" ? leaf.data : []));
    else if (node.op.view === "reshape") results[0]?.set(inputs[0] as Data);
    else if (node.op.view === "pack") {
      let at = 0;
      for (const part of inputs) {
        results[0]?.set(part, at);
        at += Math.ceil(part.length / ALIGN_WORDS) * ALIGN_WORDS;
      }
    } else {
      const tensors: Record<string, Data> = {};
      for (const name of node.op.args) tensors[name] = new Float64Array(0);
      inputs.forEach((data, i) => {
        tensors[argName(node.op, i)] = data;
      });
      node.op.results.forEach((name, i) => {
        tensors[name] = results[i] as Data;
      });
      node.op.cpu(tensors, node.plan.constants);
    }
    node.outputs.forEach((o, i) => {
      known.set(o, results[i] as Data);
    });
    return known.get(t) as Data;
  };
  return wanted.map(value);
}

// Planes of more than 64 elements, so that their sums need scratch.
const SHAPE = [1, 2, 9, 8];

interface Sample {
  readonly outputs: Tensor[];
  readonly leaves: Map<Tensor, Data>;
}

/** Random graphs of element-wise ops, pooling (two results), sums (scratch), reshapes and flattening; every third with gradients. */
function sample(seed: number): Sample {
  const random = new Random(seed, 7);
  const below = (n: number) => Math.floor(random.uniform() * n);
  const leaves = new Map<Tensor, Data>();
  const leaf = (make: () => Tensor): Tensor => {
    const t = make();
    leaves.set(
      t,
      Float64Array.from({ length: t.size }, () => random.uniform() - 0.5),
    );
    return t;
  };
  const pool = [leaf(() => input(SHAPE)), leaf(() => parameter(SHAPE))];
  const extra: Tensor[] = [];
  const pick = () => pool[below(pool.length)] as Tensor;
  for (let i = 3 + below(25); i > 0; i--) {
    const kind = below(9);
    if (kind < 3) pool.push(add(pick(), pick()));
    else if (kind < 5) pool.push(mul(pick(), pick()));
    else if (kind < 6) pool.push(mul(relu(pick()), 0.5));
    else if (kind < 7) pool.push(reshape(reshape(pick(), [-1]), SHAPE));
    else if (kind < 8) pool.push(mul(pick(), sum(pick(), { axes: [2, 3], keepDims: true })));
    else {
      const { y, indices } = maxPool2dWithIndices(pick(), 3, { stride: 1, padding: 1 });
      pool.push(y);
      extra.push(indices);
    }
  }
  const outputs = [pool.at(-1) as Tensor, pick(), ...extra.filter(() => below(2) === 0)];
  const parts = Array.from({ length: 1 + below(4) }, pick);
  if (below(2) === 0) outputs.push(pack(parts));
  if (seed % 3 === 0) {
    const wrt = [...leaves.keys(), pick()];
    const grads = gradients(sum(pool.at(-1) as Tensor), wrt);
    outputs.push(seed % 2 === 0 ? pack(grads) : (grads[0] as Tensor));
  }
  return { outputs, leaves };
}

const SAMPLES = 150;

describe("random graphs", () => {
  it("keep every value until its last use, and never write a buffer that they read", () => {
    for (let seed = 0; seed < SAMPLES; seed++) checkPlan(planOf({ outputs: sample(seed).outputs }));
  });

  it("give the same values as without shared memory", async () => {
    for (let seed = 0; seed < SAMPLES; seed++) {
      const { outputs, leaves } = sample(seed);
      const cpu = new CpuBackend({ bits: 64 });
      const program = await cpu.compile({ outputs });
      const used = new Set(new Graph({ outputs }).leaves());
      for (const [leaf, data] of leaves) if (used.has(leaf)) cpu.write(leaf, data);
      program.run();
      program.run();
      const truth = straight(outputs, leaves);
      for (const [i, t] of outputs.entries())
        expect(await program.read(t), `${seed}: ${t.label}`).toEqual(truth[i]);
    }
  });

  it("put inputs before users", () => {
    for (let seed = 0; seed < 30; seed++) {
      const { nodes } = new Graph({ outputs: sample(seed).outputs });
      const at = new Map<Node, number>(nodes.map((n, i) => [n, i]));
      for (const n of nodes) {
        for (const t of n.inputs) if (!isLeaf(t)) expect(at.get(t.node)).toBeLessThan(at.get(n) as number);
      }
    }
  });

  it("are planned the same way twice", () => {
    const places = (seed: number) => {
      const plan = planOf({ outputs: sample(seed).outputs });
      return plan.graph.nodes.map((n) => [
        n.label,
        ...n.outputs.map((t) => plan.storage.placements.get(t)?.allocation.slot),
      ]);
    };
    for (let seed = 0; seed < 20; seed++) expect(places(seed)).toEqual(places(seed));
  });
});
