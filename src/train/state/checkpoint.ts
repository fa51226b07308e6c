/**
 * A checkpoint of a running fit: a safetensors file with a checksum that holds what a saved run has, and the random key, the
 * learning rate, the records so far and the best weights.
 */

import { crc32 } from "../../data/archives/zip.ts";
import type { Data } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { readSafetensors, type TensorToStore } from "../../io/safetensors.ts";
import { FormatError, GraphError } from "../../validation/errors.ts";
import type { Weights } from "../loop/early-stopping.ts";
import type { RunSettings } from "../step/runner.ts";
import { type FitRecord, type FitState, parseRecord } from "./fit-record.ts";
import { compareIdentities, differentStates, identityOf, refuseDifferences } from "./identity.ts";
import { LEARNING_RATE, type RunStates } from "./run-states.ts";
import { loadStates, saveStates, valuesFor } from "./state-file.ts";

/** Metadata of a file before its checksum is known: eight hexadecimal digits, computed with zeros in their place. */
export const NO_CHECKSUM = { crc32: "00000000" } as const;
const CHECKSUM_FIELD = '"crc32":"';
const BEST = "trainer.best.";
/** Stands next to the checksum, so that it is found without parsing the header. */
const RUN_ID = /"weftRun":"([0-9a-f]{1,64})"/;
/** How many bytes of a file `runIdOf` needs. */
export const RUN_ID_WITHIN = 4096;

/** The run that a checkpoint says it belongs to, even if the file is damaged; undefined where it names none. */
export function runIdOf(bytes: Uint8Array): string | undefined {
  return RUN_ID.exec(new TextDecoder("latin1").decode(bytes.subarray(8, RUN_ID_WITHIN)))?.[1];
}

/** Writes the checksum of `bytes` into them; their metadata must hold `NO_CHECKSUM`, first of all. */
export function addChecksum(bytes: Uint8Array): Uint8Array {
  const offset = checksumOffset(bytes);
  if (offset === undefined) throw new GraphError("checkpoint: the file has no room for a checksum");
  bytes.set(new TextEncoder().encode(hexadecimal(crc32(bytes))), offset);
  return bytes;
}

/** Throws FormatError that names `file` unless its checksum is there and right. */
export function verifyChecksum(bytes: Uint8Array, file: string): void {
  const offset = checksumOffset(bytes);
  if (offset === undefined)
    throw new FormatError(`${file}: damaged, or not a checkpoint: it has no checksum`);
  const size = NO_CHECKSUM.crc32.length;
  const stored = new TextDecoder("latin1").decode(bytes.subarray(offset, offset + size));
  const blank = Uint8Array.from(bytes);
  blank.set(new TextEncoder().encode(NO_CHECKSUM.crc32), offset);
  const computed = hexadecimal(crc32(blank));
  if (computed !== stored)
    throw new FormatError(`${file}: damaged: its checksum is ${computed}, the file says ${stored}`);
}

const hexadecimal = (checksum: number) => checksum.toString(16).padStart(NO_CHECKSUM.crc32.length, "0");

function checksumOffset(bytes: Uint8Array): number | undefined {
  if (bytes.length < 8) return undefined;
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = new TextDecoder("latin1").decode(bytes.subarray(8, 8 + Math.min(length, bytes.length)));
  const found = header.indexOf(CHECKSUM_FIELD);
  const offset = 8 + found + CHECKSUM_FIELD.length;
  return found < 0 || offset + NO_CHECKSUM.crc32.length > bytes.length ? undefined : offset;
}

/** The bytes of a checkpoint of run `runId`. `values`: of every state, also those in `states.live`. */
export function saveCheckpoint(
  runId: string,
  values: ReadonlyMap<Tensor, Data>,
  states: RunStates,
  record: FitRecord,
  best: Weights | undefined,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const weights = new Map([...states.parameters, ...states.buffers]);
  const more: [string, TensorToStore][] = [];
  for (const [name, tensor] of states.live) {
    more.push([name, { shape: tensor.shape, data: values.get(tensor) as Data }]);
  }
  for (const [name, data] of best ?? []) {
    more.push([BEST + name, { shape: (weights.get(name) as Tensor).shape, data }]);
  }
  // First and last: first in the file, and not replaced by the caller's metadata.
  const own = { ...NO_CHECKSUM, weftRun: runId };
  const all = { ...own, ...metadata, ...own, fit: JSON.stringify({ format: 1, ...record }) };
  return addChecksum(saveStates(values, states, all, { more, wide: true }));
}

export interface LoadedCheckpoint {
  readonly values: Map<Tensor, Data>;
  readonly state: FitState;
  /** Notices: differences between the runs that do not prevent going on. */
  readonly notes: readonly string[];
}

/**
 * Values for every state from a checkpoint, and how far its fit had come, for a trainer with `options`. Throws FormatError on a
 * damaged file, MismatchError on a run that such a trainer can't continue.
 */
export function loadCheckpoint(
  bytes: Uint8Array,
  states: RunStates,
  options: RunSettings,
  file: string,
): LoadedCheckpoint {
  verifyChecksum(bytes, file);
  const { tensors, metadata } = readSafetensors(bytes, { name: file });
  refuseDifferences(file, differentStates(tensors.keys(), states));
  const values = loadStates(bytes, states, file);
  const step = values.get(states.step)?.[0];
  if (metadata.fit === undefined || step === undefined) {
    throw new FormatError(`${file}: is not a checkpoint of a running fit; load it with \`load\``);
  }
  for (const [name, tensor] of states.live) {
    const found = tensors.get(name);
    if (found === undefined) throw new FormatError(`${file}: lacks ${name}`);
    values.set(tensor, valuesFor(tensor, found, file, name));
  }
  const weights = new Map([...states.parameters, ...states.buffers]);
  const best = new Map<string, Data>();
  for (const [key, found] of tensors) {
    if (!key.startsWith(BEST)) continue;
    const name = key.slice(BEST.length);
    const like = weights.get(name);
    if (like === undefined) throw new FormatError(`${file}: holds ${key}, which the model does not have`);
    best.set(name, valuesFor(like, found, file, key));
  }
  if (best.size > 0 && best.size < weights.size)
    throw new FormatError(`${file}: holds ${best.size} of ${weights.size} best weights`);
  const record = parseRecord(metadata.fit, step, file);
  const run = runIdOf(bytes);
  const state = { ...record, step, ...(run && { run }), ...(best.size > 0 && { bestWeights: best }) };
  return { values, state, notes: reconcile(record, values, states, options, file) };
}

/**
 * Compares the run of `record` with a trainer of `options`. Where the optimizer has another learning rate than that of the run,
 * it holds from here on, unless the rate was set by hand during the run. Answers notices; throws MismatchError.
 */
function reconcile(
  { identity }: FitRecord,
  values: Map<Tensor, Data>,
  states: RunStates,
  options: RunSettings,
  file: string,
): string[] {
  if (identity === undefined) return [];
  const here = identityOf(options);
  const notes = compareIdentities(file, identity, here);
  const rate = states.live.get(LEARNING_RATE);
  const [before, now] = [identity.learningRate, here.learningRate];
  if (rate === undefined || before === undefined || now === undefined || before === now) return notes;
  const stored = values.get(rate)?.[0];
  if (stored !== before && stored !== Math.fround(before)) {
    notes.push(
      `${file}: the learning rate ${stored} that was set during the run goes on, not this optimizer's ${now}`,
    );
  } else {
    values.set(rate, Float32Array.of(now));
    notes.push(`${file}: the learning rate is ${now} from here on, ${before} in the checkpoint`);
  }
  return notes;
}
