/** `weft recipes`: lists what can be trained, with targets and training times. */
import { recipes } from "../../../recipes/index.ts";
import { print, printJson } from "../output/terminal.ts";

export function listRecipes(flags: { readonly json?: true }): number {
  const all = [...recipes.values()];
  if (flags.json) {
    for (const recipe of all) {
      const { name, title, report, dataset, target, time, epochs, steps, batchSize, options = [] } = recipe;
      const { optimizer, learningRate } = recipe;
      const length = epochs === undefined ? { steps } : { epochs };
      const about = { name, title, report, dataset, target, time, ...length, batchSize };
      printJson({ ...about, optimizer, learningRate, options });
    }
    return 0;
  }
  const width = Math.max(...all.map(({ name }) => name.length));
  const indent = " ".repeat(width + 2);
  for (const { name, title, target, time } of all)
    print(`${name.padEnd(width)}  ${title}`, `${indent}${target}; ${time}`);
  print("", "Next: npx weft train NAME");
  return 0;
}
