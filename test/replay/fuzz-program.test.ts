/**
 * Mutated program files, in their bytes and in their structure: each is refused by a typed error that names the file, or is a
 * program whose indices and bindings are all within what it declares. Some of the latter are opened on the device.
 */
import { expect, test } from "vitest";
import { packLayout } from "../../src/graph/pack-layout.ts";
import { sizeOf } from "../../src/graph/spec.ts";
import * as nn from "../../src/nn/index.ts";
import { Random } from "../../src/numbers/random.ts";
import * as optim from "../../src/optim/index.ts";
import type { BufferImage } from "../../src/plan/image.ts";
import { compileAheadOfTime } from "../../src/replay/compile.ts";
import { type AheadOfTimeProgram, checksumOf, type StoredImage } from "../../src/replay/format.ts";
import { readProgram } from "../../src/replay/read-program.ts";
import { openProgram } from "../../src/replay/trainer.ts";
import { ProgramError, WeftError } from "../../src/validation/errors.ts";
import { ascii } from "../support/archives.ts";
import { testGpu } from "../support/device.ts";
import { fuzz } from "../support/fuzz.ts";
import { inPage } from "../support/in-page.ts";

/** In a page fewer: the reader is plain JavaScript, the same in both hosts. */
const COUNT = inPage ? 500 : 5000;
/** Most of what a mutant may take; the sound program takes less than a hundredth. */
const maxBytes = 2 ** 26;

const train = {
  name: "noise",
  split: "train",
  count: 24,
  inputs: {
    data: Uint8Array.from({ length: 24 * 36 }, (_, i) => (i * 37) % 256),
    shape: [1, 6, 6],
    scale: 1 / 255,
  },
  labels: Int32Array.from({ length: 24 }, (_, i) => i % 3),
  classes: 3,
};

const sound = await compileAheadOfTime(
  {
    model: nn.sequential(nn.flatten(), nn.linear(36, 6), nn.batchNorm1d(6), nn.linear(6, 3)),
    loss: nn.crossEntropy(),
    optimizer: optim.sgd({ learningRate: 0.1, momentum: 0.9 }),
    batchSize: 8,
  },
  { train, test: train, predict: 4 },
);
const text = JSON.stringify(sound);

/** Whether everything in `program` refers to what is there, worked out apart from `readProgram`. */
function isSound(program: AheadOfTimeProgram): boolean {
  const { modules, kernels, leaves, states, test: tested, programs } = program;
  const within = (index: number, all: readonly unknown[]) =>
    Number.isInteger(index) && index >= 0 && index < all.length;
  const leafSize = (index: number) =>
    within(index, leaves) ? sizeOf(leaves[index]?.shape ?? []) : Number.NaN;
  const bytesOf = (b: BufferImage) => {
    if (b.role === "leaf") return 4 * Math.ceil(leafSize(b.leaf) / 4) * 4;
    if (b.role === "flattened") return 4 * packLayout(b.leaves.map(leafSize)).words;
    return b.role === "sizes" ? 4 * b.words.length : b.bytes;
  };
  let total = 0;
  const imageIsSound = ({ buffers, dispatches, outputs }: StoredImage) => {
    for (const b of buffers) total += b.bytes;
    return (
      buffers.every((b) => b.bytes === bytesOf(b) && b.bytes > 0 && b.bytes <= maxBytes) &&
      dispatches.every(({ kernel, bindings, groups }) => {
        const slots = kernels[kernel]?.layout.split(" ") ?? [];
        return (
          within(kernel, kernels) &&
          groups.every((n) => n >= 1 && n <= 65535) &&
          slots.length === bindings.length &&
          bindings.every(
            ([index, offset, size]) =>
              within(index, buffers) &&
              offset >= 0 &&
              offset % 256 === 0 &&
              size > 0 &&
              offset + size <= (buffers[index]?.bytes ?? 0),
          )
        );
      }) &&
      outputs.every(
        ({ buffer, offset, shape }) =>
          within(buffer, buffers) &&
          offset >= 0 &&
          offset + 4 * sizeOf(shape) <= (buffers[buffer]?.bytes ?? 0),
      )
    );
  };
  const { parameters, buffers, packed, step, key, learningRate } = states;
  const named = [...parameters, ...buffers, ...packed, ...Object.values(programs).flatMap((p) => p.inputs)];
  const steps = tested === undefined ? [program.train] : [program.train, tested];
  const images = [...steps, ...Object.values(programs)];
  return (
    kernels.every(({ module, entry }) => modules[module]?.code.includes(`fn ${entry}`) === true) &&
    named.every(({ leaf }) => within(leaf, leaves)) &&
    [step, key, learningRate].every((index) => within(index, leaves)) &&
    steps.every(
      ({ data, ring, step: own }) =>
        within(data.kernel, kernels) && [data.inputs, data.labels, ring, own].every((i) => within(i, leaves)),
    ) &&
    images.every(imageIsSound) &&
    total <= images.length * maxBytes
  );
}

