/**
 * What a run is of. Checkpoints and saved files record it; where one is taken up, what must be the same is compared, and a
 * difference is refused by name or said. Loaded when first needed.
 */

import { MismatchError } from "../../common/errors.ts";
import { crc32 } from "../../data/archives/zip.ts";
import { type Dataset, labelSize } from "../../data/dataset.ts";
import { readable } from "../../data/lazy-inputs.ts";
import { isSharded, type TrainingData } from "../../data/sharded.ts";
import type { TrainerOptions } from "../loop/options.ts";
import type { RunSettings } from "../step/runner.ts";
import type { DataIdentity, RunIdentity } from "./fit-record.ts";
import type { RunStates } from "./run-states.ts";

/** Bytes that are looked at of inputs and of labels: so many pieces of so many. */
const PIECES = 16;
const PIECE = 4096;

/** What trainers are the same in that go on with one run. An ahead-of-time program says less of itself. */
export function identityOf({ batchSize, ...rest }: RunSettings): RunIdentity {
  const { seed = 0, shuffle = true, optimizer } = rest as Partial<TrainerOptions>;
  if (optimizer === undefined) return { batchSize };
  const { name, learningRate, schedule } = optimizer;
  return {
    batchSize,
    seed,
    shuffle,
    optimizer: name,
    learningRate,
    schedule: schedule === undefined ? "none" : checksum([new TextEncoder().encode(schedule.wgsl("t"))]),
  };
}

/** What is told of data by looking at little of them. Rejects with what reading rejects with. */
export async function identityOfData(data: TrainingData): Promise<DataIdentity> {
  const { name, split, count: samples, classes, labelShape = [1], inputs } = data;
  const labels = classes === undefined ? `values [${labelShape.join(", ")}]` : `${classes} classes`;
  const told = { name: `${name}/${split}`, samples, shape: inputs.shape, labels };
  return isSharded(data) ? told : { ...told, checksum: await checksumOf(data) };
}

async function checksumOf(data: Dataset): Promise<string> {
  const { inputs, labels, count } = data;
  const { buffer, byteOffset } = labels;
  const seen = pieces(new Uint8Array(buffer, byteOffset, 4 * count * labelSize(data)));
  const bytes = readable(inputs);
  if (bytes === undefined) {
    const { data: all } = inputs;
    seen.push(...pieces(new Uint8Array(all.buffer, all.byteOffset, all.byteLength)));
  } else {
    const size = count * inputs.shape.reduce((a, b) => a * b, 1);
    for (const [from, to] of ranges(size)) seen.push(Uint8Array.from(await bytes.read(from, to - from)));
  }
  return checksum(seen);
}

/** Pieces of `size` bytes, spread over all of them: [from, to). */
function ranges(size: number): [number, number][] {
  if (size <= PIECES * PIECE) return [[0, size]];
  return Array.from({ length: PIECES }, (_, i) => {
    const from = Math.floor(((size - PIECE) * i) / (PIECES - 1));
    return [from, from + PIECE];
  });
}

const pieces = (bytes: Uint8Array) => ranges(bytes.length).map(([from, to]) => bytes.subarray(from, to));

function checksum(parts: readonly Uint8Array[]): string {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return crc32(all).toString(16).padStart(8, "0");
}

/** Throws MismatchError where trainers of `here` can't go on with the run of `saved`; answers what is to be said. */
export function compareIdentities(file: string, saved: RunIdentity, here: RunIdentity): string[] {
  const names = { batchSize: "batch size", optimizer: "optimizer", shuffle: "shuffle" } as const;
  refuse(file, differences(saved, here, names));
  const notes: string[] = [];
  if (differs(saved.seed, here.seed)) {
    notes.push(
      `the random numbers of the checkpoint's seed ${saved.seed} go on, not those of seed ${here.seed}`,
    );
  }
  if (differs(saved.schedule, here.schedule)) {
    notes.push("the learning rate's schedule is another one than before, and goes on at the run's step");
  }
  return notes.map((note) => `${file}: ${note}`);
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
    } else if (here.checksum === undefined)
      found.push(...differences(saved, here, { name: "training data" }));
  }
  refuse("fit: resume", found);
}

/** How optimizer states differ from `packed`, where they do; `found`: names of a file's tensors. */
export function differentStates(found: Iterable<string>, packed: RunStates["packed"]): string[] {
  const saved = [...found].flatMap((name) => /^optimizer\.([^.]+)\./.exec(name)?.[1] ?? []);
  const list = (names: Iterable<string>) => [...new Set(names)].sort().join(", ") || "none";
  const [there, here] = [list(saved), list(packed.keys())];
  return there === here ? [] : [`optimizer states: ${there} in the file, ${here} here`];
}

function differences<T>(saved: T, here: T, names: { readonly [K in keyof T]?: string }): string[] {
  return Object.entries(names).flatMap(([key, name]) => {
    const [before, now] = [saved[key as keyof T], here[key as keyof T]];
    return differs(before, now) ? [`${name}: ${show(before)} in the checkpoint, ${show(now)} here`] : [];
  });
}

/** What one of them doesn't tell is no difference. */
const differs = (saved: unknown, here: unknown) =>
  saved !== undefined && here !== undefined && JSON.stringify(saved) !== JSON.stringify(here);

const show = (value: unknown) =>
  (typeof value === "string" ? value : JSON.stringify(value)).replaceAll(",", ", ").slice(0, 80);

/** Throws MismatchError unless `found` is empty. */
export function refuse(file: string, found: readonly string[]): void {
  if (found.length === 0) return;
  throw new MismatchError(
    `${file}: the run can't go on with another ${found.join("; another ")}. Resume with the same; for the weights alone, ` +
      "use loadStateDict",
  );
}
