/**
 * The op record logs the metrics of a step: it writes loss, counts and metrics into a ring buffer on the device and
 * increments the step counter. The host reads the ring later, so that no step waits for it. Values are stored unchanged: a
 * loss that is NaN or infinite shows in the row of its step.
 */
import { type DefinedOp, defineOp, expectArray, expectOne, expectSpec, shapeError } from "../../graph/op.ts";
import { type Data, type Spec, sizeOf } from "../../graph/spec.ts";
import type { Node, Tensor } from "../../graph/tensor.ts";
import { logMetricsKernels, MAX_LOGGED } from "../../kernels/data/log-metrics.ts";

/** Most tensors that one call of `record` takes. */
export const MAX_RECORDED = MAX_LOGGED;
/** Marks count steps modulo this, the largest range of whole numbers that float32 holds exactly. */
const MARKS = 2 ** 24;

type None = Record<string, never>;

const plainOp: DefinedOp<None> = defineOp({
  name: "record",
  args: ["ring", "step", "v0", "v1", "v2", "v3", "v4", "v5"],
  results: [],
  mutates: ["ring", "step"],
  plan: ([ring, step, ...values], _attrs: None) => planned(ring, step, values, false),
  cpu: write,
  kernels: logMetricsKernels,
});

/** With an alarm, which takes the binding of one value. */
const alarmedOp: DefinedOp<None> = defineOp({
  name: "record",
  args: ["ring", "step", "alarm", "v0", "v1", "v2", "v3", "v4"],
  results: [],
  mutates: ["ring", "step", "alarm"],
  // The optimizer's update sets the alarm that is reset here.
  follows: true,
  plan([ring, step, alarm, ...values], _attrs: None) {
    expectOne("record", "alarm", alarm, "u32");
    return planned(ring, step, values, true);
  },
  cpu: write,
  kernels: logMetricsKernels,
});

function planned(ring: Spec | undefined, step: Spec | undefined, values: readonly Spec[], ALARMED: boolean) {
  const [R, W] = expectSpec("record", "ring", ring, 2).shape as [number, number];
  if (expectSpec("record", "step", step, 1, "u32").shape[0] !== 1) {
    throw shapeError("record", "step must be u32[1]", step ? [step] : []);
  }
  const sizes = values.map((v) => sizeOf(v.shape));
  const VALUES = values.length;
  const TOTAL = sizes.reduce((a, b) => a + b, 0);
  const COLUMNS = TOTAL + (ALARMED ? 1 : 0);
  if (VALUES < 1 || (W !== COLUMNS && W !== COLUMNS + 1)) {
    throw shapeError(
      "record",
      "ring must have a column per value, one more for an alarm, and one more where steps are marked",
      [...(ring ? [ring] : []), ...values],
    );
  }
  if (values.some((v) => v.dtype !== "f32")) throw shapeError("record", "values must be f32", values);
  const [S0 = 0, S1 = 0, S2 = 0, S3 = 0, S4 = 0, S5 = 0] = sizes;
  return { outputs: [], constants: { R, W, TOTAL, ALARMED, S0, S1, S2, S3, S4, S5 } };
}

function write(
  tensors: Readonly<Record<string, Data>>,
  { R, W, TOTAL, ALARMED, ...sizes }: RecordConstants,
): void {
  const { ring, step, alarm } = tensors as Record<"ring" | "step" | "alarm", Data>;
  let at = (step[0]! % R) * W;
  for (let i = 0; i < MAX_RECORDED; i++) {
    const size = sizes[`S${i}` as "S0"];
    for (let j = 0; j < size; j++) ring[at++] = tensors[`v${i}`]![j]!;
  }
  if (ALARMED) {
    ring[at++] = alarm[0]!;
    alarm[0] = 0;
  }
  if (W > TOTAL + (ALARMED ? 1 : 0)) ring[at] = 1 + (step[0]! % MARKS);
  step[0]!++;
}

type RecordConstants = ReturnType<typeof planned>["constants"];

/**
 * An update that writes `values` to row `step % R` of `ring` and then adds 1 to `step`, after all that read it.
 *
 * `ring`: state f32 `[R, W]`. W is the number of elements of all values, or one more: the last column then marks the step of a
 * row (see `recordedSteps`). `step`: state u32 `[1]`. `values`: 1 to 6 f32 tensors, written one after another. `alarm`: an
 * optimizer's u32 `[1]`; adds a column after the values that is 1 where a parameter or gradient of this step was NaN or
 * infinite, is reset to 0, and leaves room for 5 values. Throws ShapeError.
 */
export function record(ring: Tensor, step: Tensor, values: readonly Tensor[], alarm?: Tensor): Node {
  expectArray("record", "values", values);
  if (alarm === undefined) return plainOp.node([ring, step, ...values], {});
  return alarmedOp.node([ring, step, alarm, ...values], {});
}

/** One row of a ring whose rows are marked. */
export interface RecordedStep {
  readonly step: number;
  readonly values: readonly number[];
}

/**
 * The rows of a marked ring of `width` columns, oldest first. `latest`: a step that is not before any in the ring and less than
 * 2^24 after the oldest, since marks are steps modulo 2^24.
 */
export function recordedSteps(ring: Data, width: number, latest: number): RecordedStep[] {
  const rows: RecordedStep[] = [];
  for (let at = 0; at < ring.length; at += width) {
    const mark = ring[at + width - 1]!;
    if (mark === 0) continue;
    const age = (((latest - (mark - 1)) % MARKS) + MARKS) % MARKS;
    rows.push({ step: latest - age, values: Array.from(ring.subarray(at, at + width - 1)) });
  }
  return rows.sort((a, b) => a.step - b.step);
}
