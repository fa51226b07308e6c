/** `--picture` and `--compare`: a run's picture or learning curves as an SVG file, beside those of earlier runs. */
import { basename } from "node:path";
import { type CurveRecord, type CurveRun, curvePicture } from "../../../recipes/curves.ts";
import type { FinishedRun, PictureMaker } from "../../../recipes/recipe.ts";
import { readReport } from "../../../report/run-report.ts";
import { checkEpoch } from "../../../train/state/fit-record.ts";
import { FormatError } from "../../../validation/errors.ts";
import { Fields } from "../../../validation/json-fields.ts";
import { readTextFile, writeFileAtomic } from "../../files/atomic-write.ts";

/** The name of a run in a legend. */
export const runName = ({ optimizer, learningRate }: { optimizer: string; learningRate: number }) =>
  `${optimizer}, rate ${learningRate}`;

/** Draws the recipe's own `picture`; without one, or with runs to compare, the learning curves. */
export async function writePicture(
  file: string,
  run: FinishedRun,
  name: string,
  picture: PictureMaker | undefined,
  compared: readonly CurveRun[],
): Promise<void> {
  const own = compared.length === 0 ? picture : undefined;
  const text = (await own?.(run)) ?? curvePicture(run.title, [{ name, epochs: run.epochs }, ...compared]);
  await writeFileAtomic(file, text);
}

/** The runs in `--log` files and reports. Throws FormatError naming the file, and the line that `--log` did not write. */
export function readLogs(files: readonly string[]): Promise<CurveRun[]> {
  return Promise.all(files.map(readLog));
}

async function readLog(file: string): Promise<CurveRun> {
  const text = await readTextFile(file);
  if (file.endsWith(".html")) {
    const { title, epochs } = readReport(text, file);
    return { name: title, epochs };
  }
  const epochs: CurveRecord[] = [];
  let name = basename(file);
  text.split("\n").forEach((line, i) => {
    if (line.trim() === "") return;
    const record = Fields.parse(line, `${file}: line ${i + 1}: expected a line of --log`);
    record.text("event");
    const { event, optimizer, learningRate } = record.values;
    if (event === "epoch") {
      checkEpoch(record);
      epochs.push(record.values as unknown as CurveRecord);
    }
    if (typeof optimizer === "string" && typeof learningRate === "number")
      name = runName({ optimizer, learningRate });
  });
  if (epochs.length === 0) throw new FormatError(`${file}: holds no epoch`);
  return { name, epochs };
}
