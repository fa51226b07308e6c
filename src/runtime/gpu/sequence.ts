/** Programs of a GPU that run one after another: all runs of all of them are one compute pass and one submit. */

import type { SequencePart } from "../backend.ts";
import { ProgramSequence } from "../program-sequence.ts";
import type { GpuProgram, GpuResources } from "./program.ts";

export class GpuSequence extends ProgramSequence<GpuProgram> {
  constructor(
    readonly resources: GpuResources,
    parts: readonly SequencePart<GpuProgram>[],
  ) {
    super(parts);
  }

  override run(times = 1, first = 0): void {
    if (!this.#prepare(times)) {
      super.run(times, first);
      return;
    }
    const { raw } = this.resources.device;
    const encoder = raw.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (let i = 0; i < times; i++) for (const program of this.due(first + i)) program.encodeRun(pass);
    pass.end();
    raw.queue.submit([encoder.finish()]);
  }

  /**
   * Whether all parts can be bound at once. A part may move states that an earlier one has bound already, which then binds
   * again; parts that flatten one state in different buffers have to move it before each run, and have a submit each.
   */
  #prepare(times: number): boolean {
    const { memory } = this.resources;
    const { generation } = memory;
    for (const program of this.programs) program.prepare(times);
    if (memory.generation === generation) return true;
    const settled = memory.generation;
    for (const program of this.programs) program.prepare(0);
    return memory.generation === settled;
  }
}
