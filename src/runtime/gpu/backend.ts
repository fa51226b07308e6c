/** The WebGPU backend: compiles graphs for one device. */

import { rewrites } from "../../fusion/index.ts";
import type { GraphSpec } from "../../graph/graph.ts";
import type { KernelEnv, KernelUse } from "../../graph/kernel.ts";
import { copy } from "../../ops/elementwise/copy.ts";
import { ImageBuilder, kernelSource } from "../../plan/image.ts";
import { type Choose, makePlan, type Plan } from "../../plan/plan.ts";
import { checkOptions } from "../../validation/options.ts";
import { COMPILE, type CompileOptions, TUNE } from "../backend.ts";
import { adapterProfile } from "./adapter-profile.ts";
import { GpuDevice } from "./device.ts";
import { PipelineCache } from "./pipelines.ts";
import type { GpuProgram } from "./program.ts";
import { GPU, type GpuOptions, GpuRuntime } from "./runtime.ts";

export type { GpuOptions } from "./runtime.ts";

type Env = Omit<KernelEnv, "variant">;

export class GpuBackend extends GpuRuntime {
  readonly #tuneStore: GpuOptions["tuneStore"];

  private constructor(
    device: GpuDevice,
    options: GpuOptions,
    onClose?: () => Promise<void>,
    pipelines?: PipelineCache,
  ) {
    super(device, options, onClose, pipelines);
    this.#tuneStore = options.tuneStore;
  }

  static override async open(adapter: GPUAdapter, options: GpuOptions = {}): Promise<GpuBackend> {
    checkOptions("GpuBackend.open", options, GPU);
    return new GpuBackend(await GpuDevice.open(adapter, options), options);
  }

  /** The plan with kernels that `compile` makes a program of, where nothing is tuned. */
  plan(spec: GraphSpec, options: Pick<CompileOptions, "variants" | "fuse"> = {}): Plan {
    return planForGpu(spec, adapterProfile(this.device), options);
  }

  override async compile(spec: GraphSpec, options: CompileOptions = {}): Promise<GpuProgram> {
    const given = checkOptions("compile", options, COMPILE);
    this.device.check();
    const { variants = {}, fuse = true, seed = 0, tune = false, onProgress } = given;
    if (typeof tune !== "boolean") checkOptions("compile: tune", tune, TUNE);
    const env = adapterProfile(this.device);
    const plan = (choose?: Choose) => planForGpu(spec, env, { variants, fuse, choose });
    const program = async (made: Plan) => {
      const builder = new ImageBuilder();
      const image = await builder.add(made);
      return this.load(image, { leaves: builder.tensors, outputs: spec.outputs }, { seed, onProgress });
    };
    if (tune === false) return program(plan());
    const { tuned } = await import("../../tune/tuned.ts");
    const store = await this.#tuneStore?.();
    const adapter = this.device.identity;
    // A cache of its own, so that the pipelines of variants that are not chosen are freed.
    const pipelines = new PipelineCache(this.device);
    const isolated = () => new GpuBackend(this.device, {}, async () => undefined, pipelines);
    const precompile = async (kernels: readonly KernelUse[]) => {
      await Promise.allSettled(kernels.map(async (use) => pipelines.compile(await kernelSource(use))));
    };
    const target = {
      backend: this,
      adapter,
      env,
      forced: variants,
      store,
      plan,
      program,
      isolated,
      precompile,
    };
    try {
      return await tuned(target, tune === true ? {} : tune);
    } finally {
      this.memory.reader.trim();
    }
  }
}

/** The fused plan of a graph for adapters like `env`. */
export function planForGpu(
  spec: GraphSpec,
  env: Env,
  {
    variants = {},
    fuse = true,
    choose,
  }: Pick<CompileOptions, "variants" | "fuse"> & { readonly choose?: Choose | undefined } = {},
): Plan {
  return makePlan(spec, { copy, rewrites: fuse ? rewrites(variants) : [], variants, env, choose });
}
