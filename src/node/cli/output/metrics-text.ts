/** Metrics of an evaluation as text: a table per class and a confusion matrix, or the errors of a regression. */
import type { Dataset } from "../../../data/dataset.ts";
import type { Metrics } from "../../../train/loop/events.ts";
import type { MetricValue } from "../../../train/metrics/definition.ts";
import { count, percent, table } from "./format.ts";

/** With more classes, only those with the lowest F1 are listed, and there is no confusion matrix: it would be too wide. */
const MOST_CLASSES = 20;

/** The lines after the first one, which has loss and accuracy. */
export function metricsText({ metrics = {} }: Metrics, test: Dataset): string[] {
  const { confusionMatrix } = metrics;
  if (confusionMatrix === undefined) return regressionText(metrics);
  const matrix = confusionMatrix as readonly (readonly number[])[];
  const names = test.classNames ?? matrix.map((_, c) => String(c));
  const top = Object.keys(metrics).filter((name) => /^top\d+$/.test(name));
  const tops = top.map((name) => `Among the first ${name.slice(3)}: ${percent(metrics[name] as number)}.`);
  return [...tops, ...perClass(metrics, matrix, names), ...confusion(matrix, names)];
}

function regressionText(metrics: Readonly<Record<string, MetricValue>>): string[] {
  const errors = Object.entries({ mse: "MSE", mae: "MAE", r2: "R2" }).flatMap(([name, title]) =>
    typeof metrics[name] === "number" ? [`${title} ${(metrics[name] as number).toPrecision(5)}`] : [],
  );
  return errors.length === 0 ? [] : [`${errors.join(", ")}.`];
}

function perClass(
  metrics: Readonly<Record<string, MetricValue>>,
  matrix: readonly (readonly number[])[],
  names: readonly string[],
): string[] {
  const of = (name: string) => metrics[name] as readonly number[];
  const [precisions, recalls, scores] = [of("precisionPerClass"), of("recallPerClass"), of("f1PerClass")];
  const shares = (values: readonly (MetricValue | undefined)[]) => values.map((v) => percent(v as number));
  const all = matrix.map((_, c) => c);
  const worst = all.toSorted((a, b) => (scores[a] as number) - (scores[b] as number)).slice(0, MOST_CLASSES);
  const shown = all.length <= MOST_CLASSES ? all : worst;
  const samples = (c: number) => count((matrix[c] as readonly number[]).reduce((a, b) => a + b, 0));
  const lines = table(
    [
      ["class", "precision", "recall", "F1", "samples"],
      ...shown.map((c) => [
        names[c] as string,
        ...shares([precisions[c], recalls[c], scores[c]]),
        samples(c),
      ]),
      ["mean", ...shares([metrics.precision, metrics.recall, metrics.f1])],
    ],
    [1, 2, 3, 4],
  );
  if (shown.length < matrix.length)
    lines.splice(-1, 0, `(the ${shown.length} with the lowest F1, of ${matrix.length})`);
  return ["", ...lines];
}

function confusion(matrix: readonly (readonly number[])[], names: readonly string[]): string[] {
  if (matrix.length > MOST_CLASSES) return [];
  const cells = matrix.map((row) => row.map((n) => String(n)));
  const width = Math.max(3, ...cells.flat().map((cell) => cell.length));
  const heading = names.map((name) => name.slice(0, width));
  const rows = [["", ...heading], ...cells.map((row, c) => [names[c] as string, ...row])];
  const columns = matrix.map((_, c) => c + 1);
  return ["", "True class by rows, predicted class by columns:", ...table(rows, columns)];
}
