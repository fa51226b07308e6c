/**
 * Reads the program images of an ahead-of-time file: modules, kernels, leaves, buffers and dispatches. Every index, size,
 * offset, name and binding is checked against what the file declares, and totals against limits.
 */

import { packLayout } from "../graph/pack-layout.ts";
import { ShaderText } from "../graph/shader.ts";
import { type DType, type Shape, sizeOf } from "../graph/spec.ts";
import type {
  BindingImage,
  BufferImage,
  DispatchImage,
  KernelImage,
  OutputImage,
  ShaderModule,
} from "../plan/image.ts";
import { paddedWords } from "../plan/storage.ts";
import type { Fields } from "../validation/json-fields.ts";
import { dataOf, type StoredImage, type StoredLeaf, type StoredValue } from "./format.ts";

/** Upper limits: far above what networks need, and low enough that a file is checked in milliseconds. */
export const LIMITS = {
  fileBytes: 2 ** 28,
  modules: 1024,
  moduleLength: 2 ** 17,
  allCode: 2 ** 23,
  kernels: 4096,
  constants: 128,
  bindings: 16,
  leaves: 65536,
  buffers: 65536,
  dispatches: 65536,
  groups: 65535,
  allGroups: 2 ** 26,
  names: 65536,
  label: 1024,
  programs: 256,
  rank: 8,
  size: 2 ** 29,
  uniformBytes: 65536,
  maxBytes: 2 ** 31,
};

/** WebGPU's strictest alignment of bindings, in bytes. */
const ALIGN = 256;
const U32_MAX = 2 ** 32 - 1;
/** Ranges of whole numbers by WGSL type; other types are float32. */
const RANGES: Readonly<Record<string, readonly [least: number, most: number]>> = {
  u32: [0, U32_MAX],
  i32: [-(2 ** 31), 2 ** 31 - 1],
  bool: [0, 1],
};

/** The field as a number of this WGSL type. */
function numberOf(fields: Fields, name: string, type: string): number {
  const range = RANGES[type];
  return range === undefined ? fields.float32(name) : fields.whole(name, ...range);
}

export class ImageReader {
  modules: readonly ShaderModule[] = [];
  kernels: readonly KernelImage[] = [];
  leaves: readonly StoredLeaf[] = [];
  #texts: readonly ShaderText[] = [];
  #bytes = 0;

  /** `maxBytes`: most bytes of device memory that the program may take. */
  constructor(readonly maxBytes: number) {}

  /** Reads what all images of the file share. */
  readTables(file: Fields): void {
    this.modules = file.objects(
      "modules",
      (module) => ({ file: module.text("file", 256), code: module.text("code", LIMITS.moduleLength) }),
      LIMITS.modules,
      1,
    );
    const length = this.modules.reduce((sum, { code }) => sum + code.length, 0);
    if (length > LIMITS.allCode)
      file.refuse(`hold ${length} characters, the limit is ${LIMITS.allCode}`, "modules");
    this.#texts = this.modules.map((module) => new ShaderText(module.file, module.code));
    this.kernels = file.objects("kernels", (kernel) => this.#kernel(kernel), LIMITS.kernels, 1);
    this.leaves = file.objects("leaves", (leaf) => this.#leaf(leaf), LIMITS.leaves);
  }

  /** Counts `bytes` of device memory for `fields`, which are refused where the total exceeds the limit. */
  countBytes(fields: Fields, bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.maxBytes)
      fields.refuse(`the program takes more than ${this.maxBytes} bytes; allow more with maxBytes`);
  }

  #kernel(fields: Fields): KernelImage {
    const module = fields.index("module", this.modules.length);
    const { code, bindings, overrides } = this.#texts[module] as ShaderText;
    const entry = fields.text("entry", 128);
    if (!/^[A-Za-z_]\w*$/.test(entry) || !new RegExp(`\\bfn\\s+${entry}\\s*\\(`).test(code))
      fields.refuse(`the module has no function ${entry}`, "entry");
    const layout = fields.text("layout", 256);
    const slots = layout.split(" ");
    const numbers = slots.map((slot) => Number.parseInt(slot, 10));
    if (!/^(\d{1,3}[rwu]( |$))+$/.test(layout) || slots.length > LIMITS.bindings)
      fields.fail("layout", `at most ${LIMITS.bindings} bindings such as "0r 1w 2u"`);
    fields.unique("layout", numbers);
    const declared = [...bindings.values()].map(
      ({ binding, access }) => `${binding}${{ read: "r", read_write: "w", uniform: "u" }[access]}`,
    );
    const undeclared = slots.find((slot) => !declared.includes(slot));
    if (undeclared !== undefined) fields.refuse(`the module declares no binding ${undeclared}`, "layout");
    const read = (constants: Fields, name: string) => {
      const type = overrides.get(name);
      if (type === undefined) return constants.refuse("the module has no such override", name);
      return numberOf(constants, name, type);
    };
    return { module, entry, layout, constants: fields.record("constants", read, LIMITS.constants) };
  }

