/**
 * What a run consists of: batch size, optimizer, seed and data. Checkpoints record it. Where a run is continued, what must be
 * the same is compared: a difference is refused by name, or told where training can go on with it.
 */

import { crc32 } from "../../data/archives/zip.ts";
import { type ColumnValues, hasColumns, shardsOfColumns } from "../../data/columns.ts";
import { type InMemory, labelShapeOf, labelSize, sampleSize } from "../../data/dataset.ts";
import { readable } from "../../data/lazy-inputs.ts";
import { isSharded, type TrainingData } from "../../data/sharded.ts";
import type { Optimizer } from "../../optim/optimizer.ts";
import { MismatchError } from "../../validation/errors.ts";
import type { PhasesOptions, StepOptions } from "../loop/options.ts";
import type { RunSettings } from "../step/runner.ts";
import type { DataIdentity, RunIdentity } from "./fit-record.ts";
import { prefixOf, type RunStates } from "./run-states.ts";

/** The checksum of data covers so many pieces of so many bytes, of inputs and of labels. */
const PIECES = 16;
const PIECE_BYTES = 4096;

/** The identity of runs of trainers with `options`. An ahead-of-time program knows only the batch size. */
export function identityOf({ batchSize, ...rest }: RunSettings): RunIdentity {
  const { seed = 0, shuffle = true, optimizer, phases } = rest as Partial<StepOptions & PhasesOptions>;
  const encode = (schedule: Optimizer["schedule"]) => new TextEncoder().encode(schedule?.wgsl("t"));
  if (phases !== undefined) {
    const all = Object.entries(phases);
    const one = ([name, { optimizer, every = 1 }]: (typeof all)[number]) =>
      `${name}: ${optimizer.name}${every > 1 ? ` every ${every} steps` : ""}`;
    const schedule = checksum(all.map(([, phase]) => encode(phase.optimizer.schedule)));
    return { batchSize, seed, shuffle, optimizer: all.map(one).join("; "), schedule };
  }
  if (optimizer === undefined) return { batchSize };
  const { name, learningRate, schedule } = optimizer;
  return {
    batchSize,
    seed,
    shuffle,
    optimizer: name,
    learningRate,
    schedule: schedule === undefined ? "none" : checksum([encode(schedule)]),
  };
}

/** The identity of data, of which only some is read. Rejects with what reading rejects with. */
export async function identityOfData(data: TrainingData): Promise<DataIdentity> {
  const { name, split, count: samples } = data;
  const identity = { name: `${name}/${split}`, samples, ...formOf(data) };
  return isSharded(data) ? identity : { ...identity, checksum: await checksumOf(data) };
}

/** Of inputs and labels, or of all columns as `labels`. */
function formOf(data: TrainingData): Pick<DataIdentity, "shape" | "labels"> {
  if (hasColumns(data)) {
    const { columns } = isSharded(data) ? data : shardsOfColumns(data);
    const each = Object.entries(columns).map(
      ([key, { dtype, shape }]) => `${key} ${dtype}[${shape.join(", ")}]`,
    );
    return { shape: [], labels: each.join(", ") };
  }
  const { classes, inputs } = data;
  const shape = labelShapeOf(data);
  const suffix = shape.length === 0 ? "" : ` [${shape.join(", ")}]`;
  const labels = classes === undefined ? `values${suffix}` : `${classes} classes${suffix}`;
  return { shape: inputs.shape, labels };
}

async function checksumOf(data: InMemory): Promise<string> {
  const bytesOf = (array: ColumnValues, length = array.byteLength) =>
    new Uint8Array(array.buffer, array.byteOffset, length);
  if (hasColumns(data)) {
    return checksum(Object.values(data.columns).flatMap((column) => piecesOf(bytesOf(column.data))));
  }
  const { inputs, labels, count } = data;
  const pieces = piecesOf(bytesOf(labels, 4 * count * labelSize(data)));
  const file = readable(inputs);
  if (file === undefined) pieces.push(...piecesOf(bytesOf(inputs.data)));
  else {
    for (const [from, to] of ranges(count * sampleSize(inputs.shape)))
      pieces.push(Uint8Array.from(await file.read(from, to - from)));
  }
  return checksum(pieces);
}

