/** `weft recipes`: what can be trained, with what must come out and how long it takes. */
import { recipes } from "../../../recipes/index.ts";
import { say, sayJson } from "../output/terminal.ts";

export function listRecipes(flags: { readonly json?: true }): number {
  const all = [...recipes.values()];
  if (flags.json) {
    for (const recipe of all) {
      const { name, title, report, dataset, target, time, epochs, steps, batchSize, options = [] } = recipe;
      const { optimizer, learningRate } = recipe;
      const length = epochs === undefined ? { steps } : { epochs };
      const about = { name, title, report, dataset, target, time, ...length, batchSize };
      sayJson({ ...about, optimizer, learningRate, options });
    }
    return 0;
  }
  const width = Math.max(...all.map(({ name }) => name.length));
  const indent = " ".repeat(width + 2);
  for (const { name, title, target, time } of all) {
    say(`${name.padEnd(width)}  ${title}`, `${indent}${target}; ${time}`);
  }
  say("", "Next: npx weft train NAME");
  return 0;
}
