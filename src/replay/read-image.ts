/**
 * Reads the images of a program that comes from a file: modules, kernels, leaves, buffers and dispatches. Every index, size,
 * offset, name and binding is checked against what the program declares, and totals against limits.
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
import type { Checker, Fields } from "./checker.ts";
import { dataOf, type StoredImage, type StoredLeaf, type StoredValue } from "./format.ts";

/** Most of everything. Far above what networks need, and little enough to be checked at once. */
export const MOST = {
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
  programs: 256,
  rank: 8,
  size: 2 ** 29,
  uniformBytes: 65536,
  maxBytes: 2 ** 31,
};

/** WebGPU's strictest alignment of bindings. */
const ALIGN = 256;
const OVERRIDES: Readonly<Record<string, readonly [least: number, most: number]>> = {
  u32: [0, 2 ** 32 - 1],
  i32: [-(2 ** 31), 2 ** 31 - 1],
  bool: [0, 1],
};

export class ImageReader {
  modules: readonly ShaderModule[] = [];
  kernels: readonly KernelImage[] = [];
  leaves: readonly StoredLeaf[] = [];
  #texts: readonly ShaderText[] = [];
  #bytes = 0;

  constructor(
    readonly check: Checker,
    readonly maxBytes: number,
  ) {}

  /** Reads what all images share. */
  tables(fields: Fields): void {
    const { check } = this;
    this.modules = fields.list("modules", MOST.modules, 1, (path, value) => {
      const module = check.fields(path, value);
      return { file: module.text("file", 256), code: module.text("code", MOST.moduleLength) };
    });
    const length = this.modules.reduce((sum, { code }) => sum + code.length, 0);
    if (length > MOST.allCode)
      check.fail("modules", `hold ${length} characters, at most ${MOST.allCode} are read`);
    this.#texts = this.modules.map(({ file, code }) => new ShaderText(file, code));
    this.kernels = fields.list("kernels", MOST.kernels, 1, (path, value) => this.#kernel(path, value));
    this.leaves = fields.list("leaves", MOST.leaves, 0, (path, value) => this.#leaf(path, value));
  }

  /** Counts bytes of the device. */
  take(path: string, bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.maxBytes) {
      this.check.fail(path, `the program takes more than ${this.maxBytes} bytes; allow more by maxBytes`);
    }
  }

  #kernel(path: string, value: unknown): KernelImage {
    const { check } = this;
    const fields = check.fields(path, value);
    const module = fields.index("module", this.modules.length);
    const { code, bindings, overrides } = this.#texts[module] as ShaderText;
    const entry = fields.text("entry", 128);
    if (!/^[A-Za-z_]\w*$/.test(entry) || !new RegExp(`\\bfn\\s+${entry}\\s*\\(`).test(code)) {
      check.fail(`${path}.entry`, `the module has no function ${entry}`);
    }
    const layout = fields.text("layout", 256);
    if (!/^(\d{1,3}[rwu]( |$))+$/.test(layout)) check.fail(`${path}.layout`, `is no layout: ${layout}`);
    const slots = layout.split(" ");
    const numbers = slots.map((slot) => Number.parseInt(slot, 10));
    if (slots.length > MOST.bindings) check.fail(`${path}.layout`, `has more than ${MOST.bindings} bindings`);
    if (new Set(numbers).size !== slots.length) check.fail(`${path}.layout`, `has a number twice: ${layout}`);
    const declared = [...bindings.values()].map(
      ({ binding, access }) => `${binding}${{ read: "r", read_write: "w", uniform: "u" }[access]}`,
    );
    const stray = slots.find((slot) => !declared.includes(slot));
    if (stray !== undefined) check.fail(`${path}.layout`, `the module declares no binding ${stray}`);
    const constants = fields.entries("constants", MOST.constants, (at, constant, name) => {
      const type = overrides.get(name);
      if (type === undefined) return check.fail(at, "the module has no such override");
      const [least, most] = OVERRIDES[type] ?? [];
      if (least !== undefined && most !== undefined) return check.whole(at, constant, least, most);
      return check.float(at, constant);
    });
    return { module, entry, layout, constants };
  }

