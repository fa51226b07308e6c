/**
 * Compute pipelines, cached by what is compiled: source, entry point, constants. Compiled all at once; a compile
 * error is reported with file, line, column, message and source line.
 */
import { DeviceError, ShaderError } from "../errors.ts";
import type { Constants, Kernel } from "../op.ts";
import type { Shader } from "../shader.ts";
import type { GpuDevice } from "./device.ts";

export interface CompiledKernel {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

export class PipelineCache {
  readonly #modules = new Map<string, GPUShaderModule>();
  readonly #layouts = new Map<string, { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout }>();
  readonly #pipelines = new Map<string, Promise<CompiledKernel>>();

  constructor(readonly device: GpuDevice) {}

  /** The pipeline of `kernel`, compiled at most once. */
  compile(kernel: Kernel, constants: Constants): Promise<CompiledKernel> {
    const values = kernel.shader.pick({ ...constants, ...kernel.constants });
    const layoutKey = this.#layoutKey(kernel);
    const key = JSON.stringify([kernel.shader.code, kernel.entry, layoutKey, values]);
    let compiled = this.#pipelines.get(key);
    if (compiled === undefined) {
      compiled = this.#build(kernel, values, layoutKey);
      this.#pipelines.set(key, compiled);
      compiled.catch(() => this.#pipelines.delete(key));
    }
    return compiled;
  }

  async #build(
    kernel: Kernel,
    constants: Record<string, number>,
    layoutKey: string,
  ): Promise<CompiledKernel> {
    const label = `${kernel.shader.file}:${kernel.entry}`;
    const { raw } = this.device;
    const module = this.#module(kernel.shader);
    const layout = this.#layout(layoutKey);
    try {
      const pipeline = await raw.createComputePipelineAsync({
        label,
        layout: layout.pipeline,
        compute: { module, entryPoint: kernel.entry, constants },
      });
      return { pipeline, layout: layout.group };
    } catch (cause) {
      this.device.check();
      const detail = await compileMessages(module, kernel.shader);
      const given = JSON.stringify(constants);
      throw new ShaderError(`${label}: ${detail || String(cause)} (constants ${given})`, { cause });
    }
  }

  #module(shader: Shader): GPUShaderModule {
    let module = this.#modules.get(shader.code);
    if (module === undefined) {
      // A faulty module reports itself through the pipelines made of it; its own error must not be uncaptured.
      this.device.raw.pushErrorScope("validation");
      module = this.device.raw.createShaderModule({ label: shader.file, code: shader.code });
      void this.device.raw.popErrorScope();
      this.#modules.set(shader.code, module);
    }
    return module;
  }

  #layoutKey(kernel: Kernel): string {
    const entries = kernel.bind.map((b) => {
      const variable = typeof b === "string" ? b : b[0];
      const declared = kernel.shader.bindings.get(variable);
      if (declared === undefined) {
        throw new ShaderError(
          `${kernel.shader.file}: ${kernel.entry} binds ${variable}, which the file does not declare`,
        );
      }
      return `${declared.binding}${declared.access === "read" ? "r" : "w"}`;
    });
    if (new Set(entries.map((e) => Number.parseInt(e, 10))).size !== entries.length) {
      throw new ShaderError(
        `${kernel.shader.file}: ${kernel.entry} binds one number twice (${entries.join(", ")})`,
      );
    }
    const most = this.device.limits.maxStorageBuffersPerShaderStage;
    if (entries.length > most) {
      throw new DeviceError(
        `${kernel.shader.file}: ${kernel.entry} needs ${entries.length} storage buffers, but maxStorageBuffersPerShaderStage is ${most}`,
      );
    }
    return entries.join(" ");
  }

  #layout(key: string): { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout } {
    let layout = this.#layouts.get(key);
    if (layout === undefined) {
      const { raw } = this.device;
      const entries = key.split(" ").map((entry): GPUBindGroupLayoutEntry => {
        const type = entry.endsWith("r") ? "read-only-storage" : "storage";
        return { binding: Number.parseInt(entry, 10), visibility: GPUShaderStage.COMPUTE, buffer: { type } };
      });
      const group = raw.createBindGroupLayout({ label: key, entries });
      layout = { group, pipeline: raw.createPipelineLayout({ label: key, bindGroupLayouts: [group] }) };
      this.#layouts.set(key, layout);
    }
    return layout;
  }
}

async function compileMessages(module: GPUShaderModule, shader: Shader): Promise<string> {
  const { messages } = await module.getCompilationInfo();
  const lines = shader.code.split("\n");
  return messages
    .filter((m) => m.type === "error")
    .map(
      (m) =>
        `${shader.file}:${m.lineNum}:${m.linePos}: ${m.message}\n    ${lines[m.lineNum - 1]?.trim() ?? ""}`,
    )
    .join("\n");
}
