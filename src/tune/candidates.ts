/**
 * What there is to choose from in a plan: for every op with several kernels and every set of constants that it has there,
 * the variants that really differ. A fingerprint of all their code tells whether a stored choice still means the same.
 */
import type { Constants, Kernel, KernelEnv, KernelPlan, KernelUse } from "../graph/kernel.ts";
import type { Node, Op } from "../graph/tensor.ts";
import type { Plan } from "../plan/plan.ts";

export interface Variant {
  readonly name: string;
  readonly kernels: readonly KernelUse[];
}

/** Nodes of one op with the same constants, which run as the same kernels. */
export interface Contest {
  /** Op and constants. */
  readonly key: string;
  /** The first of the nodes. */
  readonly node: Node;
  /** The variant that the op chooses by itself; "default" where it has no name. */
  readonly usual: string;
  /** Variants whose kernels differ from those and from each other's. */
  readonly others: readonly Variant[];
  readonly fingerprint: string;
}

type Env = Omit<KernelEnv, "variant">;

/** The contests of `plan`, in the order of its nodes; ops in `forced` are settled. */
export async function contestsOf(
  plan: Plan,
  env: Env,
  forced: Readonly<Record<string, string>>,
): Promise<Contest[]> {
  const found = new Map<string, Contest>();
  for (const node of plan.graph.nodes) {
    const { op } = node;
    if (op.kernels === undefined || op.variants.length === 0 || op.name in forced) continue;
    const key = contestKey(op, node.plan.constants);
    if (found.has(key)) continue;
    const { constants } = node.plan;
    const planned = [undefined, ...op.variants].map((variant) => {
      const plan = op.kernels?.(constants, variant === undefined ? env : { ...env, variant });
      return { variant, kernels: plan?.kernels ?? [], text: plan === undefined ? "" : textOf(plan) };
    });
    const distinct = planned.filter(({ text }, i) => planned.findIndex((p) => p.text === text) === i);
    if (distinct.length < 2) continue;
    const [own] = planned as [(typeof planned)[number]];
    found.set(key, {
      key,
      node,
      usual:
        planned.find(({ variant, text }) => variant !== undefined && text === own.text)?.variant ?? "default",
      others: distinct.flatMap(({ variant, kernels }) =>
        variant === undefined
          ? []
          : [{ name: variant, kernels: kernels.map((kernel) => ({ kernel, constants })) }],
      ),
      fingerprint: await fingerprintOf(distinct),
    });
  }
  return [...found.values()];
}

/** What kernels are chosen by: an op and the constants of its shapes. */
export function contestKey(op: Op, constants: Constants): string {
  const sorted = Object.entries(constants).sort(([a], [b]) => (a < b ? -1 : 1));
  // JSON has no NaN and no infinities.
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

/** 53 bits in hexadecimal: two rounds of FNV-1a, the second from another start. */
export function hash(text: string): string {
  let low = 0x811c9dc5;
  let high = 0xcbf29ce4;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x01000193) ^ (low >>> 15);
  }
  return ((high >>> 11) * 2 ** 32 + (low >>> 0)).toString(16).padStart(14, "0");
}
