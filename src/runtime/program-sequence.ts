/** Programs that run one after another as one program. */

import type { Data } from "../graph/spec.ts";
import type { Tensor } from "../graph/tensor.ts";
import { GraphError, ValueError } from "../validation/errors.ts";
import type { KernelTime, Program, ProgramDescription, SequencePart } from "./backend.ts";

export class ProgramSequence<P extends Program = Program> implements Program {
  /** Throws ValueError on an `every` that is no whole number of at least 1, or where there is no part. */
  constructor(readonly parts: readonly SequencePart<P>[]) {
    if (parts.length === 0) throw new ValueError("sequence: needs at least one program");
    for (const { every = 1 } of parts) {
      if (!(Number.isSafeInteger(every) && every >= 1)) {
        throw new ValueError(`sequence: every must be a whole number of at least 1, got ${every}`);
      }
    }
  }

  /** The programs of run `run`, counted from 0. */
  protected due(run: number): readonly P[] {
    return this.parts.filter(({ every = 1 }) => (run + 1) % every === 0).map(({ program }) => program);
  }

  get programs(): readonly P[] {
    return this.parts.map(({ program }) => program);
  }

  run(times = 1, first = 0): void {
    for (let i = 0; i < times; i++) for (const program of this.due(first + i)) program.run();
  }

  async finished(): Promise<void> {
    await this.programs[0]?.finished();
  }

  async ready(): Promise<void> {
    await Promise.all(this.programs.map((program) => program.ready?.()));
  }

  /** The latest value of an output of one of the parts. */
  async read(tensor: Tensor): Promise<Data> {
    let failure: unknown;
    for (const program of this.programs) {
      try {
        return await program.read(tensor);
      } catch (error) {
        if (!(error instanceof GraphError)) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  async runAndRead(tensors: readonly Tensor[]): Promise<Data[]> {
    this.run();
    return Promise.all(tensors.map((tensor) => this.read(tensor)));
  }

  /** Each part once; states that several use count for each. */
  describe(): ProgramDescription {
    const all = this.programs.map((program) => program.describe());
    const total = (name: Exclude<keyof ProgramDescription, "steps">) =>
      all.reduce((sum, one) => sum + one[name], 0);
    return {
      dispatches: total("dispatches"),
      pipelines: total("pipelines"),
      stateBytes: total("stateBytes"),
      slotBytes: total("slotBytes"),
      steps: all.flatMap(({ steps }) => steps),
    };
  }

  /** Runs every part once. */
  async profile(): Promise<readonly KernelTime[]> {
    const times: KernelTime[] = [];
    for (const program of this.programs) times.push(...((await program.profile?.()) ?? []));
    return times;
  }

  destroy(): void {
    for (const program of this.programs) program.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }
}
