/**
 * Reads a program that was compiled ahead of time, as what it is: input from a stranger. Every index, size, offset, name and
 * binding is checked against what the program declares, and totals against limits, before anything is made of it. What comes
 * out is a copy that holds nothing but checked fields. WGSL itself is left to WebGPU, which checks it and keeps it within the
 * buffers that it is given, but can't tell how long it runs.
 */
import { ProgramError } from "../common/errors.ts";
import { checkOptions } from "../common/options.ts";
import { packLayout } from "../graph/pack-layout.ts";
import { type DType, type Shape, sameShape, sizeOf } from "../graph/spec.ts";
import type { KernelImage } from "../plan/image.ts";
import { paddedWords } from "../plan/storage.ts";
import { countConstants } from "../train/input/gather-counts.ts";
import { Checker, type Fields } from "./checker.ts";
import {
  type AheadOfTimeProgram,
  checksumOf,
  FORMAT,
  type NamedLeaf,
  type StoredLeaf,
  type StoredProgram,
  type StoredSteps,
} from "./format.ts";
import { ImageReader, MOST } from "./read-image.ts";

export interface ReadProgramOptions {
  /** Name of the file, for errors; default "program". */
  readonly name?: string;
  /** Most bytes that all buffers of the program may take; default 2 GiB. */
  readonly maxBytes?: number;
}

/**
 * `given` (the object, or its JSON as text or bytes) as a program. Throws ProgramError saying where it is wrong: not JSON, of
 * another format, damaged kernels, an index, size, offset, name or binding that does not fit, or more than limits allow.
 */
export function readProgram(given: unknown, options: ReadProgramOptions = {}): AheadOfTimeProgram {
  const kinds = { name: "string", maxBytes: "number" } as const;
  const { name = "program", maxBytes = MOST.maxBytes } = checkOptions("readProgram", options, kinds);
  const check = new Checker(name);
  try {
    return new ProgramReader(check, maxBytes).program(parsed(check, given));
  } catch (cause) {
    if (cause instanceof ProgramError) throw cause;
    // Getters and proxies of a stranger's object may throw anything.
    throw new ProgramError(`${name}: can't be read: ${String(cause)}`, { cause });
  }
}

function parsed(check: Checker, given: unknown): unknown {
  const binary = given instanceof Uint8Array;
  if (!binary && typeof given !== "string") return given;
  if (given.length > MOST.fileBytes)
    check.fail("", `has ${given.length} bytes, at most ${MOST.fileBytes} are read`);
  try {
    return JSON.parse(binary ? new TextDecoder("utf-8", { fatal: true }).decode(given) : given);
  } catch (cause) {
    throw new ProgramError(`${check.name}: not a Weft program: ${(cause as Error).message}`, { cause });
  }
}

class ProgramReader {
  readonly images: ImageReader;
  /** Leaves of data sets, which have sizes of their own when the program runs. */
  readonly #ofData = new Set<number>();

  constructor(
    readonly check: Checker,
    maxBytes: number,
  ) {
    this.images = new ImageReader(check, maxBytes);
  }

