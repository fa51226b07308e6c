/** One run of one recipe: trains, evaluates training and test set with the final weights, and compares with the goals. */
import { data as datasets, recipes, Trainer } from "../../src/index.ts";
import { loadDataset, openDevice } from "../../src/node/index.ts";

/** Between two lines about a run. */
const TELL_MILLISECONDS = 2000;

export interface Settings extends recipes.RecipeSettings {
  readonly limit?: number;
}

export interface RunOptions {
  readonly settings: Settings;
  readonly backend?: "cpu" | "webgpu";
  readonly label?: string;
  readonly dataDir?: string;
}

/** A goal and its result in one run. */
export interface Judged {
  readonly goal: string;
  readonly over: "each" | "mean" | "median";
  readonly value: number;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly reached: boolean;
}

export interface RunRecord {
  readonly recipe: string;
  readonly label?: string;
  readonly seed: number;
  readonly adapter: string;
  readonly seconds: number;
  readonly steps: number;
  readonly trainLoss?: number;
  readonly trainAccuracy?: number;
  readonly testLoss?: number;
  readonly testAccuracy?: number;
  /** Test accuracy, or loss where there are no classes, after each epoch. */
  readonly epochs: readonly number[];
  readonly goals: readonly Judged[];
  readonly date: string;
}

export async function runRecipe(recipe: recipes.Recipe, options: RunOptions): Promise<RunRecord> {
  const { label } = options;
  const { limit, ...settings } = options.settings;
  const { seed = 0 } = settings;
  const backend = options.backend ?? recipe.backend ?? "webgpu";
  const device = await openDevice({ backend, ...(recipe.bits === undefined ? {} : { bits: recipe.bits }) });
  const about = {
    recipe: recipe.name,
    ...(label === undefined ? {} : { label }),
    seed,
    adapter: device.adapter,
  };
  const begun = performance.now();
  const since = () => Math.round((performance.now() - begun) / 100) / 10;
  const date = new Date().toISOString();
  try {
    if (recipe.demonstration !== undefined) {
      const told = await recipe.demonstration(device, {
        say: console.log,
        ...(settings.steps === undefined ? {} : { steps: settings.steps }),
      });
      const measured = { trainLoss: told.loss };
      const reached = { ...measured, steps: told.steps };
      const goals = recipe.goals.map((goal) => judge(goal, reachedBy(goal, reached, []), undefined));
      return { ...about, seconds: since(), ...reached, epochs: [], goals, date };
    }
    const parts = recipes.recipeData(recipe, await loaded(recipe, options.dataDir), settings);
    const data = limit === undefined ? parts : { ...parts, train: datasets.subset(parts.train, limit) };
    const run = recipes.recipeRun(recipe, data.train, settings);
    const trainer = await Trainer.create(device, run.trainer);
    const records = [];
    let told = Number.NEGATIVE_INFINITY;
    for await (const event of trainer.fit(data.train, { ...run.fit, validation: data.test })) {
      if (event.event !== "epoch") continue;
      records.push(event);
      if (performance.now() - told < TELL_MILLISECONDS) continue;
      told = performance.now();
      const { epoch, loss, valLoss, valAccuracy } = event;
      const test = `test loss ${valLoss?.toFixed(4)}${valAccuracy === undefined ? "" : `, accuracy ${valAccuracy}`}`;
      console.log(
        `${recipe.name} seed ${seed} epoch ${epoch}: loss ${loss.toFixed(4)}, ${test} (${since()} s)`,
      );
    }
    const seconds = since();
    // Of sequences, which overlap, as many as there are for testing.
    const measuredOn = recipe.inputs === "tokens" ? datasets.subset(data.train, data.test.count) : data.train;
    const [train, test] = [await trainer.evaluate(measuredOn), await trainer.evaluate(data.test)];
    const measured = {
      trainLoss: train.loss,
      testLoss: test.loss,
      ...(train.accuracy === undefined ? {} : { trainAccuracy: train.accuracy }),
      ...(test.accuracy === undefined ? {} : { testAccuracy: test.accuracy }),
    };
    const epochs = records.map((r) => r.valAccuracy ?? r.valLoss ?? Number.NaN);
    const reached = { ...measured, steps: trainer.steps };
    const goals = recipe.goals.map((goal) => judge(goal, reachedBy(goal, reached, epochs), data));
    return { ...about, seconds, ...reached, epochs, goals, date };
  } finally {
    await device.close();
  }
}

async function loaded({ dataset, data }: recipes.Recipe, dataDir: string | undefined) {
  if (data !== undefined) return undefined;
  const source = Object.values(datasets.datasetSources).find(({ name }) => name === dataset);
  if (source === undefined) throw new Error(`there is no data set ${dataset}`);
  type Parts = Parameters<typeof recipes.recipeData>[1];
  return loadDataset<NonNullable<Parts>>(source as never, dataDir === undefined ? {} : { dataDir });
}

function reachedBy(
  { measure, at = "end" }: recipes.Goal,
  measured: Partial<Record<recipes.Measure, number>>,
  epochs: readonly number[],
): number {
  if (at === "end") return measured[measure] ?? Number.NaN;
  if ("epoch" in at) return epochs[at.epoch - 1] ?? Number.NaN;
  return Math.max(...epochs.slice(0, at.bestOf));
}

function judge(
  goal: recipes.Goal,
  value: number,
  data: ReturnType<typeof recipes.recipeData> | undefined,
): Judged {
  const { measure, at = "end", over = "each", atLeast } = goal;
  const atMost = typeof goal.atMost === "function" ? data && goal.atMost(data) : goal.atMost;
  const when = at === "end" ? "" : "epoch" in at ? `, epoch ${at.epoch}` : `, best of ${at.bestOf}`;
  const reached = (atLeast === undefined || value >= atLeast) && (atMost === undefined || value <= atMost);
  const limits = {
    ...(atLeast === undefined ? {} : { atLeast }),
    ...(atMost === undefined ? {} : { atMost }),
  };
  return { goal: `${measure}${when}`, over, value, ...limits, reached: reached && !Number.isNaN(value) };
}
