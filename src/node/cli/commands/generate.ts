/** `weft generate FILE`: continues a prompt with the language model of a saved file, and prints the text as it comes. */

import { readSafetensors } from "../../../io/safetensors.ts";
import {
  type ContinueOptions,
  continueText,
  modelOfLanguageModel,
  parseLanguageModel,
} from "../../../recipes/language-model.ts";
import { createPredictor } from "../../../train/predict/create-predictor.ts";
import { defined } from "../../../validation/defined.ts";
import { ValueError } from "../../../validation/errors.ts";
import { nodeFiles } from "../../device/open-device.ts";
import { LANGUAGE_MODEL_KEY } from "../data/saved-model.ts";
import { withDevice } from "../device-and-data.ts";
import { interruptSignal, stopCode } from "../interrupt.ts";
import type { DeviceFlags } from "../options/shared-options.ts";
import { printJson, printText } from "../output/terminal.ts";

export interface GenerateFlags extends DeviceFlags {
  readonly prompt: string;
  readonly tokens: number;
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly seed: number;
  readonly stop?: readonly string[];
  readonly json?: true;
}

export async function generate(file: string, flags: GenerateFlags): Promise<number> {
  const { prompt, tokens, temperature, topK, topP, seed, json } = flags;
  const stops = flags.stop ?? [];
  if (prompt === "") throw new ValueError("--prompt: must have at least one character");
  if (stops.includes("")) throw new ValueError("--stop: must have at least one character");
  const weights = await nodeFiles.read(file);
  const { metadata } = readSafetensors(weights, { name: file });
  const text = metadata[LANGUAGE_MODEL_KEY];
  if (text === undefined) {
    const holds = metadata.recipe === undefined ? "" : ` but one of the recipe ${metadata.recipe}`;
    throw new ValueError(
      `${file}: holds no language model${holds}; weft train gpt-shakespeare saves one, for example`,
    );
  }
  const described = parseLanguageModel(text, file);
  const signal = interruptSignal();
  await withDevice({ backend: flags.backend }, async (backend) => {
    const { adapter, kind, software } = backend;
    const inputs = { shape: [described.contextLength], dtype: "i32" } as const;
    const model = modelOfLanguageModel(described);
    using predictor = await createPredictor({ model, device: backend, weights }, { inputs });
    const logitsOf = async (context: Int32Array) => (await predictor.predict(context, { signal })).values;
    const options: ContinueOptions = { tokens, temperature, seed, signal, ...defined({ topK, topP }) };
    const begun = performance.now();
    let drawn = 0;
    const characters = async function* () {
      for await (const character of continueText(logitsOf, described, prompt, options)) {
        drawn++;
        yield character;
      }
    };
    if (!json) printText(prompt);
    let generated = "";
    try {
      for await (const piece of untilStop(characters(), stops)) {
        generated += piece;
        if (json) printJson({ event: "text", text: piece });
        else printText(piece);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    const seconds = (performance.now() - begun) / 1000;
    const device = { adapter, backend: kind, software };
    if (!json) printText("\n");
    else printJson({ event: "done", file, prompt, text: generated, tokens: drawn, seed, seconds, ...device });
  });
  return stopCode(signal);
}

/** The pieces up to the first of `stops`, which is left out. Holds back what may be the beginning of one. */
export async function* untilStop(
  pieces: AsyncIterable<string>,
  stops: readonly string[],
): AsyncGenerator<string, void> {
  const held = Math.max(0, ...stops.map((stop) => stop.length - 1));
  let pending = "";
  for await (const piece of pieces) {
    pending += piece;
    const found = stops.map((stop) => pending.indexOf(stop)).filter((at) => at >= 0);
    if (found.length > 0) {
      pending = pending.slice(0, Math.min(...found));
      break;
    }
    const ready = pending.slice(0, Math.max(0, pending.length - held));
    pending = pending.slice(ready.length);
    if (ready !== "") yield ready;
  }
  if (pending !== "") yield pending;
}
