/** Runs a recipe that explains itself step by step instead of training; nothing is saved. */

import type { Demonstration, Recipe } from "../../../recipes/recipe.ts";
import { ValueError } from "../../../validation/errors.ts";
import { withDevice } from "../device-and-data.ts";
import { interruptSignal, stopCode } from "../interrupt.ts";
import type { TrainFlags } from "../options/train-options.ts";
import { optionName } from "../output/format.ts";
import { print, printJson } from "../output/terminal.ts";
import { deviceOptionsOf } from "./settings.ts";

/** Arguments and flags that apply to a guided tour. */
const APPLICABLE = ["recipe", "backend", "steps", "json", "quiet"];

/** `given`: names of the flags on the command line. Returns the exit code. Throws ValueError on flags for training only. */
export async function guidedTour(
  recipe: Recipe,
  demonstration: Demonstration,
  flags: TrainFlags,
  given: readonly string[],
): Promise<number> {
  const other = given.find((name) => !APPLICABLE.includes(name));
  if (other !== undefined) {
    const option = optionName(other);
    throw new ValueError(`recipe ${recipe.name}: is a guided tour; ${option} does not apply, leave it out`);
  }
  const signal = interruptSignal();
  const quiet = flags.json === true || flags.quiet === true;
  await withDevice(deviceOptionsOf(recipe, flags), async (device) => {
    const begun = performance.now();
    if (!quiet) print(`${recipe.title}. Adapter: ${device.adapter}.`);
    const result = await demonstration(device, {
      say: quiet ? () => undefined : (text) => print(...text.split("\n")),
      signal,
      ...(flags.steps === undefined ? {} : { steps: flags.steps }),
    });
    const seconds = (performance.now() - begun) / 1000;
    const { adapter, kind } = device;
    const done = { event: "done", recipe: recipe.name, ...result, adapter, backend: kind, seconds };
    if (flags.json) printJson(done);
  });
  return stopCode(signal);
}
