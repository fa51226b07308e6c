/** The course of a run in .csv and .json files, written anew and whole after every epoch. */
import type { EpochRecord, EvaluationRecord } from "../../../train/loop/events.ts";
import { historyCsv, historyJson } from "../../../train/loop/history.ts";
import { writeFileAtomic } from "../../files/atomic-write.ts";
import type { Reporter } from "./reporters.ts";

/** Writes JSON into files whose names end in .json, CSV into others. */
export function historyReporter(paths: readonly string[]): Reporter {
  let epochs: EpochRecord[] = [];
  let evaluations: EvaluationRecord[] = [];
  const write = async () => {
    const records = { epochs, ...(evaluations.length > 0 ? { evaluations } : {}) };
    for (const path of paths) {
      await writeFileAtomic(path, path.endsWith(".json") ? historyJson(records) : historyCsv(records));
    }
  };
  return {
    notice: () => undefined,
    begin: () => undefined,
    resume(state) {
      epochs = [...state.epochs];
      evaluations = [...state.evaluations];
    },
    async event(event) {
      if (event.event === "evaluation") {
        const { event: _, ...record } = event;
        evaluations.push(record);
      } else if (event.event === "epoch") {
        const { event: _, ...record } = event;
        epochs.push(record);
        await write();
      } else if (event.event === "end") await write();
    },
    end: () => undefined,
    close: () => undefined,
  };
}
