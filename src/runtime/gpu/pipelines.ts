/**
 * The compute pipelines of a device, cached by WGSL code, entry point, bind group layout and constants. Those of a program
 * are compiled concurrently; a compile error is reported with file, line, column, message and source line.
 */

import type { KernelSource, ShaderModule } from "../../plan/image.ts";
import { DeviceError, ShaderError } from "../../validation/errors.ts";
import type { CompileProgress } from "../backend.ts";
import type { GpuDevice } from "./device.ts";

/** One binding of a layout. */
interface Slot {
  readonly binding: number;
  readonly access: "r" | "w" | "u";
}

interface Layout {
  readonly slots: readonly Slot[];
  readonly group: GPUBindGroupLayout;
  readonly pipeline: GPUPipelineLayout;
}

export interface CompiledKernel {
  readonly pipeline: GPUComputePipeline;
  readonly layout: Layout;
}

export class PipelineCache {
  readonly #modules = new Map<string, GPUShaderModule>();
  readonly #layouts = new Map<string, Layout>();
  readonly #pipelines = new Map<string, Promise<CompiledKernel>>();

  constructor(readonly device: GpuDevice) {}

  /** The pipeline of `source`, compiled at most once. */
  async compile(source: KernelSource): Promise<CompiledKernel> {
    const key = keyOf(source);
    let compiled = this.#pipelines.get(key);
    if (compiled === undefined) {
      const layout = this.#layout(source);
      compiled = this.#build(source, layout);
      this.#pipelines.set(key, compiled);
      compiled.catch(() => this.#pipelines.delete(key));
    }
    return compiled;
  }

  /** Compiles `sources` concurrently; `onProgress` is called for each pipeline that is ready. */
  async compileAll(
    sources: readonly KernelSource[],
    onProgress?: (progress: CompileProgress) => void,
  ): Promise<CompiledKernel[]> {
    const total = new Set(sources.map(keyOf)).size;
    const ready = new Set<CompiledKernel>();
    return Promise.all(
      sources.map(async (source) => {
        const compiled = await this.compile(source);
        if (!ready.has(compiled)) onProgress?.({ compiled: ready.add(compiled).size, total });
        return compiled;
      }),
    );
  }

  /** Resolves when no compilation is in progress, or the device is lost. */
  async idle(): Promise<void> {
    await Promise.race([Promise.allSettled(this.#pipelines.values()), this.device.lost]);
  }

  async #build(source: KernelSource, layout: Layout): Promise<CompiledKernel> {
    const { file, entry, constants } = source;
    const label = `${file}:${entry}`;
    const { raw } = this.device;
    const module = this.#module(source);
    try {
      const pipeline = await raw.createComputePipelineAsync({
        label,
        layout: layout.pipeline,
        compute: { module, entryPoint: entry, constants },
      });
      return { pipeline, layout };
    } catch (cause) {
      this.device.check();
      const detail = await compileMessages(raw, module, source);
      const given = JSON.stringify(constants);
      const reason = `${label}: ${detail || String(cause)} (constants ${given})`;
      return this.device.explain(new ShaderError(reason, { cause }));
    }
  }

  #module({ file, code }: ShaderModule): GPUShaderModule {
    let module = this.#modules.get(code);
    if (module === undefined) {
      // An invalid module is reported by the pipelines made of it; its own error must not reach `uncapturederror`.
      this.device.raw.pushErrorScope("validation");
      module = this.device.raw.createShaderModule({ label: file, code });
      void this.device.raw.popErrorScope();
      this.#modules.set(code, module);
    }
    return module;
  }

  #layout({ file, entry, layout: key }: KernelSource): Layout {
    const known = this.#layouts.get(key);
    if (known !== undefined) return known;
    const slots = layoutSlots(key);
    const storage = slots.filter(({ access }) => access !== "u").length;
    const most = this.device.limits.maxStorageBuffersPerShaderStage;
    if (storage > most) {
      throw new DeviceError(
        `${file}: ${entry} needs ${storage} storage buffers, but maxStorageBuffersPerShaderStage is ${most}`,
      );
    }
    const { raw } = this.device;
    const types = { r: "read-only-storage", w: "storage", u: "uniform" } as const;
    const entries = slots.map(({ binding, access }) => ({
      binding,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type: types[access] },
    }));
    const group = raw.createBindGroupLayout({ label: key, entries });
    const pipeline = raw.createPipelineLayout({ label: key, bindGroupLayouts: [group] });
    const layout = { slots, group, pipeline };
    this.#layouts.set(key, layout);
    return layout;
  }
}

function keyOf({ code, entry, layout, constants }: KernelSource): string {
  return `${entry} ${layout} ${JSON.stringify(constants)} ${code}`;
}

/** The bindings of a layout key such as `"0r 1w 2u"`. */
function layoutSlots(key: string): Slot[] {
  return key.split(" ").map((entry) => ({
    binding: Number.parseInt(entry, 10),
    access: entry.at(-1) as Slot["access"],
  }));
}

async function compileMessages(
  device: GPUDevice,
  module: GPUShaderModule,
  { file, code }: ShaderModule,
): Promise<string> {
  const info = module.getCompilationInfo();
  // Chromium delays the request until another command is sent.
  device.pushErrorScope("validation");
  void device.popErrorScope();
  const { messages } = await info;
  const lines = code.split("\n");
  return messages
    .filter((m) => m.type === "error")
    .map((m) => `${file}:${m.lineNum}:${m.linePos}: ${m.message}\n    ${lines[m.lineNum - 1]?.trim() ?? ""}`)
    .join("\n");
}
