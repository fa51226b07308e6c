/**
 * Reads an ahead-of-time program as untrusted input: every index, size, offset, name and binding is checked against what the
 * file declares, and totals against limits, before anything is created from it. The result is a copy that holds nothing but
 * checked fields. WGSL itself is checked by WebGPU, which keeps it within its buffers but does not limit how long it runs.
 */

import { countConstants } from "../geometry/batches.ts";
import { packLayout } from "../graph/pack-layout.ts";
import { type DType, formatShape, type Shape, sameShape, sizeOf } from "../graph/spec.ts";
import type { KernelImage } from "../plan/image.ts";
import { paddedWords } from "../plan/storage.ts";
import { ProgramError } from "../validation/errors.ts";
import { Fields } from "../validation/json-fields.ts";
import { checkOptions } from "../validation/options.ts";
import {
  type AheadOfTimeProgram,
  checksumOf,
  FORMAT,
  type NamedLeaf,
  type StoredLeaf,
  type StoredProgram,
  type StoredSteps,
} from "./format.ts";
import { ImageReader, LIMITS } from "./read-image.ts";

export interface ReadProgramOptions {
  /** Name of the file, for errors; default "program". */
  readonly name?: string;
  /** Most bytes that all buffers of the program may take; default 2 GiB. */
  readonly maxBytes?: number;
}

/**
 * `given` (the object, or its JSON as text or bytes) as a program. Throws ProgramError that names the field: not JSON, another
 * format, damaged kernels, an index, size, offset, name or binding that does not fit, or more than the limits allow.
 */
export function readProgram(given: unknown, options: ReadProgramOptions = {}): AheadOfTimeProgram {
  const kinds = { name: "string", maxBytes: "number" } as const;
  const { name = "program", maxBytes = LIMITS.maxBytes } = checkOptions("readProgram", options, kinds);
  try {
    return new ProgramReader(maxBytes).program(parsed(name, given), name);
  } catch (cause) {
    if (cause instanceof ProgramError) throw cause;
    // Getters and proxies of an untrusted object may throw anything.
    throw new ProgramError(`${name}: can't be read: ${String(cause)}`, { cause });
  }
}

function parsed(name: string, given: unknown): unknown {
  const binary = given instanceof Uint8Array;
  if (!binary && typeof given !== "string") return given;
  if (given.length > LIMITS.fileBytes)
    throw new ProgramError(`${name}: has ${given.length} bytes, the limit is ${LIMITS.fileBytes}`);
  try {
    return JSON.parse(binary ? new TextDecoder("utf-8", { fatal: true }).decode(given) : given);
  } catch (cause) {
    throw new ProgramError(`${name}: not a Weft program: ${(cause as Error).message}`, { cause });
  }
}

/** What a leaf must be. */
interface Expected {
  readonly kind: StoredLeaf["kind"];
  readonly dtype?: DType;
  readonly shape?: Shape;
  readonly rank?: number;
}

class ProgramReader {
  readonly images: ImageReader;
  /** Leaves of data sets, whose sizes are known only when the program runs. */
  readonly #ofData = new Set<number>();

  constructor(maxBytes: number) {
    this.images = new ImageReader(maxBytes);
  }

