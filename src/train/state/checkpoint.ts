/**
 * A checkpoint of a running fit as one sealed safetensors file: what a saved run has, and the generator's key, the
 * learning rate, the records so far and the best weights. Refuses damaged files. Loaded when first written or read.
 */
import { FormatError } from "../../common/errors.ts";
import type { Data } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { readSafetensors, type TensorToStore } from "../../io/safetensors.ts";
import type { Weights } from "../loop/early-stopping.ts";
import type { RunSettings } from "../step/runner.ts";
import { parseRecord } from "./check-record.ts";
import type { FitRecord, FitState } from "./fit-record.ts";
import { compareIdentities, differentStates, identityOf, refuse } from "./identity.ts";
import { LEARNING_RATE, type RunStates } from "./run-states.ts";
import { checkSeal, seal, UNSEALED } from "./seal.ts";
import { loadStates, saveStates, valuesFor } from "./state-file.ts";

const BEST = "trainer.best.";
/** Follows the checksum, so that it is found without parsing the header. */
const RUN = /"weftRun":"([0-9a-f]{1,64})"/;
/** How much of a file `runOf` needs. */
export const RUN_WITHIN = 4096;

/** The run that a checkpoint says it is of, however damaged the rest may be; undefined where it says none. */
export function runOf(bytes: Uint8Array): string | undefined {
  return RUN.exec(new TextDecoder("latin1").decode(bytes.subarray(8, RUN_WITHIN)))?.[1];
}

/** The bytes of a checkpoint of `run`: `values` for every state, those of the running fit included. */
export function saveRun(
  run: string,
  values: ReadonlyMap<Tensor, Data>,
  states: RunStates,
  record: FitRecord,
  best: Weights | undefined,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const shapes = new Map([...states.parameters, ...states.buffers]);
  const more: [string, TensorToStore][] = [];
  for (const [name, tensor] of states.live)
    more.push([name, { shape: tensor.shape, data: values.get(tensor) as Data }]);
  for (const [name, data] of best ?? []) {
    more.push([BEST + name, { shape: (shapes.get(name) as Tensor).shape, data }]);
  }
  // First and last: first in the file, and not to be replaced by the caller's.
  const own = { ...UNSEALED, weftRun: run };
  const named = { ...own, ...metadata, ...own, fit: JSON.stringify({ format: 1, ...record }) };
  return seal(saveStates(values, states, named, { more, wide: true }));
}

export interface LoadedRun {
  readonly values: ReadonlyMap<Tensor, Data>;
  readonly state: FitState;
  /** What is another than before, but goes on well. */
  readonly notes: readonly string[];
}

/**
 * Values for every state out of a checkpoint, and where the fit stood, for a trainer with `options`. Throws FormatError on a
 * damaged file, MismatchError on one of a run that such a trainer can't go on with.
 */
export function loadRun(bytes: Uint8Array, states: RunStates, options: RunSettings, file: string): LoadedRun {
  checkSeal(bytes, file);
  const { tensors, metadata } = readSafetensors(bytes, { name: file });
  refuse(file, differentStates(tensors.keys(), states.packed));
  const values = loadStates(bytes, states, file);
  const step = values.get(states.step)?.[0];
  if (metadata.fit === undefined || step === undefined) {
    throw new FormatError(`${file}: is no checkpoint of a running fit`);
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
    const like = weights.get(key.slice(BEST.length));
    if (like === undefined) throw new FormatError(`${file}: holds ${key}, which the model does not have`);
    best.set(key.slice(BEST.length), valuesFor(like, found, file, key));
  }
  if (best.size > 0 && best.size < weights.size)
    throw new FormatError(`${file}: holds ${best.size} of ${weights.size} best weights`);
  const record = parseRecord(metadata.fit, step, file);
  const run = runOf(bytes);
  const more = { ...(run === undefined ? {} : { run }), ...(best.size > 0 ? { bestWeights: best } : {}) };
  const here = identityOf(options);
  const notes = record.identity === undefined ? [] : compareIdentities(file, record.identity, here);
  const rate = states.live.get(LEARNING_RATE);
  const [before, now] = [record.identity?.learningRate, here.learningRate];
  if (rate !== undefined && before !== undefined && now !== undefined && before !== now) {
    const stored = values.get(rate)?.[0];
    // A rate that was set while the run went on stays.
    const kept = stored !== before && stored !== Math.fround(before);
    if (!kept) values.set(rate, Float32Array.of(now));
    notes.push(
      kept
        ? `${file}: the learning rate ${stored} that was set during the run goes on, not this optimizer's ${now}`
        : `${file}: the learning rate is ${now} from here on, ${before} in the checkpoint`,
    );
  }
  return { values, state: { ...record, step, ...more }, notes };
}
