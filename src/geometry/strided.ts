/**
 * How copies walk part of a tensor: six nested loops of sizes D0 … D5, the innermost last, with strides S0 … S5, from element BASE
 * on. The same names in WGSL and CPU bodies.
 */
import { sizeOf } from "../graph/spec.ts";
import { type Loop, padLoops } from "./axis.ts";

/** The number of loops; a copy of more axes that can't be merged is refused. */
export const MAX_LOOPS = 6;

export type StridedConstants = {
  readonly [name: string]: number;
  readonly BASE: number;
  readonly COUNT: number;
};

/** Constants of `loops`, at most MAX_LOOPS. */
export function stridedConstants(loops: readonly Loop[], BASE: number): StridedConstants {
  const constants: Record<string, number> = {};
  padLoops(loops, MAX_LOOPS).forEach(({ size, stride }, i) => {
    constants[`D${i}`] = size;
    constants[`S${i}`] = stride;
  });
  return { ...constants, BASE, COUNT: sizeOf(loops.map(({ size }) => size)) };
}

/** Calls `visit` with each element's number in the order of the loops, and its index. */
export function eachStrided(constants: StridedConstants, visit: (e: number, index: number) => void): void {
  for (let e = 0; e < constants.COUNT; e++) {
    let rest = e;
    let index = constants.BASE;
    for (let i = MAX_LOOPS - 1; i >= 0; i--) {
      index += (rest % constants[`D${i}`]!) * constants[`S${i}`]!;
      rest = Math.floor(rest / constants[`D${i}`]!);
    }
    visit(e, index);
  }
}
