/** Times a compiled graph: checked first, warmed up, then the median of several rounds of many runs each. */
import {
  CpuBackend,
  type Data,
  type GpuBackend,
  input,
  type Program,
  Random,
  type Tensor,
} from "../src/index.ts";

export interface KernelCase {
  readonly name: string;
  readonly shapes: readonly (readonly number[])[];
  build(...inputs: Tensor[]): Tensor | readonly Tensor[];
  /** Floating-point operations of one run, for GFLOP/s. */
  readonly flops?: number;
  /** Bytes that one run must read and write at least, for GB/s. */
  readonly bytes?: number;
  /** Largest difference from the CPU reference, relative to the largest value. Default 1e-5. */
  readonly tolerance?: number;
}

export interface Timing {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface KernelResult extends Timing {
  readonly name: string;
  readonly right: boolean;
  readonly worst: number;
  readonly gflops: number | undefined;
  readonly gbytes: number | undefined;
}

const ROUNDS = 7;
const ROUND_MILLISECONDS = 150;

/** Milliseconds per run of `program`. */
export async function time(program: Program, rounds = ROUNDS): Promise<Timing> {
  const once = async (runs: number): Promise<number> => {
    const begun = performance.now();
    program.run(runs);
    await program.finished();
    return (performance.now() - begun) / runs;
  };
  await once(1);
  const estimate = await once(2);
  const runs = Math.max(1, Math.min(200, Math.round(ROUND_MILLISECONDS / estimate)));
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) times.push(await once(runs));
  times.sort((a, b) => a - b);
  return { median: times[rounds >> 1] as number, min: times[0] as number, max: times.at(-1) as number };
}

export async function measureKernel(device: GpuBackend, c: KernelCase): Promise<KernelResult> {
  const inputs = c.shapes.map((shape, i) => input(shape, "f32", `input${i}`));
  const data = c.shapes.map((shape, i) => {
    const random = new Random(7, i);
    const size = shape.reduce((n, d) => n * d, 1);
    return Float32Array.from({ length: size }, () => random.uniform(-1, 1));
  });
  const built = c.build(...inputs);
  const outputs = Array.isArray(built) ? (built as readonly Tensor[]) : [built as Tensor];
  const program = await device.compile({ outputs });
  const reference = new CpuBackend();
  const truth = await reference.compile({ outputs });
  inputs.forEach((t, i) => {
    // A gradient need not depend on every input.
    if (!device.holds(t)) return;
    device.write(t, data[i] as Data);
    reference.write(t, data[i] as Data);
  });
  program.run();
  truth.run();
  let worst = 0;
  for (const t of outputs) worst = Math.max(worst, difference(await program.read(t), await truth.read(t)));
  const right = worst <= (c.tolerance ?? 1e-5);
  const timing = await time(program);
  const rate = (amount: number | undefined) =>
    amount === undefined ? undefined : amount / timing.median / 1e6;
  program.destroy();
  return { name: c.name, right, worst, ...timing, gflops: rate(c.flops), gbytes: rate(c.bytes) };
}

/** Largest difference, relative to the largest value of the truth. */
export function difference(actual: Data, expected: Data): number {
  let scale = 0;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    scale = Math.max(scale, Math.abs(expected[i] as number));
    const error = Math.abs((actual[i] as number) - (expected[i] as number));
    worst = Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(worst, error);
  }
  return scale === 0 ? worst : worst / scale;
}
