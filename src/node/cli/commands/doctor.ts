/** `weft doctor`: a table of every kernel against the CPU reference on this machine's adapter; exit code 1 if one fails. */
import type { DoctorResult, Report } from "../../../doctor/index.ts";
import { runDoctor } from "../../../doctor/index.ts";
import { openDevice } from "../../device/open-device.ts";
import { interruptSignal } from "../interrupt.ts";
import { duration, percent, several } from "../output/format.ts";
import { say } from "../output/terminal.ts";

interface Flags {
  readonly software?: true;
  readonly json?: true;
}

export async function doctor(only: string | undefined, { software, json }: Flags): Promise<number> {
  const signal = interruptSignal();
  const backend = await openDevice({ backend: "webgpu", ...(software ? { software } : {}) });
  try {
    if (!json) {
      say(`Adapter: ${backend.adapter}${backend.software ? " (software)" : ""}.`);
      say(row("op", "variant", "cases", "worst error", "time", ""));
    }
    const onResult = (result: DoctorResult) => say(json ? jsonLine("check", result) : tableRow(result));
    const report = await runDoctor(backend, { signal, onResult, ...(only === undefined ? {} : { only }) });
    if (json) {
      const { results: _, ...rest } = report;
      say(jsonLine("done", rest));
    } else for (const text of verdict(report)) say(text);
    return report.ok ? 0 : 1;
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    await backend.close();
  }
}

const jsonLine = (event: string, value: object) =>
  JSON.stringify({ event, ...value }, (_, v: unknown) => (v === Number.POSITIVE_INFINITY ? "infinite" : v));

function tableRow({ op, variant, cases, worst, ok, milliseconds }: DoctorResult): string {
  const error = Number.isFinite(worst) ? percent(worst, worst < 0.1 ? 1 : 0) : "-";
  return row(op, variant, String(cases), error, `${milliseconds.toFixed(0)} ms`, ok ? "ok" : "FAILED");
}

function row(
  op: string,
  variant: string,
  cases: string,
  worst: string,
  time: string,
  verdict: string,
): string {
  const left = `${op.padEnd(30)} ${variant.padEnd(12)}`;
  return `${left} ${cases.padStart(5)} ${worst.padStart(11)} ${time.padStart(9)}  ${verdict}`.trimEnd();
}

function verdict({ adapter, results, ok, milliseconds }: Report): string[] {
  const failed = results.filter((r) => !r.ok);
  const took = duration(milliseconds / 1000);
  const noted = results.filter(({ notes }) => notes !== undefined);
  const meaning = [
    "Errors are in per cent of what is tolerated.",
    ...noted.map(({ op, variant, notes = [] }) => `${op} (${variant}): ${notes.join("; ")}.`),
  ];
  if (ok) {
    return [...meaning, `All ${several(results.length, "check")} passed on ${adapter}, in ${took}.`];
  }
  return [
    ...meaning,
    "",
    ...failed.flatMap(({ op, variant, failures }) =>
      failures.flatMap((text) => `${op} (${variant}): ${text}`.split("\n")),
    ),
    `${failed.length} of ${several(results.length, "check")} FAILED on ${adapter}, in ${took}.`,
  ];
}
