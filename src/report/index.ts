/** Charts as SVG text, reports of runs as HTML, evaluation of classifiers: `import { report } from "weft"`. */
export { type Answers, judge, largest, type Mistake, shares } from "./answers.ts";
export {
  type OtherRun,
  type ReportEpoch,
  type ReportPicture,
  type RunReport,
  readReport,
  reportHtml,
} from "./run-report.ts";
export {
  type HeatMapOptions,
  heatMap,
  type LineChartOptions,
  lineChart,
  type Point,
  type ScatterPlotOptions,
  type Series,
  scatterPlot,
} from "./svg.ts";
