/**
 * The program image: a planned graph as plain data, which `GpuProgram` runs and which a file can hold. It refers to modules,
 * kernels, leaves and buffers by index. Images made by one `ImageBuilder` share the tables of modules, kernels and leaves.
 */

import type { Kernel, KernelUse } from "../graph/kernel.ts";
import { argName } from "../graph/op.ts";
import type { Shape, Spec } from "../graph/spec.ts";
import { isLeaf, type Node, type Tensor } from "../graph/tensor.ts";
import { GraphError } from "../validation/errors.ts";
import type { Plan } from "./plan.ts";
import { type Allocation, baseOf, type Placement, paddedWords } from "./storage.ts";

export interface ShaderModule {
  /** Shown in errors: `conv2d.wgsl`. */
  readonly file: string;
  readonly code: string;
}

/** A compute pipeline to compile. */
export interface KernelImage {
  readonly module: number;
  readonly entry: string;
  /** Binding number and access in the order of a dispatch's bindings: `"0r 1w 2u"`, r read, w read and write, u uniform. */
  readonly layout: string;
  /** Values of the module's overrides. */
  readonly constants: Readonly<Record<string, number>>;
}

/** A kernel to compile, with its WGSL in place of the index of its module. */
export type KernelSource = ShaderModule & Omit<KernelImage, "module">;

/** An input, state or constant. All programs of a device share its memory, which `LeafMemory` owns. */
export interface LeafImage extends Spec {
  readonly kind: "input" | "state" | "constant";
  readonly label: string;
}

/**
 * `leaf`: memory of one leaf. `flattened`: several leaves in one buffer, laid out by `packLayout`. `output`: keeps its content
 * until the next run. `workspace`: holds intermediate results, undefined when a run starts. `zeros`: bound where an optional
 * input is missing. `sizes`: u32 values that kernels read as uniforms.
 */
export type BufferImage = { readonly label: string; readonly bytes: number } & (
  | { readonly role: "leaf"; readonly leaf: number }
  | { readonly role: "flattened"; readonly leaves: readonly number[] }
  | { readonly role: "output" | "workspace" | "zeros" }
  | { readonly role: "sizes"; readonly words: readonly number[] }
);

/** The part of a buffer that a kernel binds; offset and size in bytes. */
export type BindingImage = readonly [buffer: number, offset: number, size: number];

export interface DispatchImage {
  readonly label: string;
  readonly kernel: number;
  /** Workgroups along x, y and z; trailing ones may be missing. */
  readonly groups: readonly number[];
  readonly bindings: readonly BindingImage[];
}

/** A value that can be read after a run. */
export interface OutputImage extends Spec {
  readonly label: string;
  readonly buffer: number;
  readonly offset: number;
}

export interface ImageTables {
  readonly modules: readonly ShaderModule[];
  readonly kernels: readonly KernelImage[];
  readonly leaves: readonly LeafImage[];
}

export interface ProgramImage extends ImageTables {
  readonly buffers: readonly BufferImage[];
  readonly dispatches: readonly DispatchImage[];
  readonly outputs: readonly OutputImage[];
}

/** WebGPU's strictest alignment of bindings, in 4-byte words. */
const ALIGN_WORDS = 64;

/** Makes images that share one set of modules, kernels and leaves. */
export class ImageBuilder implements ImageTables {
  readonly modules: ShaderModule[] = [];
  readonly kernels: KernelImage[] = [];
  /** The tensors behind `leaves`, in the same order. */
  readonly tensors: Tensor[] = [];
  readonly leaves: LeafImage[] = [];
  readonly #indexes = new Map<string, number>();

  /** The image of `plan`, which must have kernels. Throws ShaderError where a kernel and its WGSL contradict each other. */
  async add(plan: Plan): Promise<ProgramImage> {
    const nodes = plan.graph.nodes.map((node) => [node, plan.kernels.get(node)?.kernels ?? []] as const);
    await Promise.all(nodes.flatMap(([, kernels]) => kernels.map(({ shader }) => shader.load())));
    const buffers = new Buffers(plan, (leaf) => this.leaf(leaf));
    const dispatches: DispatchImage[] = [];
    const words: number[] = [];
    for (const [node, kernels] of nodes) {
      for (const kernel of kernels) {
        const own = await this.#kernel({ kernel, constants: node.plan.constants });
        const text = await kernel.shader.load();
        const constants = { ...node.plan.constants, ...kernel.constants };
        const bindings = kernel.bind.map((b) => buffers.bound(node, typeof b === "string" ? b : b[1]));
        if (text.sizes.length > 0) {
          bindings.push([buffers.sizes, words.length * 4, text.sizes.length * 4]);
          words.push(...text.sizesOf(constants));
          while (words.length % ALIGN_WORDS > 0) words.push(0);
        }
        dispatches.push({
          label: kernels.length > 1 ? `${node.label}.${kernel.entry}` : node.label,
          kernel: own,
          groups: groupsOf(kernel),
          bindings,
        });
      }
    }
    const outputs = plan.outputs.map((tensor) => {
      const [buffer, offset] = buffers.placed(tensor);
      return { label: tensor.label, shape: tensor.shape, dtype: tensor.dtype, buffer, offset };
    });
    const { modules, kernels, leaves } = this;
    return { modules, kernels, leaves, buffers: buffers.images(words), dispatches, outputs };
  }

