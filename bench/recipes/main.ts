/**
 * `npm run recipes`: trains recipes with several seeds and prints results and goals of each recipe.
 * Options: names of recipes (default all), --seeds 1-5 or 1,3 (default 1-5), --backend cpu|webgpu, --data-dir FOLDER;
 * --epochs N, --steps N, --optimizer NAME, --lr X, --momentum X, --limit N with a --label TEXT, under which such runs are
 * listed without a verdict; --out FILE adds a JSON line per run, --read FILE prints the table of such lines.
 */
import { appendFile, readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { recipes } from "../../src/index.ts";
import { type RunRecord, runRecipe } from "./run.ts";
import { printTable } from "./table.ts";

const options = {
  seeds: { type: "string", default: "1-5" },
  backend: { type: "string" },
  epochs: { type: "string" },
  steps: { type: "string" },
  optimizer: { type: "string" },
  lr: { type: "string" },
  momentum: { type: "string" },
  limit: { type: "string" },
  label: { type: "string" },
  out: { type: "string" },
  read: { type: "string", multiple: true },
  "data-dir": { type: "string" },
} as const;

export async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  if (values.read !== undefined) return printTable(await readRecords(values.read)) ? 0 : 1;
  const names = positionals.length > 0 ? positionals : [...recipes.recipes.keys()];
  const numbers = Object.fromEntries(
    (["epochs", "steps", "momentum", "limit"] as const).flatMap((key) =>
      values[key] === undefined ? [] : [[key, Number(values[key])]],
    ),
  );
  const settings = {
    ...numbers,
    ...(values.optimizer === undefined ? {} : { optimizer: values.optimizer as recipes.OptimizerName }),
    ...(values.lr === undefined ? {} : { learningRate: Number(values.lr) }),
  };
  const records: RunRecord[] = [];
  for (const name of names) {
    const recipe = recipes.recipe(name);
    for (const seed of recipe.demonstration === undefined ? seedsOf(values.seeds) : [0]) {
      const record = await runRecipe(recipe, {
        settings: { ...settings, seed },
        ...(values.backend === undefined ? {} : { backend: values.backend as "cpu" | "webgpu" }),
        ...(values.label === undefined ? {} : { label: values.label }),
        ...(values["data-dir"] === undefined ? {} : { dataDir: values["data-dir"] }),
      });
      records.push(record);
      if (values.out !== undefined) await appendFile(values.out, `${JSON.stringify(record)}\n`);
    }
  }
  return printTable(records) ? 0 : 1;
}

async function readRecords(files: readonly string[]): Promise<RunRecord[]> {
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8")));
  const lines = texts.flatMap((text) => text.split("\n")).filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as RunRecord);
}

function seedsOf(text: string): number[] {
  const range = /^(\d+)-(\d+)$/.exec(text);
  if (range === null) return text.split(",").map(Number);
  const [first, last] = [Number(range[1]), Number(range[2])];
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