  program(given: unknown): AheadOfTimeProgram {
    const { check, images } = this;
    const format = (given as Partial<AheadOfTimeProgram> | null | undefined)?.weftProgram;
    if (format !== FORMAT) {
      const old = (given as { weftRecording?: unknown } | null | undefined)?.weftRecording;
      check.fail(
        "",
        format !== undefined || old !== undefined
          ? `has format ${String(format ?? old)}, this library reads ${FORMAT}; compile it again`
          : "not a Weft program; make one with `weft compile` or compileAheadOfTime",
      );
    }
    const fields = check.fields("", given);
    images.tables(fields);
    const { modules, kernels, leaves } = images;
    const checksum = fields.text("checksum", 8);
    const own = checksumOf(modules);
    if (checksum !== own)
      check.fail("modules", `damaged: their checksum is ${own}, the program says ${checksum}`);
    const train = this.#steps("train", fields.get("train"));
    const test = fields.get("test");
    const program: AheadOfTimeProgram = {
      weftProgram: FORMAT,
      checksum,
      subgroupSize: fields.whole("subgroupSize", 0, 128),
      seed: fields.whole("seed", 0, Number.MAX_SAFE_INTEGER),
      batchSize: fields.whole("batchSize", 1, MOST.size),
      modules,
      kernels,
      leaves,
      states: this.#states(check.fields("states", fields.get("states"))),
      train,
      ...(test === undefined ? {} : { test: this.#steps("test", test) }),
      programs: fields.entries("programs", MOST.programs, (path, value) => this.#program(path, value)),
    };
    if (program.batchSize !== train.batchSize) {
      check.fail("batchSize", `is ${program.batchSize}, but training has ${train.batchSize}`);
    }
    leaves.forEach((leaf, i) => {
      if (!this.#ofData.has(i)) images.take(`leaves[${i}]`, 4 * paddedWords(sizeOf(leaf.shape)));
    });
    return program;
  }

  /** The leaf that field `name` refers to, which must be of this kind, type and shape. */
  #expectLeaf(
    fields: Fields,
    name: string,
    kind: StoredLeaf["kind"],
    { dtype, shape, rank }: { dtype?: DType; shape?: Shape; rank?: number } = {},
  ): number {
    const index = fields.index(name, this.images.leaves.length);
    const leaf = this.images.leaves[index] as StoredLeaf;
    const fits =
      leaf.kind === kind &&
      (dtype === undefined || leaf.dtype === dtype) &&
      (shape === undefined || sameShape(leaf.shape, shape)) &&
      (rank === undefined || leaf.shape.length === rank);
    if (!fits) {
      const wanted = [kind, dtype, shape && `[${shape.join(", ")}]`, rank && `of rank ${rank}`];
      this.check.fail(
        `${fields.path}.${name}`,
        `leaf ${index} is ${leaf.kind} ${leaf.dtype} [${leaf.shape.join(", ")}], expected ${wanted.filter(Boolean).join(" ")}`,
      );
    }
    return index;
  }

  #named(fields: Fields, name: string, kind: StoredLeaf["kind"], dtype?: DType): NamedLeaf[] {
    const all = fields.list(name, MOST.names, 0, (path, value): NamedLeaf => {
      const one = this.check.fields(path, value);
      const leaf = this.#expectLeaf(one, "leaf", kind, dtype === undefined ? {} : { dtype });
      return { name: one.text("name", 1024), leaf };
    });
    this.check.unique(
      `${fields.path}.${name}`,
      all.map((one) => one.name),
    );
    this.check.unique(
      `${fields.path}.${name}`,
      all.map((one) => one.leaf),
    );
    return all;
  }

  #states(fields: Fields): AheadOfTimeProgram["states"] {
    const parameters = this.#named(fields, "parameters", "state", "f32");
    const buffers = this.#named(fields, "buffers", "state");
    const packed = this.#named(fields, "packed", "state", "f32");
    const sizes = parameters.map(({ leaf }) => sizeOf((this.images.leaves[leaf] as StoredLeaf).shape));
    const { words } = packLayout(sizes);
    for (const { name, leaf } of packed) {
      if (sizeOf((this.images.leaves[leaf] as StoredLeaf).shape) !== words) {
        this.check.fail("states.packed", `${name} has not the ${words} values of the flattened parameters`);
      }
    }
    const states = {
      parameters,
      buffers,
      packed,
      step: this.#expectLeaf(fields, "step", "state", { dtype: "u32", shape: [1] }),
      key: this.#expectLeaf(fields, "key", "state", { dtype: "u32", shape: [2] }),
      learningRate: this.#expectLeaf(fields, "learningRate", "state", { dtype: "f32", shape: [1] }),
    };
    const named = [...parameters, ...buffers, ...packed].map(({ leaf }) => leaf);
    this.check.unique("states", [...named, states.step, states.key, states.learningRate]);
    return states;
  }

  #steps(path: string, value: unknown): StoredSteps {
    const { check } = this;
    const fields = check.fields(path, value);
    const given = check.fields(`${path}.data`, fields.get("data"));
    const shape = given.list("shape", MOST.rank, 0, (at, n) => check.whole(at, n, 1, MOST.size));
    const data = {
      inputs: this.#expectLeaf(given, "inputs", "input", { rank: 1 }),
      labels: this.#expectLeaf(given, "labels", "input", { rank: 1 }),
      kernel: given.index("kernel", this.images.kernels.length),
      shape,
      labelSize: given.whole("labelSize", 1, MOST.size),
      scale: given.float("scale"),
      offset: given.float("offset"),
    };
    if (data.inputs === data.labels) check.fail(`${path}.data`, "inputs and labels are one leaf");
    this.#ofData.add(data.inputs).add(data.labels);
    const image = this.images.image(fields);
    const batchSize = fields.whole("batchSize", 1, MOST.size);
    const { constants } = this.images.kernels[data.kernel] as KernelImage;
    const expected = {
      ...Object.fromEntries(Object.keys(countConstants(1, 1)).map((name) => [name, undefined])),
      B: batchSize,
      SIZE: sizeOf(shape),
      TARGET: data.labelSize,
    };
    for (const [name, wanted] of Object.entries(expected)) {
      const constant = constants[name];
      if (constant === undefined || (wanted !== undefined && constant !== wanted)) {
        check.fail(
          `${path}.data.kernel`,
          `its constant ${name} is ${constant}, expected ${wanted ?? "a number"}`,
        );
      }
    }
    if (!image.dispatches.some(({ kernel }) => kernel === data.kernel)) {
      check.fail(`${path}.data.kernel`, "no dispatch runs it");
    }
    const step = this.#expectLeaf(fields, "step", "state", { dtype: "u32", shape: [1] });
    const ring = this.#expectLeaf(fields, "ring", "state", { dtype: "f32", rank: 2 });
    const columns = fields.list("columns", MOST.names, 2, (at, column) => {
      const one = check.fields(at, column);
      return { name: one.text("name", 1024), size: one.whole("size", 1, MOST.size) };
    });
    const names = columns.map(({ name }) => name);
    check.unique(`${path}.columns`, names);
    const [, width] = (this.images.leaves[ring] as StoredLeaf).shape;
    const [loss, count] = columns;
    const fits = loss?.name === "loss" && loss.size === 1 && count?.name === "count" && count.size === 1;
    const total = columns.reduce((sum, { size }) => sum + size, 0);
    // One more value where the step watches for numbers that are not finite.
    if (!fits || (total !== width && total + 1 !== width)) {
      check.fail(`${path}.columns`, `must be loss, count and others of ${width} values in all`);
    }
    const sums = fields.list("sums", MOST.names, 0, (at, sum) => check.text(at, sum, 1024));
    const unknown = sums.find((sum) => !names.includes(sum));
    if (unknown !== undefined) check.fail(`${path}.sums`, `there is no column ${unknown}`);
    return { ...image, batchSize, data, step, ring, columns, sums };
  }

  #program(path: string, value: unknown): StoredProgram {
    const fields = this.check.fields(path, value);
    const image = this.images.image(fields);
    this.check.unique(
      `${path}.outputs`,
      image.outputs.map(({ label }) => label),
    );
    return { ...image, inputs: this.#named(fields, "inputs", "input") };
  }
}