  program(given: unknown, name: string): AheadOfTimeProgram {
    const { weftProgram, weftRecording } = (given ?? {}) as Record<string, unknown>;
    const format = weftProgram ?? weftRecording;
    if (weftProgram !== FORMAT) {
      throw new ProgramError(
        format === undefined
          ? `${name}: not a Weft program; create one with \`weft compile\` or compileAheadOfTime`
          : `${name}: has format ${String(format)}, this version of Weft reads ${FORMAT}; compile it again`,
      );
    }
    const { images } = this;
    const file = new Fields(given, name, ProgramError);
    images.readTables(file);
    const { modules, kernels, leaves } = images;
    const checksum = file.text("checksum", 8);
    const computed = checksumOf(modules);
    if (checksum !== computed)
      file.refuse(`damaged: their checksum is ${computed}, the file says ${checksum}`, "modules");
    const train = this.#steps(file.fields("train"));
    const program: AheadOfTimeProgram = {
      weftProgram: FORMAT,
      checksum,
      subgroupSize: file.whole("subgroupSize", 0, 128),
      seed: file.whole("seed"),
      batchSize: file.whole("batchSize", 1, LIMITS.size),
      modules,
      kernels,
      leaves,
      states: this.#states(file.fields("states")),
      train,
      ...file.optional("test", () => ({ test: this.#steps(file.fields("test")) })),
      programs: file.record("programs", (all, key) => this.#program(all.fields(key)), LIMITS.programs),
    };
    if (program.batchSize !== train.batchSize) file.fail("batchSize", `${train.batchSize}, as in train`);
    leaves.forEach((leaf, i) => {
      if (!this.#ofData.has(i)) images.countBytes(file, 4 * paddedWords(sizeOf(leaf.shape)));
    });
    return program;
  }

  #leaf(fields: Fields, name: string, { kind, dtype, shape, rank }: Expected): number {
    const index = fields.index(name, this.images.leaves.length);
    const leaf = this.images.leaves[index] as StoredLeaf;
    const fits =
      leaf.kind === kind &&
      (dtype === undefined || leaf.dtype === dtype) &&
      (shape === undefined || sameShape(leaf.shape, shape)) &&
      (rank === undefined || leaf.shape.length === rank);
    if (fits) return index;
    const expected = [kind, dtype, shape && formatShape(shape), rank && `of rank ${rank}`].filter(Boolean);
    const found = `${leaf.kind} ${leaf.dtype} ${formatShape(leaf.shape)}`;
    return fields.refuse(`leaf ${index} is ${found}, expected ${expected.join(" ")}`, name);
  }

  #namedLeaves(fields: Fields, name: string, expected: Expected): NamedLeaf[] {
    const read = (one: Fields): NamedLeaf => ({
      name: one.text("name", LIMITS.label),
      leaf: this.#leaf(one, "leaf", expected),
    });
    const all = fields.objects(name, read, LIMITS.names);
    for (const key of ["name", "leaf"] as const) {
      fields.unique(
        name,
        all.map((one) => one[key]),
      );
    }
    return all;
  }

  #states(fields: Fields): AheadOfTimeProgram["states"] {
    const parameters = this.#namedLeaves(fields, "parameters", { kind: "state", dtype: "f32" });
    const buffers = this.#namedLeaves(fields, "buffers", { kind: "state" });
    const packed = this.#namedLeaves(fields, "packed", { kind: "state", dtype: "f32" });
    const sizeOfLeaf = ({ leaf }: NamedLeaf) => sizeOf((this.images.leaves[leaf] as StoredLeaf).shape);
    const { words } = packLayout(parameters.map(sizeOfLeaf));
    const wrong = packed.find((state) => sizeOfLeaf(state) !== words);
    if (wrong !== undefined)
      fields.refuse(`${wrong.name} does not have the ${words} values of the flattened parameters`, "packed");
    const single = (name: string, dtype: DType, size: number) =>
      this.#leaf(fields, name, { kind: "state", dtype, shape: [size] });
    const step = single("step", "u32", 1);
    const key = single("key", "u32", 2);
    const learningRate = single("learningRate", "f32", 1);
    const named = [...parameters, ...buffers, ...packed].map(({ leaf }) => leaf);
    fields.unique("leaf", [...named, step, key, learningRate]);
    return { parameters, buffers, packed, step, key, learningRate };
  }

  #steps(fields: Fields): StoredSteps {
    const given = fields.fields("data");
    const data = {
      inputs: this.#leaf(given, "inputs", { kind: "input", rank: 1 }),
      labels: this.#leaf(given, "labels", { kind: "input", rank: 1 }),
      kernel: given.index("kernel", this.images.kernels.length),
      shape: given.wholes("shape", 1, LIMITS.size, LIMITS.rank),
      labelSize: given.whole("labelSize", 1, LIMITS.size),
      scale: given.float32("scale"),
      offset: given.float32("offset"),
    };
    if (data.inputs === data.labels) given.refuse("inputs and labels are one leaf");
    this.#ofData.add(data.inputs).add(data.labels);
    const image = this.images.image(fields);
    const batchSize = fields.whole("batchSize", 1, LIMITS.size);
    const { constants } = this.images.kernels[data.kernel] as KernelImage;
    const expected: Record<string, number | undefined> = {
      ...Object.fromEntries(Object.keys(countConstants(1, 1)).map((name) => [name, undefined])),
      B: batchSize,
      SIZE: sizeOf(data.shape),
      TARGET: data.labelSize,
    };
    for (const [name, value] of Object.entries(expected)) {
      const constant = constants[name];
      if (constant === undefined || (value !== undefined && constant !== value))
        given.refuse(`its constant ${name} is ${constant}, expected ${value ?? "a number"}`, "kernel");
    }
    if (!image.dispatches.some(({ kernel }) => kernel === data.kernel))
      given.refuse("no dispatch runs it", "kernel");
    const step = this.#leaf(fields, "step", { kind: "state", dtype: "u32", shape: [1] });
    const ring = this.#leaf(fields, "ring", { kind: "state", dtype: "f32", rank: 2 });
    const columns = fields.objects(
      "columns",
      (column) => ({ name: column.text("name", LIMITS.label), size: column.whole("size", 1, LIMITS.size) }),
      LIMITS.names,
      2,
    );
    const names = columns.map(({ name }) => name);
    fields.unique("columns", names);
    const [, width] = (this.images.leaves[ring] as StoredLeaf).shape;
    const begins =
      names[0] === "loss" && names[1] === "count" && columns[0]?.size === 1 && columns[1]?.size === 1;
    const total = columns.reduce((sum, { size }) => sum + size, 0);
    // One more value where the step detects numbers that are not finite.
    if (!begins || (total !== width && total + 1 !== width))
      fields.refuse(`must be loss, count and others of ${width} values in all`, "columns");
    const sums = fields.list("sums", (entries, i) => entries.text(i, LIMITS.label), LIMITS.names);
    const unknown = sums.find((sum) => !names.includes(sum));
    if (unknown !== undefined) fields.refuse(`there is no column ${unknown}`, "sums");
    return { ...image, batchSize, data, step, ring, columns, sums };
  }

  #program(fields: Fields): StoredProgram {
    const image = this.images.image(fields);
    fields.unique(
      "outputs",
      image.outputs.map(({ label }) => label),
    );
    return { ...image, inputs: this.#namedLeaves(fields, "inputs", { kind: "input" }) };
  }
}
