/**
 * Compute pipelines, cached by what is compiled: source, entry point, constants. Compiled all at once; a compile
 * error is reported with file, line, column, message and source line.
 */
import type { CompileProgress } from "../backend.ts";
import { DeviceError, ShaderError } from "../errors.ts";
import type { Constants, Kernel, KernelUse } from "../op.ts";
import type { ShaderText } from "../shader.ts";
import type { GpuDevice } from "./device.ts";

export interface CompiledKernel {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  readonly text: ShaderText;
}

export class PipelineCache {
  readonly #modules = new Map<string, GPUShaderModule>();
  readonly #layouts = new Map<string, { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout }>();
  readonly #pipelines = new Map<string, Promise<CompiledKernel>>();

  /** `standIns`: whether stand-ins are made use of. */
  constructor(
    readonly device: GpuDevice,
    readonly standIns = true,
  ) {}

  /** The pipeline of `kernel`, compiled at most once. */
  async compile(kernel: Kernel, constants: Constants): Promise<CompiledKernel> {
    const { key, text, values, layoutKey } = await this.#identify(kernel, constants);
    let compiled = this.#pipelines.get(key);
    if (compiled === undefined) {
      compiled = this.#build(text, kernel.entry, values, layoutKey);
      this.#pipelines.set(key, compiled);
      compiled.catch(() => this.#pipelines.delete(key));
    }
    return compiled;
  }

  /** All of them at once; `tell` hears of each pipeline that is there. */
  async compileAll(
    uses: readonly KernelUse[],
    tell?: (progress: CompileProgress) => void,
  ): Promise<CompiledKernel[]> {
    const keys = await Promise.all(
      uses.map(async ({ kernel, constants }) => (await this.#identify(kernel, constants)).key),
    );
    const total = new Set(keys).size;
    const there = new Set<CompiledKernel>();
    return Promise.all(
      uses.map(async ({ kernel, constants }) => {
        const compiled = await this.compile(kernel, constants);
        if (!there.has(compiled)) tell?.({ compiled: there.add(compiled).size, total });
        return compiled;
      }),
    );
  }

  /** What to compile first so that all of `uses` can run: each kernel, or its stand-in where that leaves fewer to compile. */
  async firstOf(uses: readonly KernelUse[]): Promise<Kernel[]> {
    const keyOf = async (kernel: Kernel, constants: Constants) =>
      (await this.#identify(kernel, constants)).key;
    const keyed = await Promise.all(
      uses.map(async ({ kernel, constants }) => ({
        kernel,
        own: await keyOf(kernel, constants),
        standIn: kernel.standIn && (await keyOf(kernel.standIn, constants)),
      })),
    );
    const missing = (keys: readonly string[]) =>
      new Set(keys.filter((key) => !this.#pipelines.has(key))).size;
    return keyed.map(({ kernel, own, standIn }) => {
      if (!this.standIns || standIn === undefined || this.#pipelines.has(own)) return kernel;
      const needed = keyed.some((use) => use.own === standIn);
      const sharing = keyed.filter((use) => use.standIn === standIn && use.own !== standIn);
      const fewer = missing(sharing.map((use) => use.own)) - (needed ? 0 : missing([standIn]));
      return fewer > 0 ? (kernel.standIn as Kernel) : kernel;
    });
  }

  /** Resolves when nothing is being compiled any more, or the device is lost. */
  async idle(): Promise<void> {
    await Promise.race([Promise.allSettled(this.#pipelines.values()), this.device.lost]);
  }

  async #identify(kernel: Kernel, constants: Constants) {
    const text = await kernel.shader.load();
    const values = text.pick({ ...constants, ...kernel.constants });
    const layoutKey = this.#layoutKey(kernel, text);
    return { key: JSON.stringify([text.code, kernel.entry, layoutKey, values]), text, values, layoutKey };
  }

  async #build(
    text: ShaderText,
    entry: string,
    constants: Record<string, number>,
    layoutKey: string,
  ): Promise<CompiledKernel> {
    const label = `${text.file}:${entry}`;
    const { raw } = this.device;
    const module = this.#module(text);
    const layout = this.#layout(layoutKey);
    try {
      const pipeline = await raw.createComputePipelineAsync({
        label,
        layout: layout.pipeline,
        compute: { module, entryPoint: entry, constants },
      });
      return { pipeline, layout: layout.group, text };
    } catch (cause) {
      this.device.check();
      const detail = await compileMessages(raw, module, text);
      const given = JSON.stringify(constants);
      const reason = `${label}: ${detail || String(cause)} (constants ${given})`;
      return this.device.explain(new ShaderError(reason, { cause }));
    }
  }

  #module(shader: ShaderText): GPUShaderModule {
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

  #layoutKey(kernel: Kernel, text: ShaderText): string {
    const own = text.sizes.length > 0 ? ["sizes"] : [];
    const entries = [...kernel.bind, ...own].map((b) => {
      const variable = typeof b === "string" ? b : b[0];
      const declared = text.bindings.get(variable);
      if (declared === undefined) {
        throw new ShaderError(
          `${kernel.shader.file}: ${kernel.entry} binds ${variable}, which the file does not declare`,
        );
      }
      return `${declared.binding}${{ read: "r", read_write: "w", uniform: "u" }[declared.access]}`;
    });
    if (new Set(entries.map((e) => Number.parseInt(e, 10))).size !== entries.length) {
      throw new ShaderError(
        `${kernel.shader.file}: ${kernel.entry} binds one number twice (${entries.join(", ")})`,
      );
    }
    const most = this.device.limits.maxStorageBuffersPerShaderStage;
    if (entries.filter((e) => !e.endsWith("u")).length > most) {
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
      const group = bindGroupLayout(raw, key);
      layout = { group, pipeline: raw.createPipelineLayout({ label: key, bindGroupLayouts: [group] }) };
      this.#layouts.set(key, layout);
    }
    return layout;
  }
}

/** The layout that `key` stands for: binding numbers of what is read, written and uniform, `"0r 1w 2u"`. */
export function bindGroupLayout(device: GPUDevice, key: string): GPUBindGroupLayout {
  const entries = key.split(" ").map((entry): GPUBindGroupLayoutEntry => {
    const type = entry.endsWith("u") ? "uniform" : entry.endsWith("r") ? "read-only-storage" : "storage";
    return { binding: Number.parseInt(entry, 10), visibility: GPUShaderStage.COMPUTE, buffer: { type } };
  });
  return device.createBindGroupLayout({ label: key, entries });
}

async function compileMessages(
  device: GPUDevice,
  module: GPUShaderModule,
  shader: ShaderText,
): Promise<string> {
  const asked = module.getCompilationInfo();
  // Chromium sends the question off only with others.
  device.pushErrorScope("validation");
  void device.popErrorScope();
  const { messages } = await asked;
  const lines = shader.code.split("\n");
  return messages
    .filter((m) => m.type === "error")
    .map(
      (m) =>
        `${shader.file}:${m.lineNum}:${m.linePos}: ${m.message}\n    ${lines[m.lineNum - 1]?.trim() ?? ""}`,
    )
    .join("\n");
}
