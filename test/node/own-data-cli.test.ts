/**
 * The walk-throughs of docs/data.md on files made here: a user's own table and own folder of images, from the printed commands to
 * measured models; and what the command line answers to data that don't fit. Only the epochs are fewer.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PNG } from "pngjs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Random } from "../../src/numbers/random.ts";
import { buildCli, type Cli, jsonLines } from "../support/cli.ts";
import { documentedBlock, exampleFolder, loadExample } from "../support/documents.ts";

let cli: Cli;
beforeAll(async () => {
  cli = await buildCli();
  await writeFile(join(cli.folder, "flowers.csv"), flowers(150, 1));
  await writeFile(join(cli.folder, "more.csv"), flowers(40, 2));
  await writeFile(join(cli.folder, "houses.csv"), houses(120));
  const people = Array.from({ length: 90 }, (_, i) => `${i % 2},person-${i},${i}`);
  await writeFile(join(cli.folder, "people.csv"), ["in,name,age", ...people].join("\n"));
  await writeFile(join(cli.folder, "unclear.csv"), "0,1,2\n5,6,7.5\n1,1,1\n");
  await writeFile(join(cli.folder, "prices.csv"), "x;y\n1,234;0\n2,345;1\n");
  await drawShapes(join(cli.folder, "shapes"));
});
afterAll(async () => {
  cli.remove();
  await rm(exampleFolder, { recursive: true, force: true });
});

/** Three kinds that length, width and colour tell apart, mostly. */
function flowers(count: number, seed: number): string {
  const random = new Random(seed);
  const kinds = [
    { kind: "setosa", length: 1.5, width: 3.4, colour: "white" },
    { kind: "versicolor", length: 4.3, width: 2.8, colour: "blue" },
    { kind: "virginica", length: 5.6, width: 3, colour: "blue" },
  ];
  const rows = Array.from({ length: count }, (_, i) => {
    const { kind, length, width, colour } = kinds[i % 3] as (typeof kinds)[number];
    return `${random.normal(length, 0.3).toFixed(2)},${random.normal(width, 0.3).toFixed(2)},${colour},${kind}`;
  });
  return ["length,width,colour,kind", ...rows, ""].join("\n");
}

function houses(count: number): string {
  const random = new Random(4);
  const rows = Array.from({ length: count }, () => {
    const [rooms, age] = [1 + random.below(8), random.uniform(0, 100)];
    return `${rooms};${age.toFixed(1)};${(40_000 * rooms - 200 * age + random.normal(90_000, 3000)).toFixed(0)}`;
  });
  return ["rooms;age;price", ...rows].join("\r\n");
}

/** Red squares and green bars, somewhere, of several sizes. */
async function drawShapes(folder: string): Promise<void> {
  const random = new Random(5);
  for (const kind of ["bar", "square"]) {
    await mkdir(join(folder, kind), { recursive: true });
    for (let i = 0; i < 30; i++) {
      const side = 20 + 2 * random.below(15);
      const image = new PNG({ width: side, height: side });
      image.data.fill(255);
      const [left, top] = [random.below(side / 2), random.below(side / 2)];
      const [width, height] = kind === "bar" ? [side / 2, side / 8] : [side / 3, side / 3];
      for (let y = top; y < top + height; y++) {
        for (let x = left; x < left + width; x++)
          image.data.set([30, kind === "bar" ? 160 : 40, 40], 4 * (y * side + x));
      }
      await writeFile(join(folder, kind, `${i}.png`), PNG.sync.write(image));
    }
  }
}

