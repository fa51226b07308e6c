/** Walks a plan as a device would and fails where memory is shared that must not be. */
import { expect } from "vitest";
import type { GraphSpec } from "../../src/graph/graph.ts";
import { argName } from "../../src/graph/op.ts";
import { isLeaf, type Tensor } from "../../src/graph/tensor.ts";
import { copy } from "../../src/ops/elementwise/copy.ts";
import { makePlan, type Plan } from "../../src/plan/plan.ts";
import { type Allocation, baseOf } from "../../src/plan/storage.ts";
import { PORTABLE } from "../../src/replay/compile.ts";
import { adapterProfile } from "../../src/runtime/gpu/adapter-profile.ts";

/** The plan of a software adapter, scratch included, without fusions. */
export function planOf(spec: GraphSpec, variants: Readonly<Record<string, string>> = {}): Plan {
  const env = adapterProfile({ ...PORTABLE, software: true });
  return makePlan(spec, { copy, env, variants });
}

/** Where tensors lie while a plan runs; writing takes the place from whatever overlaps. */
class Memory {
  readonly #held = new Map<string, { owner: Tensor; from: number; to: number }[]>();
  readonly #names = new Map<Allocation, string>();

  constructor(readonly plan: Plan) {}

  buffer(allocation: Allocation): string {
    const { kind, slot } = allocation;
    if (kind === "slot") return `slot ${slot}`;
    const known = this.#names.get(allocation) ?? `${kind} ${this.#names.size}`;
    this.#names.set(allocation, known);
    return known;
  }

  place(t: Tensor): { buffer: string; from: number; to: number } {
    const { placements, slots } = this.plan.storage;
    const placement = placements.get(t);
    if (placement === undefined) throw new Error(`${t.label} has no memory`);
    const { allocation, offset } = placement;
    const words = allocation.kind === "slot" ? slots[allocation.slot]! : allocation.words;
    expect(offset + t.size, `${t.label} fits its memory`).toBeLessThanOrEqual(words);
    return { buffer: this.buffer(allocation), from: offset, to: offset + t.size };
  }

  write(t: Tensor): void {
    const { buffer, from, to } = this.place(t);
    const others = (this.#held.get(buffer) ?? []).filter((h) => h.to <= from || h.from >= to);
    this.#held.set(buffer, [...others, { owner: t, from, to }]);
  }

  spoil(buffer: string): void {
    this.#held.delete(buffer);
  }

  /** True when all elements of `t` are still there. */
  holds(t: Tensor): boolean {
    const base = baseOf(t);
    if (isLeaf(base)) return true;
    if (base.node.op.view === "pack") return base.node.inputs.every((part) => this.holds(part));
    return this.#held.get(this.place(base).buffer)?.some((h) => h.owner === base) === true;
  }
}

/** Fails when a value is gone before its use, or a buffer is both read and written. */
export function checkPlan(plan: Plan): void {
  const memory = new Memory(plan);
  for (const node of plan.graph.nodes) {
    if (node.op.view !== undefined) continue;
    for (const t of node.inputs)
      expect(memory.holds(t), `${node.label} reads ${t.label}, still there`).toBe(true);
    const read = new Set<string>();
    const written = new Map<string, string>();
    node.inputs.forEach((t, i) => {
      const { buffer } = memory.place(t);
      if (node.op.mutates.includes(argName(node.op, i))) written.set(buffer, t.label);
      else read.add(buffer);
    });
    for (const t of node.outputs) written.set(memory.place(t).buffer, t.label);
    const scratch = [...(plan.storage.scratch.get(node)?.values() ?? [])].map((p) =>
      memory.buffer(p.allocation),
    );
    expect(new Set(scratch).size, `${node.label}: scratches apart`).toBe(scratch.length);
    for (const buffer of scratch) {
      expect(written.has(buffer), `${node.label}: scratch apart from results`).toBe(false);
      written.set(buffer, "scratch");
    }
    for (const [buffer, what] of written) {
      expect(read.has(buffer), `${node.label} writes ${what} into ${buffer}, which it reads`).toBe(false);
    }
    for (const t of node.outputs) memory.write(t);
    for (const buffer of scratch) memory.spoil(buffer);
    for (const t of node.outputs) expect(memory.holds(t), `${node.label}: results apart`).toBe(true);
  }
  for (const t of plan.outputs) expect(memory.holds(t), `output ${t.label} at the end`).toBe(true);
}