test(`${COUNT} mutants of the bytes`, async () => {
  const { failures, refused, accepted } = await fuzz(
    {
      name: "program",
      files: [ascii(text)],
      words: [
        "null",
        "[]",
        "{}",
        "{",
        "[[[[[[",
        '"kernel":',
        "-0",
        "1e308",
        "99999999",
        '"__proto__":{"a":1},',
      ],
      read: (bytes, name) => isSound(readProgram(bytes, { name, maxBytes })),
      repair: (bytes) => {
        // Of code that is still JSON: what lies behind the checksum is reached.
        try {
          const mutant = JSON.parse(new TextDecoder().decode(bytes));
          const at = new TextDecoder("latin1").decode(bytes).indexOf(`"checksum":"`) + 12;
          bytes.set(ascii(checksumOf(mutant.modules)), at);
        } catch {
          // Not JSON any more.
        }
      },
    },
    COUNT,
  );
  expect(failures.slice(0, 5)).toEqual([]);
  expect(refused).toBeGreaterThan(COUNT / 2);
  expect(accepted).toBeGreaterThan(0);
});

const EXTREMES = [-1, 0, 1, 2, 0.5, 255, 65536, 2 ** 31, 2 ** 32, 1e9, Number.MAX_SAFE_INTEGER, 1e300];

type Tree = Record<string, unknown>;
// biome-ignore lint/suspicious/noExplicitAny: changed in ways that types forbid.
type Loose = any;
/** Mutants opened on the device, which takes a second each on software adapters. */
const OPENED = 5;

/** A program with one to three values changed: numbers, names, lists, whole branches. */
function mutant(random: Random): unknown {
  const program = JSON.parse(text) as Tree;
  const pick = <T>(all: readonly T[]) => all[random.below(all.length)] as T;
  for (let left = 1 + random.below(3); left > 0; left--) {
    let parent: Tree = program;
    let name = pick(Object.keys(parent));
    // As deep as chance leads, mostly to the end.
    while (typeof parent[name] === "object" && parent[name] !== null && random.below(12) > 0) {
      const child = parent[name] as Tree;
      if (Object.keys(child).length === 0) break;
      parent = child;
      name = pick(Object.keys(parent));
    }
    const value = parent[name];
    switch (random.below(8)) {
      case 0:
        delete parent[name];
        break;
      case 1:
        parent[name] = pick<unknown>([null, true, "", [], {}, [[]], "x", text.slice(0, 300)]);
        break;
      case 2:
        if (Array.isArray(value) && value.length > 0) value.splice(random.below(value.length), 1);
        else if (Array.isArray(parent)) parent.push(value);
        break;
      case 3:
        if (Array.isArray(value)) parent[name] = [...value, ...value];
        else parent[name] = typeof value === "string" ? `${value}${value}` : value;
        break;
      case 4:
        parent[name] = parent[pick(Object.keys(parent))];
        break;
      default:
        if (typeof value === "number") {
          parent[name] = pick([...EXTREMES, value + 1, value - 1, 2 * value, value + 256, -value]);
        } else if (typeof value === "string") parent[name] = value.slice(random.below(value.length + 1));
    }
  }
  if (random.below(2) === 0) {
    try {
      program.checksum = checksumOf(program.modules as AheadOfTimeProgram["modules"]);
    } catch {
      // No modules any more.
    }
  }
  return program;
}