/** Evenly spread ranges [from, to) of `size` bytes; all of them if they are few. */
function ranges(size: number): [from: number, to: number][] {
  if (size <= PIECES * PIECE_BYTES) return [[0, size]];
  return Array.from({ length: PIECES }, (_, i) => {
    const from = Math.floor(((size - PIECE_BYTES) * i) / (PIECES - 1));
    return [from, from + PIECE_BYTES];
  });
}

const piecesOf = (bytes: Uint8Array) => ranges(bytes.length).map(([from, to]) => bytes.subarray(from, to));

function checksum(parts: readonly Uint8Array[]): string {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return crc32(all).toString(16).padStart(8, "0");
}

/** Throws MismatchError where trainers of `here` can't continue the run of `saved`; answers notices of other differences. */
export function compareIdentities(file: string, saved: RunIdentity, here: RunIdentity): string[] {
  const names = { batchSize: "batch size", optimizer: "optimizer", shuffle: "shuffle" } as const;
  refuseDifferences(file, differences(saved, here, names));
  const notes: string[] = [];
  if (differs(saved.seed, here.seed)) {
    notes.push(
      `${file}: the random numbers of the checkpoint's seed ${saved.seed} go on, not those of seed ${here.seed}`,
    );
  }
  if (differs(saved.schedule, here.schedule)) {
    notes.push(
      `${file}: the learning rate's schedule is another one than before, and goes on at the run's step`,
    );
  }
  return notes;
}

/** Throws MismatchError where data of `here` are not those of `saved`. */
export function compareData(saved: DataIdentity | undefined, here: DataIdentity): void {
  if (saved === undefined) return;
  const names = { samples: "number of samples", shape: "shape of a sample", labels: "labels" } as const;
  const found = differences(saved, here, names);
  if (found.length === 0) {
    if (differs(saved.checksum, here.checksum)) {
      const of = (data: DataIdentity) => `${data.name} with checksum ${data.checksum}`;
      found.push(`training data: ${of(saved)} in the checkpoint, ${of(here)} here`);
    } else if (here.checksum === undefined) {
      found.push(...differences(saved, here, { name: "training data" }));
    }
  }
  refuseDifferences("fit: resume", found);
}

/** How the optimizer states in a file differ from those here; `names`: of the file's tensors. Empty where they don't. */
export function differentStates(names: Iterable<string>, { optimizers }: RunStates): string[] {
  const isSingle = optimizers.every(({ name }) => name === "");
  const form = isSingle ? /^optimizer\.([^.]+)\./ : /^optimizer\.([^.]+\.[^.]+)\./;
  const saved = [...names].flatMap((name) => form.exec(name)?.[1] ?? []);
  const list = (states: Iterable<string>) => [...new Set(states)].sort().join(", ") || "none";
  const known = optimizers.flatMap(({ name, packed }) =>
    Array.from(packed.keys(), (key) => prefixOf(name) + key),
  );
  const [inFile, here] = [list(saved), list(known)];
  return inFile === here ? [] : [`optimizer states: ${inFile} in the file, ${here} here`];
}

/** Throws MismatchError unless `found` is empty. */
export function refuseDifferences(file: string, found: readonly string[]): void {
  if (found.length === 0) return;
  throw new MismatchError(
    `${file}: the run can't go on with another ${found.join("; another ")}. Resume with the same; for the weights alone, ` +
      "use loadStateDict",
  );
}

function differences<T>(saved: T, here: T, names: { readonly [K in keyof T]?: string }): string[] {
  return Object.entries(names).flatMap(([key, name]) => {
    const [before, now] = [saved[key as keyof T], here[key as keyof T]];
    return differs(before, now) ? [`${name}: ${show(before)} in the checkpoint, ${show(now)} here`] : [];
  });
}

/** A value that is missing on one side is no difference. */
const differs = (saved: unknown, here: unknown) =>
  saved !== undefined && here !== undefined && JSON.stringify(saved) !== JSON.stringify(here);

const show = (value: unknown) =>
  (typeof value === "string" ? value : JSON.stringify(value)).replaceAll(",", ", ").slice(0, 80);