  /** Index of `tensor` among the leaves. */
  leaf(tensor: Tensor): number {
    const known = this.tensors.indexOf(tensor);
    if (known >= 0) return known;
    const { label, shape, dtype, leaf } = tensor;
    this.leaves.push({ kind: leaf?.kind ?? "state", label, shape: plain(shape), dtype });
    return this.tensors.push(tensor) - 1;
  }

  async #kernel(use: KernelUse): Promise<number> {
    const { file, code, ...rest } = await kernelSource(use);
    const module = this.#index(this.modules, code, { file, code });
    return this.#index(this.kernels, JSON.stringify([module, rest]), { module, ...rest });
  }

  #index<T>(all: T[], key: string, made: T): number {
    const known = this.#indexes.get(key);
    if (known !== undefined) return known;
    this.#indexes.set(key, all.length);
    return all.push(made) - 1;
  }
}

/** What a kernel is compiled from. Throws ShaderError on bindings and constants that its WGSL does not declare. */
export async function kernelSource({ kernel, constants }: KernelUse): Promise<KernelSource> {
  const text = await kernel.shader.load();
  const { file, code } = text;
  const { entry } = kernel;
  const variables = kernel.bind.map((b) => (typeof b === "string" ? b : b[0]));
  const layout = text.layoutOf(entry, text.sizes.length > 0 ? [...variables, "sizes"] : variables);
  return { file, code, entry, layout, constants: text.pick({ ...constants, ...kernel.constants }) };
}

export function sourceOf({ modules, kernels }: ImageTables, index: number): KernelSource {
  const { module, ...rest } = kernels[index] as KernelImage;
  return { ...(modules[module] as ShaderModule), ...rest };
}

/** Indexes of the leaves in a buffer; empty for memory that belongs to one program alone. */
export function leavesOf(buffer: BufferImage): readonly number[] {
  if (buffer.role === "leaf") return [buffer.leaf];
  return buffer.role === "flattened" ? buffer.leaves : [];
}

/** The buffers of one image: shared slots first, so that their index is the slot's number. */
class Buffers {
  readonly #images: BufferImage[];
  readonly #indexes = new Map<Allocation, number>();
  #zeros: number | undefined;
  #sizes: number | undefined;

  constructor(
    readonly plan: Plan,
    leafIndex: (leaf: Tensor) => number,
  ) {
    const { allocations, slots } = plan.storage;
    this.#images = slots.map((words, i) => ({ role: "workspace", label: `slot ${i}`, bytes: words * 4 }));
    for (const allocation of allocations) {
      const { kind, label, words, tensor } = allocation;
      if (kind === "slot") continue;
      const common = { label, bytes: words * 4 };
      const image: BufferImage =
        kind === "output" || tensor === undefined
          ? { ...common, role: "output" }
          : isLeaf(tensor)
            ? { ...common, role: "leaf", leaf: leafIndex(tensor) }
            : {
                ...common,
                role: "flattened",
                leaves: tensor.node.inputs.map((t) => leafIndex(baseOf(t))),
              };
      this.#indexes.set(allocation, this.#images.push(image) - 1);
    }
  }

  /** Index of the buffer of all `sizes`. */
  get sizes(): number {
    this.#sizes ??= this.#images.push({ role: "sizes", label: "sizes", bytes: 0, words: [] }) - 1;
    return this.#sizes;
  }

  images(words: readonly number[]): BufferImage[] {
    return this.#images.map((image) =>
      image.role === "sizes" ? { ...image, bytes: words.length * 4, words } : image,
    );
  }

  placed(tensor: Tensor): readonly [buffer: number, offset: number] {
    return this.#at(this.plan.storage.placements.get(baseOf(tensor)) as Placement);
  }

  /** What a kernel of `node` binds for an arg, a result or scratch memory called `name`. */
  bound(node: Node, name: string): BindingImage {
    const scratch = this.plan.storage.scratch.get(node)?.get(name);
    if (scratch !== undefined) return [...this.#at(scratch), scratch.allocation.words * 4];
    const input = node.inputs.findIndex((_, i) => argName(node.op, i) === name);
    const tensor = node.inputs[input] ?? node.outputs[node.op.results.indexOf(name)];
    if (tensor !== undefined) return [...this.placed(tensor), paddedWords(tensor.size) * 4];
    if (!node.op.args.includes(name)) {
      throw new GraphError(
        `${node.op.name}: a kernel binds ${name}, which is neither an arg nor a result nor scratch memory of the op`,
      );
    }
    this.#zeros ??= this.#images.push({ role: "zeros", label: "missing input", bytes: 16 }) - 1;
    return [this.#zeros, 0, 16];
  }

  #at({ allocation, offset }: Placement): readonly [buffer: number, offset: number] {
    const { kind, slot } = allocation;
    return [kind === "slot" ? slot : (this.#indexes.get(allocation) as number), offset * 4];
  }
}

const plain = (shape: Shape): Shape => [...shape];

function groupsOf({ groups }: Kernel): number[] {
  return groups.map((n) => n as number);
}
