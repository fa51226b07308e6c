/** Commands and their options. The modules of a command are imported when it runs, so that starting up stays fast. */
import { Command, Option } from "commander";
import { optimizerNames } from "../../recipes/update-names.ts";
import { version } from "../../version.ts";
import type { CompileFlags } from "./commands/compile.ts";
import type { EvalFlags } from "./commands/eval.ts";
import type { GenerateFlags } from "./commands/generate.ts";
import type { PredictFlags } from "./commands/predict.ts";
import type { SummaryFlags } from "./commands/summary.ts";
import type { TuneFlags } from "./commands/tune.ts";
import { interruptSignal } from "./interrupt.ts";
import { nonNegative, positive, wholeNumber } from "./options/parse-values.ts";
import { addOwnDataOptions, backendOption, dataDirOption, jsonOption } from "./options/shared-options.ts";
import { type TrainFlags, trainCommand } from "./options/train-options.ts";

/** Runs a command line and returns its exit code. Throws CommanderError where it does not match the definitions. */
export async function runCommand(args: readonly string[]): Promise<number> {
  let code = 0;
  const program = new Command("weft")
    .description("Trains neural networks on WebGPU from the command line.")
    .version(version)
    .exitOverride()
    // Errors are printed once, in one line, by the caller that catches the CommanderError.
    .configureOutput({ writeErr: () => undefined, outputError: () => undefined })
    .addHelpText(
      "after",
      "\nExit codes: 0 success, 1 device or run failed, 2 wrong usage or input,\n128 + n stopped by signal n (Ctrl-C: 130).",
    );

  program.addCommand(
    trainCommand()
      .copyInheritedSettings(program)
      .action(async (recipe: string, flags: TrainFlags, command: Command) => {
        // Before the import, which takes a moment: Ctrl-C must not be lost meanwhile.
        interruptSignal();
        const named = command.args.length > 0;
        const given = Object.keys(flags).filter((name) => command.getOptionValueSource(name) === "cli");
        code = await (await import("./commands/train.ts")).train(
          recipe,
          flags,
          named ? ["recipe", ...given] : given,
        );
      }),
  );

  program
    .command("recipes")
    .description("list the recipes: what each trains, its target accuracy, its training time")
    .addOption(jsonOption())
    .action(async (flags: { json?: true }) => {
      code = (await import("./commands/recipes.ts")).listRecipes(flags);
    });

  const evaluate = program
    .command("eval")
    .description("load a saved model and evaluate it on the test set")
    .argument("<file>", "a .safetensors file that weft train saved, or one with PyTorch's names")
    .option("--recipe <name>", "recipe of the model (default: from the file)")
    .option("--dataset <name>", "data set, as for weft train (default: from the file)");
  addOwnDataOptions(evaluate, false)
    .addOption(dataDirOption())
    .option("--limit <n>", "use the first n test samples (default: as many as in training)", wholeNumber(1))
    .addOption(backendOption())
    .addOption(jsonOption())
    .action(async (file: string, flags: EvalFlags) => {
      code = await (await import("./commands/eval.ts")).evaluate(file, flags);
    });

  program
    .command("predict")
    .description("classify images with a saved model")
    .argument("<file>", "a .safetensors file that weft train saved")
    .argument("<images...>", "PNG or JPEG files; resized to the model's input")
    .option("--recipe <name>", "recipe of the model (default: from the file)")
    .option("--top <n>", "number of classes to print", wholeNumber(1), 3)
    .option("--invert", "invert brightness: MNIST digits are bright on dark")
    .addOption(backendOption())
    .addOption(jsonOption())
    .action(async (file: string, images: string[], flags: PredictFlags) => {
      code = await (await import("./commands/predict.ts")).predict(file, images, flags);
    });

  program
    .command("generate")
    .description("continue a prompt with a saved language model, printing the text as it comes")
    .argument("<file>", "a .safetensors file that weft train saved of a recipe for text")
    .option("--prompt <text>", "the beginning of the text", "\n")
    .option("--tokens <n>", "most tokens to generate", wholeNumber(1), 300)
    .option("--temperature <x>", "below 1 keeps to likely tokens; 0 takes the likeliest", nonNegative, 0.8)
    .option("--top-k <n>", "draw among the n likeliest tokens", wholeNumber(1))
    .option("--top-p <x>", "draw among the likeliest tokens of this total probability", positive)
    .option("--seed <n>", "seed of the random draws", wholeNumber(0), 0)
    .option("--stop <texts...>", "end before the first of these texts")
    .addOption(backendOption())
    .addOption(jsonOption())
    .action(async (file: string, flags: GenerateFlags) => {
      interruptSignal();
      code = await (await import("./commands/generate.ts")).generate(file, flags);
    });

  program
    .command("summary")
    .description("show the layers of a model and the cost of a training step")
    .argument("[model]", "a recipe, or a saved file", "lenet5")
    .option("--batch-size <n>", "samples per step (default: the recipe's)", wholeNumber(1))
    .addOption(backendOption())
    .addOption(jsonOption())
    .action(async (model: string, flags: SummaryFlags) => {
      code = await (await import("./commands/summary.ts")).summary(model, flags);
    });

  program
    .command("info")
    .description("show the adapters of this machine with their limits and features")
    .addOption(jsonOption())
    .action(async (flags: { json?: true }) => {
      code = await (await import("./commands/info.ts")).info(flags);
    });

  program
    .command("doctor")
    .description("check every kernel on this machine's adapter against the CPU reference")
    .argument("[op]", "check only ops whose names contain this text (default: all)")
    .option("--software", "check a software adapter even if there is a GPU")
    .addOption(jsonOption())
    .action(async (op: string | undefined, flags: { software?: true; json?: true }) => {
      code = await (await import("./commands/doctor.ts")).doctor(op, flags);
    });

  program
    .command("tune")
    .description("time the kernels of a training step on this adapter and store the fastest")
    .argument("[recipe]", "recipe whose shapes to time", "lenet5")
    .option("--dataset <name>", "the data set, as for weft train (default: the recipe's)")
    .addOption(dataDirOption())
    .option("--batch-size <n>", "samples per step (default: the recipe's)", wholeNumber(1))
    .option("--limit <n>", "as for weft train", wholeNumber(1))
    .option("--clear", "delete what is stored for this adapter first")
    .addOption(jsonOption())
    .action(async (recipe: string, flags: TuneFlags) => {
      code = await (await import("./commands/tune.ts")).tune(recipe, flags);
    });

  program
    .command("compile")
    .alias("record")
    .description("compile a training run ahead of time, for pages that load only weft/replay")
    .argument("[recipe]", "what to train", "lenet5")
    .option("--out <file>", "output file (default: <recipe>.program.json)")
    .option("--dataset <name>", "the data set, as for weft train (default: the recipe's)")
    .addOption(dataDirOption())
    .option("--limit <n>", "as for weft train", wholeNumber(1))
    .option("--batch-size <n>", "samples per step (default: the recipe's)", wholeNumber(1))
    .option("--epochs <n>", "length of the run, for learning rate schedules", wholeNumber(1))
    .option("--lr <number>", "learning rate (default: the recipe's)", positive)
    .addOption(new Option("--optimizer <name>", "update rule").choices([...optimizerNames]))
    .option(
      "--seed <n>",
      "seed of initial weights and shuffling, unless the page gives one",
      wholeNumber(0),
      0,
    )
    .option("--predict <n>", "samples per prediction", wholeNumber(1), 1)
    .option("--this-adapter", "choose kernels for this machine's adapter (default: kernels that run on any)")
    .addOption(jsonOption())
    .action(async (recipe: string, flags: CompileFlags) => {
      code = await (await import("./commands/compile.ts")).compile(recipe, flags);
    });

  const data = program.command("data").description("download published data sets");
  data
    .command("get")
    .description("download a data set into the data folder and verify it")
    .argument("<name>", "mnist, fashion-mnist, cifar10, usps, digits, boston or tinyshakespeare")
    .addOption(dataDirOption())
    .action(async (name: string, flags: { dataDir?: string }) => {
      code = await (await import("./commands/data-get.ts")).dataGet(name, flags);
    });

  if (args.length === 0) program.outputHelp();
  else await program.parseAsync([...args], { from: "user" });
  return code;
}
