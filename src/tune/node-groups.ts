/**
 * What a plan leaves to choose: for every op with several kernel variants, and every set of constants that it has in the plan,
 * the variants whose kernels differ. A fingerprint of their code tells whether a stored choice is still valid.
 */
import type { Constants, Kernel, KernelEnv, KernelPlan, KernelUse } from "../graph/kernel.ts";
import type { Node, Op } from "../graph/tensor.ts";
import type { Plan } from "../plan/plan.ts";

export interface Variant {
  readonly name: string;
  readonly kernels: readonly KernelUse[];
}

/** Nodes of one op with the same constants, which run as the same kernels. */
export interface NodeGroup {
  /** Op and constants. */
  readonly key: string;
  /** The first of the nodes. */
  readonly node: Node;
  /** Name of the variant that the op chooses; "default" where it has none. */
  readonly defaultVariant: string;
  /** Variants whose kernels differ from the default's and from each other's. */
  readonly alternatives: readonly Variant[];
  readonly fingerprint: string;
}

/** The groups of `plan` that have alternatives, in the order of its nodes, without the ops in `forced`. */
export async function groupNodes(
  plan: Plan,
  env: Omit<KernelEnv, "variant">,
  forced: Readonly<Record<string, string>>,
): Promise<NodeGroup[]> {
  const groups = new Map<string, NodeGroup>();
  for (const node of plan.graph.nodes) {
    const { op } = node;
    const { constants } = node.plan;
    if (op.kernels === undefined || op.variants.length === 0 || op.name in forced) continue;
    const key = groupKey(op, constants);
    if (groups.has(key)) continue;
    const planned = [undefined, ...op.variants].map((variant) => {
      const plan = op.kernels?.(constants, variant === undefined ? env : { ...env, variant });
      return { variant, kernels: plan?.kernels ?? [], text: plan === undefined ? "" : textOf(plan) };
    });
    const distinct = planned.filter(({ text }, i) => planned.findIndex((p) => p.text === text) === i);
    if (distinct.length < 2) continue;
    const isDefault = ({ variant, text }: (typeof planned)[number]) =>
      variant !== undefined && text === planned[0]?.text;
    const alternatives = distinct.flatMap(({ variant: name, kernels }) =>
      name === undefined ? [] : { name, kernels: kernels.map((kernel) => ({ kernel, constants })) },
    );
    const defaultVariant = planned.find(isDefault)?.variant ?? "default";
    groups.set(key, { key, node, defaultVariant, alternatives, fingerprint: await fingerprintOf(distinct) });
  }
  return [...groups.values()];
}

export function groupKey(op: Op, constants: Constants): string {
  const sorted = Object.entries(constants).sort(([a], [b]) => (a < b ? -1 : 1));
  // JSON has neither NaN nor infinities.
  const plain = (_: string, value: unknown) =>
    typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
  return `${op.name} ${JSON.stringify(Object.fromEntries(sorted), plain)}`;
}

async function fingerprintOf(
  planned: readonly { readonly text: string; readonly kernels: readonly Kernel[] }[],
): Promise<string> {
  const shaders = new Set(planned.flatMap(({ kernels }) => kernels.map(({ shader }) => shader)));
  const codes = await Promise.all([...shaders].map(async (shader) => (await shader.load()).code));
  return hash(JSON.stringify([planned.map(({ text }) => text), codes]));
}

function textOf({ kernels, scratch = {} }: KernelPlan): string {
  return JSON.stringify([kernels.map((k) => ({ ...k, shader: k.shader.file })), scratch]);
}

/** 53 bits in hexadecimal: two FNV-1a hashes with different offsets. */
function hash(text: string): string {
  let low = 0x811c9dc5;
  let high = 0xcbf29ce4;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x01000193) ^ (low >>> 15);
  }
  return ((high >>> 11) * 2 ** 32 + (low >>> 0)).toString(16).padStart(14, "0");
}