test(`${COUNT} mutants of the structure, some of them opened`, async () => {
  const opened: unknown[] = [];
  const failures: string[] = [];
  let [refused, slowest] = [0, 0];
  for (let i = 0; i < COUNT; i++) {
    const given = mutant(new Random(2, i));
    const begun = performance.now();
    try {
      const program = readProgram(given, { name: `mutant-${i}`, maxBytes });
      if (!isSound(program)) failures.push(`mutant-${i}: accepted, but not sound`);
      else if (opened.length < OPENED && JSON.stringify(program) !== text) opened.push(given);
    } catch (error) {
      refused++;
      const typed = error instanceof ProgramError && error.message.startsWith(`mutant-${i}: `);
      if (!typed) failures.push(`mutant-${i}: ${(error as Error).stack}`);
    }
    slowest = Math.max(slowest, performance.now() - begun);
  }
  expect(failures.slice(0, 5)).toEqual([]);
  expect(refused).toBeGreaterThan(COUNT / 2);
  // Each takes milliseconds; on busy machines more.
  expect(slowest).toBeLessThan(60_000);

  expect(opened.length).toBe(OPENED);
  for (const given of opened) {
    const adapter = await (await testGpu()).requestAdapter();
    try {
      const trainer = await openProgram(given, adapter, { maxBytes });
      await trainer.trainProgram(train).catch((error: unknown) => {
        if (!(error instanceof WeftError)) throw error;
      });
      await trainer.backend.close();
    } catch (error) {
      expect(error).toBeInstanceOf(WeftError);
    }
  }
});

test("limits hold: buffers, values, dispatches, workgroups, WGSL, overrides, layouts, names", () => {
  const changed = (change: (program: Loose) => unknown) => {
    const program = JSON.parse(text);
    change(program);
    program.checksum = checksumOf(program.modules);
    return () => readProgram(program);
  };
  expect(changed(() => undefined)()).toEqual(sound);
  const workspace = sound.train.buffers.findIndex(({ role }) => role === "workspace");
  for (const [message, change] of [
    ["bytes must be a whole number from 4", (p) => (p.train.buffers[workspace].bytes = -1)],
    ["takes more than 2147483648 bytes", (p) => (p.train.buffers[workspace].bytes = 2 ** 31)],
    ["must be a whole number from 1", (p) => (p.leaves[0].shape = [1e9])],
    [
      "must be a list of 0 to 65536",
      (p) => (p.train.dispatches = new Array(1e6).fill(p.train.dispatches[0])),
    ],
    ["must be a whole number from 1 to 65535", (p) => (p.train.dispatches[0].groups = [70000])],
    ["are more than", (p) => (p.train.dispatches[0].groups = [65535, 65535])],
    ["must be a text of at most", (p) => (p.modules[0].code = "// ".repeat(1e6))],
    ["the module has no such override", (p) => (p.kernels[0].constants.NEW = 1)],
    ["must be a whole number from 0 to 4294967295", (p) => (p.kernels[0].constants.B = -1)],
    ["the module has no function", (p) => (p.kernels[0].entry = "nothing")],
    ["the module declares no binding", (p) => (p.kernels[0].layout = "0w 1r 2r 3r 4r 5w 6w 7w")],
    ["there is no buffer 999", (p) => (p.train.dispatches[0].bindings[0][0] = 999)],
    ["is no multiple of 256", (p) => (p.train.dispatches[0].bindings[0][1] = 4)],
    ["are no part of", (p) => (p.train.dispatches[0].bindings[0][2] = 2 ** 20)],
    ["must be a list of 8 to 8", (p) => p.train.dispatches[0].bindings.pop()],
    ["expected state u32 [1]", (p) => (p.states.step = p.states.key)],
    ["twice", (p) => (p.states.parameters[1].name = p.states.parameters[0].name)],
    ["must be loss, count", (p) => p.train.columns.shift()],
    ["expected input", (p) => (p.train.data.inputs = p.states.step)],
    ["its constant COUNT is undefined", (p) => delete p.kernels[p.train.data.kernel].constants.COUNT],
    ["expected an object, got a list", (p) => (p.states = [])],
  ] as readonly (readonly [string, (p: Loose) => unknown])[]) {
    expect(changed(change), message).toThrow(ProgramError);
    expect(changed(change), message).toThrow(message);
  }
  const damaged = { ...sound, modules: sound.modules.map((m) => ({ ...m, code: `${m.code} ` })) };
  expect(() => readProgram(damaged)).toThrow("damaged");
  expect(() => readProgram("{")).toThrow("not a Weft program");
  expect(() => readProgram("[".repeat(1e6))).toThrow(ProgramError);
  expect(() => readProgram(new Uint8Array([255, 254]))).toThrow(ProgramError);
  for (const nothing of [null, undefined, 7, [], {}])
    expect(() => readProgram(nothing)).toThrow("not a Weft program");
  const trap = Object.defineProperty({ ...sound }, "kernels", {
    enumerable: true,
    get: () => {
      throw new TypeError("trap");
    },
  });
  expect(() => readProgram(trap)).toThrow(ProgramError);
});
