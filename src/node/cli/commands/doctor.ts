/** `weft doctor`: checks every kernel of this machine's adapter against the CPU reference; exit code 1 if one fails. */
import type { DoctorResult, Report } from "../../../doctor/index.ts";
import { runDoctor } from "../../../doctor/index.ts";
import { withDevice } from "../device-and-data.ts";
import { interruptSignal } from "../interrupt.ts";
import { duration, percent, plural } from "../output/format.ts";
import { print } from "../output/terminal.ts";

interface Flags {
  readonly software?: true;
  readonly json?: true;
}

export async function doctor(only: string | undefined, { software, json }: Flags): Promise<number> {
  const signal = interruptSignal();
  return withDevice({ backend: "webgpu", ...(software ? { software } : {}) }, async (backend) => {
    if (!json) {
      print(`Adapter: ${backend.adapter}${backend.software ? " (software)" : ""}.`);
      print(tableRow("op", "variant", "cases", "worst error", "time", ""));
    }
    const onResult = (result: DoctorResult) => print(json ? jsonLine("check", result) : resultRow(result));
    const options = { signal, onResult, ...(only === undefined ? {} : { only }) };
    const report = await runDoctor(backend, options).catch((error: unknown) => {
      throw signal.aborted ? signal.reason : error;
    });
    const { results: _, ...rest } = report;
    print(...(json ? [jsonLine("done", rest)] : verdict(report)));
    return report.ok ? 0 : 1;
  });
}

/** JSON has no infinity, the error of a kernel that gives NaN. */
const jsonLine = (event: string, value: object) =>
  JSON.stringify({ event, ...value }, (_, v: unknown) => (v === Number.POSITIVE_INFINITY ? "infinite" : v));

function resultRow({ op, variant, cases, worst, ok, milliseconds }: DoctorResult): string {
  const error = Number.isFinite(worst) ? percent(worst, worst < 0.1 ? 1 : 0) : "-";
  return tableRow(op, variant, String(cases), error, `${milliseconds.toFixed(0)} ms`, ok ? "ok" : "FAILED");
}

/** Of fixed widths: rows are printed as checks end, before the widest cell is known. */
function tableRow(...[op = "", variant = "", cases = "", worst = "", time = "", result = ""]: string[]) {
  const left = `${op.padEnd(30)} ${variant.padEnd(12)}`;
  return `${left} ${cases.padStart(5)} ${worst.padStart(11)} ${time.padStart(9)}  ${result}`.trimEnd();
}

function verdict({ adapter, results, ok, milliseconds }: Report): string[] {
  const failed = results.filter((r) => !r.ok);
  const took = duration(milliseconds / 1000);
  const notes = results.flatMap(({ op, variant, notes }) =>
    notes === undefined ? [] : [`${op} (${variant}): ${notes.join("; ")}.`],
  );
  const lines = ["Errors are in per cent of the tolerance.", ...notes];
  if (ok) return [...lines, `All ${plural(results.length, "check")} passed on ${adapter}, in ${took}.`];
  const reasons = failed.flatMap(({ op, variant, failures }) =>
    failures.flatMap((text) => `${op} (${variant}): ${text}`.split("\n")),
  );
  const total = `${failed.length} of ${plural(results.length, "check")} FAILED on ${adapter}, in ${took}.`;
  return [...lines, "", ...reasons, total];
}
