/**
 * The end of a step: writes its few numbers (loss, counts) into a ring on the device and moves the step counter on.
 * The host reads the ring when it likes; nothing waits. Values are stored as they are, so that a loss that is NaN
 * or infinite shows in the row of its step.
 */
import { type DefinedOp, defineOp, expectSpec, shapeError } from "../op.ts";
import { Shader } from "../shader.ts";
import { type Data, type Node, sizeOf, type Tensor } from "../tensor.ts";

const code = () => import("../../shaders/record.wgsl?raw");

const shader = new Shader("record.wgsl", code);

/** Values that one record holds at most: with ring and step, as many bindings as every WebGPU device has. */
export const MAX_RECORDED = 6;
/** Marks count steps modulo this, the largest range of whole numbers that float32 holds exactly. */
const MARKS = 2 ** 24;

export const recordOp: DefinedOp<Record<string, never>> = defineOp({
  name: "record",
  args: ["ring", "step", "v0", "v1", "v2", "v3", "v4", "v5"],
  results: [],
  mutates: ["ring", "step"],
  plan([ring, step, ...values], _attrs: Record<string, never>) {
    const [R, W] = expectSpec("record", "ring", ring, 2).shape as [number, number];
    if (expectSpec("record", "step", step, 1, "u32").shape[0] !== 1) {
      throw shapeError("record", "step must be u32[1]", step ? [step] : []);
    }
    const VALUES = values.length;
    if (VALUES < 1 || (W !== VALUES && W !== VALUES + 1)) {
      throw shapeError("record", `ring must have a column per value, and one more for marks if wanted`, [
        ...(ring ? [ring] : []),
        ...values,
      ]);
    }
    if (values.some((v) => v.dtype !== "f32" || sizeOf(v.shape) !== 1)) {
      throw shapeError("record", "values must be f32 and hold one number each", values);
    }
    return { outputs: [], constants: { R, W, VALUES } };
  },
  cpu({ ring, step, v0, v1, v2, v3, v4, v5 }, { R, W, VALUES }) {
    const values = [v0, v1, v2, v3, v4, v5];
    const at = (step[0]! % R) * W;
    for (let i = 0; i < VALUES; i++) ring[at + i] = values[i]![0]!;
    if (W > VALUES) ring[at + VALUES] = 1 + (step[0]! % MARKS);
    step[0]!++;
  },
  kernels() {
    const bind = ["ring", "step", "v0", "v1", "v2", "v3", "v4", "v5"];
    return { kernels: [{ shader, entry: "record", bind, groups: [1] }] };
  },
});

/**
 * An update: row `step % R` of `ring` becomes `values`, then `step` grows by 1, after everything that reads it.
 *
 * `ring`: state f32 `[R, W]`, W the number of values, or one more: then the last column marks the step that a row
 * belongs to (see `recordedSteps`). `step`: state u32 `[1]`. `values`: 1 to 6 f32 tensors of one number each.
 * Throws ShapeError.
 */
export function record(ring: Tensor, step: Tensor, values: readonly Tensor[]): Node {
  return recordOp.node([ring, step, ...values], {});
}

/** One row of a ring with marks. */
export interface RecordedStep {
  readonly step: number;
  readonly values: readonly number[];
}

/**
 * The rows of a ring of `width` columns with marks, oldest first. `latest`: a step not before any in the ring and less
 * than 2^24 after the oldest, since marks are that short.
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