  #leaf(fields: Fields): StoredLeaf {
    const leaf = {
      kind: fields.oneOf("kind", ["input", "state", "constant"]),
      label: fields.text("label", LIMITS.label),
      ...this.#spec(fields),
    };
    if (!fields.has("initial")) return leaf;
    if (leaf.kind === "input") fields.refuse("an input has no initial value", "initial");
    const initial = this.#value(fields, leaf.dtype, sizeOf(leaf.shape));
    if (typeof initial !== "object") return { ...leaf, initial };
    if (leaf.kind !== "state" || leaf.dtype !== "f32")
      fields.refuse("only states of f32 are drawn at random", "initial");
    return { ...leaf, initial, stream: fields.whole("stream", 0, LIMITS.leaves) };
  }

  #value(fields: Fields, dtype: DType, size: number): StoredValue {
    const value = fields.get("initial");
    if (typeof value === "number") return numberOf(fields, "initial", dtype);
    if (typeof value === "string") {
      // The length is compared first, so that no text is decoded that is too long.
      if (value.length === 4 * Math.ceil((4 * size) / 3)) {
        try {
          if (dataOf(dtype, value).length === size) return value;
        } catch {
          // Not base 64: refused below.
        }
      }
      fields.refuse(`is not the base 64 of ${size} values`, "initial");
    }
    const distribution = fields.fields("initial");
    const kind = distribution.has("uniform") ? "uniform" : "normal";
    const pair = distribution.list(kind, (entries, i) => entries.float32(i), 2, 2) as [number, number];
    return kind === "uniform" ? { uniform: pair } : { normal: pair };
  }

  #spec(fields: Fields): { readonly shape: Shape; readonly dtype: DType } {
    const shape = fields.wholes("shape", 1, LIMITS.size, LIMITS.rank);
    if (sizeOf(shape) > LIMITS.size) fields.refuse(`holds more than ${LIMITS.size} values`, "shape");
    return { shape, dtype: fields.oneOf("dtype", ["f32", "i32", "u32"]) };
  }

  /** Reads buffers, dispatches and outputs of one program. */
  image(fields: Fields): StoredImage {
    const buffers = fields.objects("buffers", (buffer) => this.#buffer(buffer), LIMITS.buffers);
    fields.unique("buffers", buffers.flatMap(leavesOf));
    const dispatches = fields.objects("dispatches", (d) => this.#dispatch(d, buffers), LIMITS.dispatches);
    const outputs = fields.objects(
      "outputs",
      (output): OutputImage => {
        const spec = this.#spec(output);
        const buffer = output.index("buffer", buffers.length);
        const { bytes } = buffers[buffer] as BufferImage;
        const offset = output.whole("offset", 0, bytes);
        const end = offset + 4 * sizeOf(spec.shape);
        if (offset % 4 !== 0 || end > bytes)
          output.refuse(`ends at ${end} of the ${bytes} bytes of its buffer`);
        return { label: output.text("label", LIMITS.label), ...spec, buffer, offset };
      },
      LIMITS.names,
    );
    return { buffers, dispatches, outputs };
  }

  #buffer(fields: Fields): BufferImage {
    const role = fields.oneOf("role", ["leaf", "flattened", "output", "workspace", "zeros", "sizes"]);
    const bytes = fields.whole("bytes", 4, this.maxBytes);
    const common = { label: fields.text("label", LIMITS.label), bytes };
    const expectBytes = (needed: number) => {
      if (bytes !== needed) fields.fail("bytes", `${needed}, the size of what the buffer holds`);
    };
    if (bytes % 4 !== 0) fields.fail("bytes", "a multiple of 4");
    const leafSize = (index: number) => sizeOf((this.leaves[index] as StoredLeaf).shape);
    if (role === "leaf") {
      const leaf = fields.index("leaf", this.leaves.length);
      expectBytes(4 * paddedWords(leafSize(leaf)));
      return { ...common, role, leaf };
    }
    if (role === "flattened") {
      const leaves = fields.wholes("leaves", 0, this.leaves.length - 1, LIMITS.leaves, 1);
      expectBytes(4 * packLayout(leaves.map(leafSize)).words);
      return { ...common, role, leaves };
    }
    this.countBytes(fields, bytes);
    if (role !== "sizes") return { ...common, role };
    const words = fields.wholes("words", 0, U32_MAX, LIMITS.dispatches * 64, 1);
    expectBytes(4 * words.length);
    return { ...common, role, words };
  }

  #dispatch(fields: Fields, buffers: readonly BufferImage[]): DispatchImage {
    const own = { kernel: fields.index("kernel", this.kernels.length), groups: groupsOf(fields) };
    const { layout } = this.kernels[own.kernel] as KernelImage;
    const accesses = layout.split(" ").map((slot) => slot.at(-1));
    const count = accesses.length;
    const earlier: BindingImage[] = [];
    const read = (entries: Fields, name: string): BindingImage => {
      const binding = this.#binding(entries, name, buffers);
      const [index, offset, size] = binding;
      const access = accesses[Number(name)];
      const buffer = buffers[index] as BufferImage;
      if (access === "w" && !this.#isWritable(buffer))
        entries.refuse(`${buffer.label} (${buffer.role}) must not be written`, name);
      if (access === "u" && size > LIMITS.uniformBytes)
        entries.refuse(`is a uniform of more than ${LIMITS.uniformBytes} bytes`, name);
      earlier.forEach(([other, from, length], i) => {
        if (other !== index) return;
        const overlap = from < offset + size && offset < from + length;
        if (accesses[i] !== access || (access === "w" && overlap))
          entries.refuse(`${buffer.label} is also written by the same dispatch`, name);
      });
      earlier.push(binding);
      return binding;
    };
    const bindings = fields.list("bindings", read, count, count);
    const label = fields.text("label", LIMITS.label);
    return { label, ...own, bindings };
  }

  #binding(entries: Fields, name: string, buffers: readonly BufferImage[]): BindingImage {
    const triple = entries.wholes(name, 0, this.maxBytes, 3, 3) as [number, number, number];
    const [index, offset, size] = triple;
    const buffer = buffers[index];
    if (buffer === undefined) return entries.refuse(`there is no buffer ${index}`, name);
    if (offset % ALIGN !== 0) entries.refuse(`its offset ${offset} is no multiple of ${ALIGN}`, name);
    if (size === 0 || size % 4 !== 0 || offset + size > buffer.bytes) {
      entries.refuse(
        `${size} bytes from ${offset} on are no part of ${buffer.label}, which has ${buffer.bytes}`,
        name,
      );
    }
    return triple;
  }

  #isWritable(buffer: BufferImage): boolean {
    if (buffer.role === "output" || buffer.role === "workspace") return true;
    const leaves = leavesOf(buffer);
    return leaves.length > 0 && leaves.every((i) => this.leaves[i]?.kind === "state");
  }
}

/** Leaves whose memory a buffer is. */
function leavesOf(buffer: BufferImage): readonly number[] {
  return buffer.role === "leaf" ? [buffer.leaf] : buffer.role === "flattened" ? buffer.leaves : [];
}

function groupsOf(fields: Fields): number[] {
  const groups = fields.wholes("groups", 1, LIMITS.groups, 3, 1);
  if (sizeOf(groups) > LIMITS.allGroups)
    fields.refuse(`are more than ${LIMITS.allGroups} workgroups`, "groups");
  return groups;
}
