/** Kernels of ops that move elements between a tensor and a strided part of one: slice, flip, pad, concat, permute. */
import { type StridedConstants, stridedConstants } from "../../geometry/strided.ts";
import { type Kernel, type KernelPlan, spread } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";

const code = () => import("../../../shaders/shape/strided-copy.wgsl?raw");

const shader = new Shader("strided-copy.wgsl", code);

/** Workgroups of 64 invocations, each of which does four elements. */
const groupsFor = (count: number) => spread(Math.ceil(count / 256));

function copy(entry: "readPart" | "writePart", x: string, constants: StridedConstants): Kernel {
  return { shader, entry, bind: [["x", x], "y"], constants, groups: groupsFor(constants.COUNT) };
}

/** y = the strided part of x. */
export function readKernels(constants: StridedConstants): KernelPlan {
  return { kernels: [copy("readPart", "x", constants)] };
}

export type EmbedConstants = StridedConstants & { readonly TOTAL: number; readonly VALUE: number };

/** y, of TOTAL elements, has x as its strided part and VALUE elsewhere. */
export function embedKernels(constants: EmbedConstants): KernelPlan {
  const write = copy("writePart", "x", constants);
  if (constants.TOTAL === constants.COUNT) return { kernels: [write] };
  const all = { COUNT: constants.TOTAL };
  const fill: Kernel = { shader, entry: "fill", bind: ["y"], constants: all, groups: groupsFor(all.COUNT) };
  return { kernels: [fill, write] };
}

export type ConcatConstants = {
  readonly OUTER: number;
  readonly INNER: number;
  readonly TOTAL: number;
  /** Of each input along the axis. */
  readonly sizes: readonly number[];
};

/** Inputs xs0, xs1 … [OUTER, size, INNER] one after another in y [OUTER, TOTAL, INNER], one dispatch each. */
export function concatKernels({ OUTER, INNER, TOTAL, sizes }: ConcatConstants): KernelPlan {
  let start = 0;
  const kernels = sizes.map((size, i) => {
    const loops = [
      { size: OUTER, stride: TOTAL * INNER },
      { size: size * INNER, stride: 1 },
    ];
    const base = start * INNER;
    start += size;
    return copy("writePart", `xs${i}`, stridedConstants(loops, base));
  });
  return { kernels };
}