  #leaf(path: string, value: unknown): StoredLeaf {
    const { check } = this;
    const fields = check.fields(path, value);
    const leaf = {
      kind: fields.one("kind", ["input", "state", "constant"]),
      label: fields.text("label", 1024),
      ...this.#spec(fields),
    };
    const initial = fields.get("initial");
    if (initial === undefined) return leaf;
    if (leaf.kind === "input") check.fail(`${path}.initial`, "an input has none");
    const stored = this.#value(`${path}.initial`, initial, leaf.dtype, sizeOf(leaf.shape));
    if (typeof stored !== "object") return { ...leaf, initial: stored };
    if (leaf.kind !== "state" || leaf.dtype !== "f32")
      check.fail(`${path}.initial`, "only f32 states are drawn");
    return { ...leaf, initial: stored, stream: fields.whole("stream", 0, MOST.leaves) };
  }

  #value(path: string, value: unknown, dtype: DType, size: number): StoredValue {
    const { check } = this;
    if (typeof value === "number") {
      const [least, most] = OVERRIDES[dtype] ?? [];
      if (least === undefined || most === undefined) return check.float(path, value);
      return check.whole(path, value, least, most);
    }
    if (typeof value === "string") {
      if (value.length !== 4 * Math.ceil((4 * size) / 3)) check.fail(path, `holds no ${size} values`);
      try {
        if (dataOf(dtype, value).length === size) return value;
      } catch {
        // Said below.
      }
      check.fail(path, `is no base 64 of ${size} values`);
    }
    const fields = check.fields(path, value);
    const kind = fields.get("uniform") === undefined ? "normal" : "uniform";
    const [a, b] = fields.list(kind, 2, 2, (at, number) => check.float(at, number)) as [number, number];
    return kind === "uniform" ? { uniform: [a, b] } : { normal: [a, b] };
  }

  #spec(fields: Fields): { readonly shape: Shape; readonly dtype: DType } {
    const shape = fields.list("shape", MOST.rank, 0, (at, n) => this.check.whole(at, n, 1, MOST.size));
    if (sizeOf(shape) > MOST.size)
      this.check.fail(`${fields.path}.shape`, `holds more than ${MOST.size} values`);
    return { shape, dtype: fields.one("dtype", ["f32", "i32", "u32"]) };
  }

  image(fields: Fields): StoredImage {
    const { check } = this;
    const { path } = fields;
    const buffers = fields.list("buffers", MOST.buffers, 0, (at, value) => this.#buffer(at, value));
    const leaves = buffers.flatMap((b) =>
      b.role === "leaf" ? [b.leaf] : b.role === "flattened" ? b.leaves : [],
    );
    check.unique(`${path}.buffers`, leaves);
    const dispatches = fields.list("dispatches", MOST.dispatches, 0, (at, value) =>
      this.#dispatch(at, value, buffers),
    );
    const outputs = fields.list("outputs", MOST.names, 0, (at, value): OutputImage => {
      const one = check.fields(at, value);
      const spec = this.#spec(one);
      const buffer = one.index("buffer", buffers.length);
      const { bytes } = buffers[buffer] as BufferImage;
      const offset = one.whole("offset", 0, bytes);
      const end = offset + 4 * sizeOf(spec.shape);
      if (offset % 4 !== 0 || end > bytes)
        check.fail(at, `ends at ${end} of the ${bytes} bytes of its buffer`);
      return { label: one.text("label", 1024), ...spec, buffer, offset };
    });
    return { buffers, dispatches, outputs };
  }

  #buffer(path: string, value: unknown): BufferImage {
    const { check } = this;
    const fields = check.fields(path, value);
    const role = fields.one("role", ["leaf", "flattened", "output", "workspace", "zeros", "sizes"]);
    const common = { label: fields.text("label", 1024), bytes: fields.whole("bytes", 4, this.maxBytes) };
    const { bytes } = common;
    const expectBytes = (wanted: number) => {
      if (bytes !== wanted) check.fail(`${path}.bytes`, `is ${bytes}, but its content takes ${wanted}`);
    };
    if (bytes % 4 !== 0) check.fail(`${path}.bytes`, `is ${bytes}, no whole number of words`);
    const sizeOfLeaf = (index: number) => sizeOf((this.leaves[index] as StoredLeaf).shape);
    if (role === "leaf") {
      const leaf = fields.index("leaf", this.leaves.length);
      expectBytes(4 * paddedWords(sizeOfLeaf(leaf)));
      return { ...common, role, leaf };
    }
    if (role === "flattened") {
      const leaves = fields.list("leaves", MOST.leaves, 1, (at, n) =>
        check.whole(at, n, 0, this.leaves.length - 1),
      );
      expectBytes(4 * packLayout(leaves.map(sizeOfLeaf)).words);
      return { ...common, role, leaves };
    }
    this.take(path, bytes);
    if (role === "sizes") {
      const words = fields.list("words", MOST.dispatches * 64, 1, (at, n) =>
        check.whole(at, n, 0, 2 ** 32 - 1),
      );
      expectBytes(4 * words.length);
      return { ...common, role, words };
    }
    return { ...common, role };
  }

  #dispatch(path: string, value: unknown, buffers: readonly BufferImage[]): DispatchImage {
    const { check } = this;
    const fields = check.fields(path, value);
    const run = (of: Fields) => ({
      kernel: of.index("kernel", this.kernels.length),
      groups: this.#groups(of),
    });
    const own = run(fields);
    const { layout } = this.kernels[own.kernel] as KernelImage;
    const slots = layout.split(" ");
    const bindings = fields.list("bindings", slots.length, slots.length, (at, binding) =>
      this.#binding(at, binding, buffers),
    );
    bindings.forEach(([index, offset, size], i) => {
      const access = slots[i]?.at(-1);
      const buffer = buffers[index] as BufferImage;
      if (access === "w" && !this.#isWritable(buffer)) {
        check.fail(`${path}.bindings[${i}]`, `${buffer.label} (${buffer.role}) is not to be written`);
      }
      if (access === "u" && size > MOST.uniformBytes) {
        check.fail(`${path}.bindings[${i}]`, `is a uniform of more than ${MOST.uniformBytes} bytes`);
      }
      bindings.slice(0, i).forEach(([other, from, length], j) => {
        if (other !== index) return;
        const overlap = from < offset + size && offset < from + length;
        if (slots[j]?.at(-1) !== access || (access === "w" && overlap)) {
          check.fail(`${path}.bindings[${i}]`, `${buffer.label} is also written by the same dispatch`);
        }
      });
    });
    const label = fields.text("label", 1024);
    const given = fields.get("fallback");
    if (given === undefined) return { label, ...own, bindings };
    const fallback = run(check.fields(`${path}.fallback`, given));
    if (this.kernels[fallback.kernel]?.layout !== layout) {
      check.fail(`${path}.fallback.kernel`, "has another layout than the kernel");
    }
    return { label, ...own, bindings, fallback };
  }

  #groups(fields: Fields): number[] {
    const groups = fields.list("groups", 3, 1, (at, n) => this.check.whole(at, n, 1, MOST.groups));
    if (sizeOf(groups) > MOST.allGroups) {
      this.check.fail(`${fields.path}.groups`, `are more than ${MOST.allGroups} workgroups`);
    }
    return groups;
  }

  #binding(path: string, value: unknown, buffers: readonly BufferImage[]): BindingImage {
    const { check } = this;
    const [index, offset, size] = check.list(path, value, 3, 3, (at, n) =>
      check.whole(at, n, 0, this.maxBytes),
    ) as [number, number, number];
    const buffer = buffers[index];
    if (buffer === undefined) return check.fail(path, `there is no buffer ${index}`);
    if (offset % ALIGN !== 0) check.fail(path, `its offset ${offset} is no multiple of ${ALIGN}`);
    if (size === 0 || size % 4 !== 0 || offset + size > buffer.bytes) {
      check.fail(path, `${size} bytes from ${offset} on are no part of ${buffer.label} with ${buffer.bytes}`);
    }
    return [index, offset, size];
  }

  #isWritable(buffer: BufferImage): boolean {
    if (buffer.role === "output" || buffer.role === "workspace") return true;
    const leaves = buffer.role === "leaf" ? [buffer.leaf] : buffer.role === "flattened" ? buffer.leaves : [];
    return leaves.length > 0 && leaves.every((i) => this.leaves[i]?.kind === "state");
  }
}
