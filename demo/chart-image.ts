/** Both charts as one image file, with titles and the names of the runs. */
import type { Charts } from "./charts.ts";
import type { RunLog } from "./run-log.ts";
import { shortTitle } from "./settings.ts";
import { colour, runColour } from "./theme.ts";

const MARGIN = 24;
const LINE = 22;

/** A PNG; undefined when nothing has been drawn yet. */
export async function chartImage(charts: Charts, runs: readonly RunLog[]): Promise<Blob | undefined> {
  const loss = charts.canvasOf("loss");
  const accuracy = charts.canvasOf("accuracy");
  if (loss === undefined || accuracy === undefined) return undefined;
  const scale = devicePixelRatio;
  const shown = runs.filter((run) => run.visible && run.begun);
  const margin = MARGIN * scale;
  const line = LINE * scale;
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(loss.width, accuracy.width) + 2 * margin;
  canvas.height = loss.height + accuracy.height + 3 * margin + (2 + shown.length) * line;
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  context.fillStyle = colour("--panel");
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.font = `600 ${14 * scale}px system-ui, sans-serif`;
  context.textBaseline = "top";
  let y = margin;
  for (const [title, chart] of [
    ["Loss", loss],
    ["Accuracy", accuracy],
  ] as const) {
    context.fillStyle = colour("--ink");
    context.fillText(title, margin, y);
    context.drawImage(chart, margin, y + line);
    y += line + chart.height + margin / 2;
  }
  context.font = `${13 * scale}px system-ui, sans-serif`;
  for (const run of shown) {
    context.fillStyle = runColour(run.number - 1);
    context.fillRect(margin, y + 6 * scale, 16 * scale, 3 * scale);
    context.fillStyle = colour("--ink");
    context.fillText(
      `${run.number}: ${shortTitle(run.settings)}, seed ${run.settings.seed}`,
      margin + 24 * scale,
      y,
    );
    y += line;
  }
  return new Promise((resolve) => canvas.toBlob((blob) => resolve(blob ?? undefined), "image/png"));
}
