/** What recipes ask of the command line beside training: a device of their choice, prepared data, a guided tour. */

import { ValueError } from "../../../common/errors.ts";
import type { Dataset } from "../../../data/dataset.ts";
import { formatShape, sameShape } from "../../../graph/spec.ts";
import type { RecipeOptions } from "../../../recipes/options.ts";
import type { Demonstration, Recipe } from "../../../recipes/recipe.ts";
import type { Backend } from "../../../runtime/backend.ts";
import { type OpenOptions, openDevice } from "../../device/open-device.ts";
import { interruptSignal, stopCode } from "../interrupt.ts";
import type { TrainFlags } from "../options/train-options.ts";
import { optionWord } from "../output/format.ts";
import { say, sayJson } from "../output/terminal.ts";

/** The variants among the flags, as recipes know them. */
export function variantsOf(flags: TrainFlags): RecipeOptions {
  const { batchNorm, logSoftmax, biasPerPosition, activation, pixels } = flags;
  return {
    ...(batchNorm ? { batchNorm } : {}),
    ...(logSoftmax ? { logSoftmax } : {}),
    ...(biasPerPosition ? { biasPerPosition } : {}),
    ...(activation === undefined ? {} : { activation }),
    ...(pixels === undefined ? {} : { pixels }),
  };
}

/** The device that was asked for, else the recipe's choice. */
export function deviceFor(recipe: Recipe, { backend }: Pick<TrainFlags, "backend">): OpenOptions {
  const bits = recipe.bits === undefined ? {} : { bits: recipe.bits };
  return { backend: backend === "auto" ? (recipe.backend ?? "auto") : backend, ...bits };
}

/** Why a run is on the CPU reference. */
export function adapterNotice({ adapter }: Backend, { backend }: TrainFlags): string {
  const why =
    backend === "cpu" ? "plain JavaScript and slow" : "which is quicker for steps as small as these";
  return `Adapter: ${adapter}, ${why}.`;
}

/** Throws ValueError where samples have another shape than the recipe's. */
export function expectFits({ name, inputShape }: Recipe, { name: dataset, inputs }: Dataset): void {
  if (sameShape(inputs.shape, inputShape)) return;
  throw new ValueError(
    `recipe ${name} is for samples of ${formatShape(inputShape)}, those of ${dataset} are ${formatShape(inputs.shape)}`,
  );
}

/** What a guided tour can be told. */
const OF_TOURS = ["recipe", "backend", "steps", "json", "quiet"];

/**
 * Shows a recipe that explains itself; nothing is saved. `given`: names of the flags that were written out. Answers the exit
 * code. Throws ValueError on flags that only training has a use for.
 */
export async function demonstrate(
  recipe: Recipe,
  demonstration: Demonstration,
  flags: TrainFlags,
  given: readonly string[],
): Promise<number> {
  const odd = given.find((name) => !OF_TOURS.includes(name));
  if (odd !== undefined) {
    throw new ValueError(`recipe ${recipe.name}: is a guided tour, which has no use for ${optionWord(odd)}`);
  }
  const signal = interruptSignal();
  const quiet = flags.json === true || flags.quiet === true;
  const device = await openDevice(deviceFor(recipe, flags));
  const begun = performance.now();
  try {
    if (!quiet) say(`${recipe.title}. Adapter: ${device.adapter}.`);
    const ended = await demonstration(device, {
      say: quiet ? () => undefined : (text) => say(...text.split("\n")),
      signal,
      ...(flags.steps === undefined ? {} : { steps: flags.steps }),
    });
    const seconds = (performance.now() - begun) / 1000;
    const { adapter, kind } = device;
    const done = { event: "done", recipe: recipe.name, ...ended, adapter, backend: kind, seconds };
    if (flags.json) sayJson(done);
  } finally {
    await device.close();
  }
  return stopCode(signal);
}
