/** `weft recipes`: what can be trained, with what must come out and how long it takes. */
import { recipes } from "../../recipes/index.ts";

export function listRecipes(flags: { readonly json?: true }): number {
  const all = [...recipes.values()];
  if (flags.json) {
    for (const recipe of all) {
      const { name, title, report, dataset, target, time, epochs, steps, batchSize, options = [] } = recipe;
      const { optimizer, learningRate } = recipe;
      const length = epochs === undefined ? { steps } : { epochs };
      const about = { name, title, report, dataset, target, time, ...length, batchSize };
      process.stdout.write(`${JSON.stringify({ ...about, optimizer, learningRate, options })}\n`);
    }
    return 0;
  }
  const width = Math.max(...all.map(({ name }) => name.length));
  const indent = " ".repeat(width + 2);
  for (const { name, title, target, time } of all) {
    process.stdout.write(`${name.padEnd(width)}  ${title}\n${indent}${target}; ${time}\n`);
  }
  process.stdout.write("\nNext: npx weft train NAME\n");
  return 0;
}
