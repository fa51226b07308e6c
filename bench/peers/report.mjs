// Prints one table row per library, and stores all figures as JSON.
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, loadavg } from "node:os";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { median, number, textTable } from "../format.mjs";
import { NETWORKS } from "./networks.mjs";

const PACKAGES = { "jax-js": "@jax-js/jax", tfjs: "@tensorflow/tfjs-core", webgpu: "webgpu" };
const COUNTS = {
  dispatches: "dispatches",
  submits: "submits",
  passes: "passes",
  bindGroups: "bind groups",
  buffers: "buffers",
  pipelines: "pipelines",
  queueWrites: "writes",
  maps: "maps",
};

export function describeMachine(rows) {
  const require = createRequire(import.meta.url);
  const version = (name) => versionFrom(require, name);
  return {
    date: new Date().toISOString(),
    node: process.version,
    cpu: `${cpus().length} x ${cpus()[0]?.model ?? "unknown"}`,
    loadAverage: loadavg().map((value) => Math.round(value * 100) / 100),
    adapter: rows.find((row) => row.adapter?.architecture !== undefined)?.adapter,
    versions: Object.fromEntries(Object.entries(PACKAGES).map(([key, name]) => [key, version(name)])),
  };
}

export function formatTable(settings, rows) {
  const weft = rows.find((row) => row.library === "weft" && row.problem === undefined);
  const header = [
    "",
    "ms/step",
    "min",
    "max",
    "x weft",
    "CPU ms",
    "steps",
    "to 1st step s",
    "MiB",
    ...Object.values(COUNTS),
  ];
  const lines = rows.map((row) => (row.problem ? [row.library] : cells(row, weft)));
  const [head, ...text] = textTable([header, ...lines]).split("\n");
  const body = rows.map((row, i) => (row.problem ? `${text[i]}  ${row.problem}` : text[i]));
  const adapter = settings.adapter?.description ?? "no adapter";
  return [
    `${NETWORKS[settings.network].title}, batch ${settings.batch}, ${settings.rounds} rounds in turns; ${adapter}; ${settings.cpu}; Node ${settings.node}`,
    head,
    ...body,
    "ms/step: median over the rounds; x weft: median of the ratios round by round; CPU ms: processor time per step, all",
    "threads; steps: per round, then one wait and one loss read; counts: per step, from a round of 2 steps.",
    `Load average over the last minute: ${settings.loadAverage[0]} (about ${rows.length > 1 ? "1 to 2" : "1"} is this run itself).`,
  ].join("\n");
}

/** Weft's dispatches, those of equal names in one line, the longest first. */
export function formatProfile(rows) {
  const times = rows.find(({ library }) => library === "weft")?.profile;
  if (times === undefined) return "No profile: the adapter has no timestamps.";
  const groups = {};
  for (const { label, milliseconds } of times) {
    const name = label.replaceAll(/\bh\.\d+/g, "h");
    groups[name] ??= { name, ms: 0, count: 0 };
    groups[name].ms += milliseconds;
    groups[name].count++;
  }
  const total = times.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const lines = Object.values(groups).sort((a, b) => b.ms - a.ms);
  const header = ["", "dispatches", "ms", "share"];
  const share = (ms) => `${((100 * ms) / total).toFixed(1)} %`;
  return textTable([
    header,
    ...lines.map(({ name, ms, count }) => [name, String(count), number(ms), share(ms)]),
    ["all", String(times.length), number(total), "100 %"],
  ]);
}

export function writeJson(file, settings, rows) {
  const path = file instanceof URL ? fileURLToPath(file) : file;
  mkdirSync(dirname(path), { recursive: true });
  const libraries = rows.map(({ contender, ...row }) => row);
  writeFileSync(path, `${JSON.stringify({ ...settings, libraries }, null, 1)}\n`);
}

function cells(row, weft) {
  const times = row.rounds.map((round) => round.msPerStep);
  const ratios = weft ? times.map((time, i) => time / weft.rounds[i].msPerStep) : [];
  const counts = Object.keys(COUNTS).map((name) =>
    row.countsPerStep ? number(row.countsPerStep[name]) : "-",
  );
  return [
    row.library,
    number(median(times)),
    number(Math.min(...times)),
    number(Math.max(...times)),
    weft ? median(ratios).toFixed(2) : "-",
    known(median(row.rounds.map((round) => round.cpuMsPerStep)), number),
    String(row.stepsPerRound),
    ((row.loadMs + row.createMs + row.firstStepMs) / 1000).toFixed(2),
    known(row.peakMiB, (value) => value.toFixed(0)),
    ...counts,
  ];
}

/** A page cannot measure its processor time and memory. */
const known = (value, text) => (Number.isFinite(value) ? text(value) : "-");

function versionFrom(require, name) {
  for (const folder of require.resolve.paths(name) ?? []) {
    try {
      return require(`${folder}/${name}/package.json`).version;
    } catch {}
  }
  return undefined;
}
