/** Programs of a GPU that run one after another: all runs of all of them are one compute pass and one submit. */

import { GraphError } from "../../validation/errors.ts";
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
    this.#prepare(times);
    const { raw } = this.resources.device;
    const encoder = raw.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (let i = 0; i < times; i++) for (const program of this.due(first + i)) program.encodeRun(pass);
    pass.end();
    raw.queue.submit([encoder.finish()]);
  }

  /** A part may move states that an earlier one has bound already, which then binds again. */
  #prepare(times: number): void {
    const { memory } = this.resources;
    let { generation } = memory;
    for (const program of this.programs) program.prepare(times);
    if (memory.generation === generation) return;
    generation = memory.generation;
    for (const program of this.programs) program.prepare(0);
    if (memory.generation === generation) return;
    throw new GraphError(
      "sequence: two programs update a parameter as parts of different flattened buffers; give it to one optimizer",
    );
  }
}
