/** What an evaluation measured, in words: per class and in a confusion matrix, or the errors of a regression. */
import type { Dataset } from "../../../data/dataset.ts";
import type { Metrics } from "../../../train/loop/events.ts";
import type { MetricValue } from "../../../train/metrics/definition.ts";
import { count, percent } from "./format.ts";

/** More classes than this make no table that a terminal holds; those it does worst on are shown. */
const MOST_CLASSES = 20;

/** Lines after the first one, which has loss and accuracy. */
export function evalLines({ metrics = {} }: Metrics, test: Dataset): string[] {
  const { confusionMatrix } = metrics;
  if (confusionMatrix === undefined) return regressionLines(metrics);
  const matrix = confusionMatrix as readonly (readonly number[])[];
  const names = test.classNames ?? matrix.map((_, c) => String(c));
  const top = Object.keys(metrics).filter((name) => /^top\d+$/.test(name));
  const tops = top.map((name) => `Among the first ${name.slice(3)}: ${percent(metrics[name] as number)}.`);
  return [...tops, ...perClass(metrics, matrix, names), ...confusion(matrix, names)];
}

function regressionLines(metrics: Readonly<Record<string, MetricValue>>): string[] {
  const words = Object.entries({ mse: "MSE", mae: "MAE", r2: "R2" }).flatMap(([name, word]) =>
    typeof metrics[name] === "number" ? [`${word} ${(metrics[name] as number).toPrecision(5)}`] : [],
  );
  return words.length === 0 ? [] : [`${words.join(", ")}.`];
}

function perClass(
  metrics: Readonly<Record<string, MetricValue>>,
  matrix: readonly (readonly number[])[],
  names: readonly string[],
): string[] {
  const of = (name: string) => metrics[name] as readonly number[];
  const [precisions, recalls, scores] = [of("precisionPerClass"), of("recallPerClass"), of("f1PerClass")];
  const width = Math.max(5, ...names.map((name) => name.length));
  const line = (name: string, cells: readonly string[]) =>
    [name.padEnd(width), ...cells.map((cell) => cell.padStart(10))].join("  ").trimEnd();
  const shares = (values: readonly (MetricValue | undefined)[]) => values.map((v) => percent(v as number));
  const all = matrix.map((_, c) => c);
  const shown =
    all.length <= MOST_CLASSES
      ? all
      : all.sort((a, b) => (scores[a] as number) - (scores[b] as number)).slice(0, MOST_CLASSES);
  return [
    "",
    line("class", ["precision", "recall", "F1", "samples"]),
    ...shown.map((c) =>
      line(names[c] as string, [
        ...shares([precisions[c], recalls[c], scores[c]]),
        count((matrix[c] as readonly number[]).reduce((a, b) => a + b, 0)),
      ]),
    ),
    ...(shown.length < matrix.length ? [`(the ${shown.length} it does worst on, of ${matrix.length})`] : []),
    line("mean", shares([metrics.precision, metrics.recall, metrics.f1])),
  ];
}

function confusion(matrix: readonly (readonly number[])[], names: readonly string[]): string[] {
  if (matrix.length > MOST_CLASSES) return [];
  const cells = matrix.map((row) => row.map((n) => String(n)));
  const width = Math.max(3, ...cells.flat().map((cell) => cell.length));
  const left = Math.max(5, ...names.map((name) => name.length));
  const short = (name: string) => name.slice(0, width).padStart(width);
  return [
    "",
    "True class by rows, predicted class by columns:",
    [" ".repeat(left), ...names.map(short)].join(" ").trimEnd(),
    ...cells.map((row, c) =>
      [(names[c] as string).padEnd(left), ...row.map((n) => n.padStart(width))].join(" "),
    ),
  ];
}