describe("the documented walk-throughs", () => {
  test("the printed commands train, save and measure", async () => {
    const block = await documentedBlock("sh", "--csv");
    const lines = block.split("\n").flatMap((line) => /^npx weft (.*?)\s*(#.*)?$/.exec(line)?.[1] ?? []);
    expect(lines).toHaveLength(5);
    const accuracies: number[] = [];
    for (const line of lines) {
      const training = line.startsWith("train");
      const { code, stdout, stderr } = await cli.run([
        ...line.split(" "),
        "--json",
        ...(training ? ["--epochs", line.includes("--csv") ? "30" : "20"] : []),
      ]);
      expect(code, stderr).toBe(0);
      const last = jsonLines(stdout).at(-1);
      accuracies.push((training ? last?.testAccuracy : last?.accuracy) as number);
    }
    expect(Math.min(...accuracies), String(accuracies)).toBeGreaterThan(0.85);
    // Measured again, a model is as good as it was on the same held-out fifth.
    expect(accuracies[1]).toBe(accuracies[0]);
    expect(accuracies[4]).toBe(accuracies[3]);
  });

  test("the printed code trains", async () => {
    const code = await documentedBlock("ts", "datasets.csv");
    const here = code
      .replace('"flowers.csv"', JSON.stringify(join(cli.folder, "flowers.csv")))
      .replace(
        "console.log(await trainer.evaluate(columns.apply(test)))",
        "export const measured = await trainer.evaluate(columns.apply(test))",
      );
    const { measured } = (await loadExample("own-data", here)) as { measured: { accuracy: number } };
    expect(measured.accuracy).toBeGreaterThan(0.85);
  });
});

describe("a value to predict", () => {
  test("is told in its own unit", async () => {
    const words = [
      "train",
      "--csv",
      "houses.csv",
      "--label",
      "2",
      "--save",
      "h.safetensors",
      "--backend",
      "cpu",
    ];
    const { code, stderr } = await cli.run([...words, "--epochs", "40", "--json"]);
    expect(code, stderr).toBe(0);
    const { stdout } = await cli.run(["eval", "h.safetensors", "--backend", "cpu"]);
    const [, rows, loss, error] =
      /on (\d+) test rows .*: loss ([\d.]+) \(root mean square error ([\d.e+]+)\)/.exec(stdout) ?? [];
    expect(rows).toBe("24");
    expect(Number(loss)).toBeLessThan(0.1);
    expect(Number(error)).toBeGreaterThan(1000);
    expect(Number(error)).toBeLessThan(40_000);
  });

  test("may be few whole numbers, if told so; columns may be left out", async () => {
    const words =
      "train --csv people.csv --label in --ignore name --task values --save p.safetensors --backend cpu";
    const trained = await cli.run([...words.split(" "), "--epochs", "1", "--json"]);
    expect(trained.code, trained.stderr).toBe(0);
    expect(jsonLines(trained.stdout).at(-1)?.testAccuracy).toBeNull();
    const { code, stdout } = await cli.run([
      "eval",
      "p.safetensors",
      "--csv",
      "people.csv",
      "--backend",
      "cpu",
    ]);
    expect([code, stdout]).toEqual([0, expect.stringContaining("on 90 test rows of people.csv: loss")]);
  });
});

describe("what does not fit is said in one line, with exit code 2", () => {
  const wrong: [words: string, message: string][] = [
    ["train --csv flowers.csv", "--csv needs --label COLUMN"],
    ["train --label kind", "--label goes with --csv FILE"],
    ["train --csv flowers.csv --label kind --images shapes", "--csv and --images can't both be given"],
    ["train --csv flowers.csv --label kind --dataset mnist", "--dataset and --csv can't both be given"],
    ["train --csv flowers.csv --label species", 'there is no column "species", there are "length", "width"'],
    ["train --csv flowers.csv --label kind --ignore petal", 'ignore: there is no column "petal"'],
    ["train --images shapes --task values", "--task goes with --csv FILE"],
    ["train --csv people.csv --label 0", "more than 64 different texts; leave the column out with --ignore"],
    ["train --csv unclear.csv --label -1", "say which with --header (yes or no)"],
    ["train --csv prices.csv --label y", "say --decimal ,, or remove the commas"],
    ["train --images shapes --decimal ,", "--decimal goes with --csv FILE"],
    ["train --csv none.csv --label 0", "none.csv: there is no such file"],
    ["train --csv shapes --label 0", "shapes: can't be read"],
    ["train --images flowers.csv", "is not a folder"],
    ["train --images shapes/bar", "holds no folders"],
    ["eval csv.safetensors --csv houses.csv --label price", "the model knows no column rooms"],
    ["eval csv.safetensors --images shapes", "was trained on table; --images does not fit"],
  ];
  test("each", async () => {
    for (const [words, message] of wrong) {
      const { code, stderr } = await cli.refusal(words.split(" "));
      expect([code, stderr.split("\n").length], words).toEqual([2, 2]);
      expect(stderr).toContain(message);
    }
  });
});
