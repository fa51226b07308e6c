/** `--picture`: what a run learned, or its curves beside those of earlier runs, as an SVG file. */
import { basename } from "node:path";
import { FormatError } from "../../../common/errors.ts";
import { Fields } from "../../../common/json-fields.ts";
import { type CurveRecord, type CurveRun, curvePicture } from "../../../recipes/curves.ts";
import type { FinishedRun, PictureMaker } from "../../../recipes/recipe.ts";
import { readReport } from "../../../report/run-report.ts";
import { checkEpoch } from "../../../train/state/fit-record.ts";
import { readTextFile, writeFileAtomic } from "../../files/atomic-write.ts";

/** How a run is called in a legend. */
export const runName = ({ optimizer, learningRate }: { optimizer: string; learningRate: number }) =>
  `${optimizer}, rate ${learningRate}`;

/** Draws with the recipe's own `picture`; without one, or with runs to compare, the curves. */
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

/** The runs that `--log` files and reports tell of. Throws FormatError naming the file, and the line that is none of `--log`'s. */
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
    const place = `${file}: line ${i + 1}: expected a line of --log`;
    const record = Fields.parse(line, place);
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
