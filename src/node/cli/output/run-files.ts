/** Reporters that write files: `--log` and `--history`. Files are rewritten whole, so that a reader never sees half a line. */
import type { EpochRecord, EvaluationRecord } from "../../../train/loop/events.ts";
import { historyCsv, historyJson } from "../../../train/loop/history.ts";
import { writeFileAtomic } from "../../files/atomic-write.ts";
import { jsonRecord, type Reporter } from "./reporters.ts";

/** The lines of `--json` in a file. */
export function logReporter(path: string): Reporter {
  let lines = "";
  const add = (record: object) => {
    lines += `${JSON.stringify(record)}\n`;
    return writeFileAtomic(path, lines);
  };
  return {
    async event(event) {
      const record = jsonRecord(event);
      if (record !== undefined) await add(record);
    },
    end: add,
  };
}

/** The history of a run after every epoch: as JSON in files whose names end in .json, as CSV in others. */
export function historyReporter(paths: readonly string[]): Reporter {
  let epochs: EpochRecord[] = [];
  let evaluations: EvaluationRecord[] = [];
  return {
    resume(state) {
      epochs = [...state.epochs];
      evaluations = [...state.evaluations];
    },
    async event({ event, ...record }) {
      if (event === "evaluation") evaluations.push(record as EvaluationRecord);
      if (event === "epoch") epochs.push(record as EpochRecord);
      if (event === "epoch" || event === "end") await writeHistory(paths, epochs, evaluations);
    },
  };
}

export async function writeHistory(
  paths: readonly string[],
  epochs: readonly EpochRecord[],
  evaluations: readonly EvaluationRecord[] = [],
): Promise<void> {
  const records = { epochs, ...(evaluations.length > 0 ? { evaluations } : {}) };
  for (const path of paths)
    await writeFileAtomic(path, path.endsWith(".json") ? historyJson(records) : historyCsv(records));
}
