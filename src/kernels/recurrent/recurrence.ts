/**
 * Kernels of recurrent layers. `subgroup` and `workgroup`: all steps in one dispatch, in which a workgroup takes 16 or 4
 * samples. `steps`: a matrix product and an element-wise kernel per step, for states so large that a product fills the adapter.
 */
import { type Kernel, type KernelEnv, type KernelPlan, spread } from "../../graph/kernel.ts";
import { Shader, type ShaderSource } from "../../graph/shader.ts";
import { specialFunctions } from "../elementwise/wgsl-functions.ts";
import { type Product, productKernels } from "../gemm/matmul.ts";
import { hasQuads } from "../gemm/tiles.ts";
import { oneDispatch } from "../one-dispatch.ts";

const shift = () => import("../../../shaders/recurrent/shift-steps.wgsl?raw");
const validSteps = () => import("../../../shaders/recurrent/steps-fragment.wgsl?raw");
const forward = () => import("../../../shaders/recurrent/recurrence-fragment.wgsl?raw");
const backward = () => import("../../../shaders/recurrent/recurrence-backward-fragment.wgsl?raw");
const stepByStep = () => import("../../../shaders/recurrent/step-by-step.wgsl?raw");
const subgroupLoop = () => import("../../../shaders/recurrent/subgroup-loop.wgsl?raw");
const workgroupLoop = () => import("../../../shaders/recurrent/workgroup-loop.wgsl?raw");

const shiftShader = /* @__PURE__ */ new Shader("shift-steps.wgsl", shift, validSteps, specialFunctions);

// `enable subgroups`, at the top of the loop, must be the first line of a module.
const shadersOf = (name: string, cells: ShaderSource) => ({
  subgroup: new Shader(`${name}.wgsl`, subgroupLoop, cells, validSteps, specialFunctions),
  workgroup: new Shader(`${name}.wgsl`, workgroupLoop, cells, validSteps, specialFunctions),
  steps: new Shader(`${name}.wgsl`, stepByStep, cells, validSteps, specialFunctions),
});

const forwardShaders = /* @__PURE__ */ shadersOf("recurrence", forward);
const backwardShaders = /* @__PURE__ */ shadersOf("recurrence-backward", backward);

export const RECURRENCE_VARIANTS = ["subgroup", "workgroup", "steps"];

export type RecurrenceConstants = {
  readonly N: number;
  readonly T: number;
  readonly H: number;
  readonly KIND: number;
  readonly GATES: number;
  readonly INITIAL: boolean;
};

export function shiftStepsKernels(c: { readonly N: number; readonly T: number; readonly H: number }) {
  return oneDispatch(shiftShader, "shiftSteps", ["x", "s0", "lengths", "y"], c.N * c.T * c.H);
}

export function recurrenceKernels(c: RecurrenceConstants, env: KernelEnv): KernelPlan {
  const { N, T, H, GATES } = c;
  const tail: Kernel["bind"] = ["lengths", "y", "state", "saved"];
  const loop = loopKernel(c, env, H, forwardShaders, ["x", "b", "s0", ...tail], "w2");
  if (loop !== undefined) return { kernels: [loop] };
  const operands = { a: "state", b: "w", y: "product", transposeA: false, transposeB: true };
  return stepKernels(c, env, { M: N, N: GATES * H, K: H, ...operands }, T, {
    shader: forwardShaders.steps,
    first: ["s0", "state"],
    each: ["x", "b", ...tail, "product"],
  });
}

export function recurrenceBackwardKernels(c: RecurrenceConstants, env: KernelEnv): KernelPlan {
  const { N, T, H, GATES, KIND, INITIAL } = c;
  const isGru = KIND === 3;
  const results: Kernel["bind"] = [["dx", isGru ? "dx" : "dr"], ["dr", isGru ? "dr" : "dx"], "ds0"];
  const bind: Kernel["bind"] = ["dy", "ds", "saved", "lengths", ...results];
  const loop = loopKernel(c, env, GATES * H, backwardShaders, bind, "w4");
  if (loop !== undefined) return { kernels: [loop] };
  const operands = { a: "row", b: "w", y: "product", transposeA: false, transposeB: false };
  const plan = stepKernels(c, env, { M: N, N: H, K: GATES * H, ...operands }, T + (INITIAL ? 1 : 0), {
    shader: backwardShaders.steps,
    first: ["ds", "ds0"],
    each: ["dy", "saved", "lengths", ...results, "row", "product"],
  });
  return { ...plan, scratch: { ...plan.scratch, row: N * GATES * H } };
}

/** The one dispatch for all steps, or undefined where it is a kernel per step. `w`: the variable that `subgroup` reads weights from. */
function loopKernel(
  { N, H, GATES }: RecurrenceConstants,
  env: KernelEnv,
  inner: number,
  shaders: typeof forwardShaders,
  others: Kernel["bind"],
  w: string,
): Kernel | undefined {
  const { barrierCost, maxWorkgroupSize, maxWorkgroupMemory } = env;
  const fits = Math.ceil(inner / 4) * 64 <= maxWorkgroupMemory;
  const shared = barrierCost === "low" && H <= maxWorkgroupSize && fits ? "workgroup" : "steps";
  // Measured on 2 cores, forward and backward, CPU time: 3 against 13 ms for 16 samples of 32 units, equal for 32 samples of a GRU
  // of 64, 15 to 20 % slower for 64 samples of an LSTM of 128, where 16 samples per workgroup also divide badly among cores.
  const small = N * GATES * H * H <= 2 ** 19;
  const usual = barrierCost === "high" && hasQuads(env) && small ? "subgroup" : shared;
  const { variant = usual } = env;
  const kernel = (
    entry: string,
    shader: Shader,
    weights: string,
    samples: number,
    LANES: number,
  ): Kernel => ({
    shader,
    entry,
    bind: [[weights, "w"], ...others],
    constants: { LANES, PING_PONG: true },
    groups: spread(Math.ceil(N / samples)),
  });
  if (variant === "subgroup" && hasQuads(env))
    return kernel("subgroupLoop", shaders.subgroup, w, 16, env.subgroupSize);
  if (variant === "steps" || !fits) return undefined;
  const LANES = Math.min(maxWorkgroupSize, Math.ceil(H / 32) * 32);
  return kernel("workgroupLoop", shaders.workgroup, "w4", 4, LANES);
}

/** `first`, then for every step a product, unless there is nothing to multiply yet, and `each`. */
function stepKernels(
  { N, H }: RecurrenceConstants,
  env: KernelEnv,
  product: Product,
  count: number,
  { shader, first, each }: { shader: Shader; first: Kernel["bind"]; each: Kernel["bind"] },
): KernelPlan {
  const { variant: _, ...adapter } = env;
  const { kernels, scratch } = productKernels(product, adapter);
  const groups = spread(Math.ceil((N * H) / 64));
  const constants = { PING_PONG: false, STEP: 0 };
  const all: Kernel[] = [{ shader, entry: "start", bind: first, constants, groups }];
  for (let STEP = 0; STEP < count; STEP++) {
    if (STEP > 0 || product.a === "state") all.push(...kernels);
    all.push({ shader, entry: "step_", bind: each, constants: { ...constants, STEP }, groups });
  }
  return { kernels: all, scratch: { ...scratch, product: N * product.N } };
}
