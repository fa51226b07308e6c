/** From all that a recorder wrote down to what the recorded programs use, numbered anew: the rest of a `Recording`. */

import { countConstants } from "../ops/gather-counts.ts";
import { toBase64 } from "./base64.ts";
import { foldWgsl } from "./fold-wgsl.ts";
import { pruneWgsl } from "./prune-wgsl.ts";
import type { Recorder, Write } from "./recorder.ts";
import type {
  Place,
  RecordedDispatch,
  RecordedInitial,
  RecordedPipeline,
  RecordedSteps,
  RecordedValues,
  Recording,
} from "./recording.ts";
import { shortOverrides } from "./short-overrides.ts";

type Rest = "needs" | "shaders" | "layouts" | "pipelines" | "buffers" | "values";

/** `made` with the numbers of `recorder`. `ignored`: places that are written from elsewhere. */
export function squeezed(
  made: Omit<Recording, Rest>,
  recorder: Recorder,
  ignored: readonly Place[],
): Recording {
  const buffers = new Numbers<number>();
  const pipelines = new Numbers<number>();
  const shaders = new Numbers<number>();
  const layouts = new Numbers<string>();
  const place = <P extends Place>(old: P): P => ({ ...old, buffer: buffers.of(old.buffer) });
  // Data get buffers of their own size.
  const data = [made.train, ...(made.test ? [made.test] : [])].flatMap((s) => [
    s.inputs.buffer,
    s.labels.buffer,
  ]);
  let largest = 0;
  const dispatches = (old: readonly RecordedDispatch[]): RecordedDispatch[] =>
    old.map(([pipeline, groups, bindings, label]) => [
      pipelines.of(pipeline),
      groups,
      bindings.map(([binding, buffer, offset, size]) => {
        if (!data.includes(buffer)) largest = Math.max(largest, size);
        return [binding, buffers.of(buffer), offset, size];
      }),
      label,
    ]);
  const places = <P extends Place>(old: readonly P[]): P[] => old.map((each) => place(each));
  const steps = (old: RecordedSteps): RecordedSteps => ({
    ...old,
    dispatches: dispatches(old.dispatches),
    inputs: place(old.inputs),
    labels: place(old.labels),
    step: place(old.step),
    ring: place(old.ring),
  });
  const programs = Object.entries(made.programs).map(([name, { inputs, outputs, ...old }]) => [
    name,
    { dispatches: dispatches(old.dispatches), inputs: places(inputs), outputs: places(outputs) },
  ]);
  const { states, train, test } = made;
  const renumbered = {
    ...made,
    train: steps(train),
    ...(test && { test: steps(test) }),
    programs: Object.fromEntries(programs),
    states: {
      parameters: places(states.parameters),
      buffers: places(states.buffers),
      packed: places(states.packed),
      step: place(states.step),
      key: place(states.key),
      learningRate: place(states.learningRate),
    },
  };
  const written = pipelines.all.map((n) => recorder.pipelines[n] as Recorder["pipelines"][number]);
  const recorded = written.map(({ shader, entry, constants, layout }) => ({
    shader: shaders.of(shader),
    entry,
    constants,
    layout: layouts.of(layout),
  }));
  const own = new Set(ignored.map(nameOf));
  const first = new Map<string, Write>();
  for (const write of recorder.writes) {
    // The data themselves are no part of a recording.
    if (data.includes(write.buffer) || own.has(nameOf(write)) || !buffers.has(write.buffer)) continue;
    first.set(nameOf(write), write);
  }
  const pruned = shaders.all.map((n, at) => {
    const { file, code } = recorder.shaders[n] as Recorder["shaders"][number];
    const entries = new Set(recorded.filter(({ shader }) => shader === at).map(({ entry }) => entry));
    const used = written.filter((_, i) => recorded[i]?.shader === at);
    return { file, code: pruneWgsl(foldWgsl(pruneWgsl(code, entries), common(used)), entries) };
  });
  const pipelinesOf = recorded.map((pipeline) => ({
    ...pipeline,
    constants: declared(
      pipeline.constants,
      pruneWgsl((pruned[pipeline.shader] as { code: string }).code, new Set([pipeline.entry])),
    ),
  }));
  return {
    ...renumbered,
    ...shortOverrides({ shaders: pruned, pipelines: pipelinesOf }, OF_DATA),
    needs: {
      maxStorageBufferBindingSize: largest,
      maxStorageBuffersPerShaderStage: Math.max(...layouts.all.map((l) => l.split(" ").length)),
      subgroupSize: pruned.some(({ code }) => /\bsubgroups\b/.test(code)) ? recorder.target.subgroupSize : 0,
    },
    layouts: layouts.all,
    buffers: buffers.all.map((n) =>
      data.includes(n) ? SMALLEST : (recorder.buffers[n] as Recorder["buffers"][number]).size,
    ),
    values: [...first.values()].map(
      ({ data, ...where }): RecordedValues => ({ ...place(where), ...packed(data) }),
    ),
  };
}

/** Constants that follow from the data. */
const OF_DATA: ReadonlySet<string> = new Set(["B", ...Object.keys(countConstants(1, 1))]);

/** Bytes of a buffer that is not in use yet. */
const SMALLEST = 16;

const nameOf = ({ buffer, offset }: Place) => `${buffer}:${offset}`;

/** What all of these pipelines have the same value for, whatever the data are. */
function common(pipelines: readonly Pick<RecordedPipeline, "constants">[]): ReadonlyMap<string, number> {
  const [first, ...others] = pipelines.map(({ constants }) => constants);
  return new Map(
    Object.entries(first ?? {}).filter(
      ([name, value]) => !OF_DATA.has(name) && others.every((constants) => constants[name] === value),
    ),
  );
}

/** Constants that the entry point has a use for. */
function declared(constants: Readonly<Record<string, number>>, code: string): Record<string, number> {
  return Object.fromEntries(
    Object.entries(constants).filter(([name]) => new RegExp(`override\\s+${name}\\b`).test(code)),
  );
}

export function packed(data: Write["data"]): RecordedInitial {
  const dtype = data instanceof Int32Array ? "i32" : data instanceof Uint32Array ? "u32" : "f32";
  const [fill = 0] = data;
  const base64 = toBase64(data);
  // JSON has no infinities and no -0.
  if (data.some((value) => !Number.isFinite(value) || Object.is(value, -0))) return { dtype, base64 };
  if (data.every((value) => value === fill)) return { dtype, fill, count: data.length };
  const numbers = [...data];
  return JSON.stringify(numbers).length < base64.length ? { dtype, numbers } : { dtype, base64 };
}

/** Gives out 0, 1, 2 … in the order in which things are first asked for. */
class Numbers<T> {
  readonly all: T[] = [];

  of(thing: T): number {
    const known = this.all.indexOf(thing);
    return known >= 0 ? known : this.all.push(thing) - 1;
  }

  has(thing: T): boolean {
    return this.all.includes(thing);
  }
}
