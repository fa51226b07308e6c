/**
 * From a way of writing to one hand's version of it: points moved a little, joined by smooth curves, slanted, turned,
 * stretched, bent, fitted to the image. All chance comes from the given stream, in a fixed order.
 */
import { cosSin2Pi } from "../../common/math-exact.ts";
import type { Random } from "../../common/random.ts";
import { SIDE } from "./pen-canvas.ts";
import type { WritingStyle } from "./writing-styles.ts";

/** Straight pieces per stretch of curve between two points of a stroke. */
const STEPS = 5;
/** Room for the longest style: two strokes of 7 points, or one of 11, with jitter and rings to spare. */
const CAPACITY = 128;
/** Vectors of the bending grid along each side. */
const GRID = 4;

/** How far shapes may stray; each is the largest value, most are smaller. */
export interface Distortion {
  /** Of every point, as a share of the digit's height. */
  readonly jitter: number;
  /** In turns (1 is a full one). */
  readonly rotation: number;
  /** Sideways lean per height, around `lean`. */
  readonly shear: number;
  readonly lean: number;
  /** Width is multiplied by 1 / (1 + stretch) .. 1 + stretch. */
  readonly stretch: number;
  /** How much wider the digit is at its foot than at its head, or narrower. */
  readonly taper: number;
  /** How far the waist moves up or down, as a share of the height. */
  readonly waist: number;
  /** Of the bending grid's vectors, in pixels. */
  readonly bend: number;
  /** Of the centre of the ink from the centre of the image, in pixels. */
  readonly shift: number;
  /** Longest side of the ink in pixels. */
  readonly size: readonly [smallest: number, largest: number];
}

/** A digit as pen paths in pixels; reused from one image to the next. */
export class PenPath {
  readonly x = new Float64Array(CAPACITY);
  readonly y = new Float64Array(CAPACITY);
  /** 1 where a stroke begins: no line leads there. */
  readonly begins = new Uint8Array(CAPACITY);
  count = 0;
  readonly #grid = new Float64Array(2 * GRID * GRID);

  #add(x: number, y: number, begins: 0 | 1): void {
    this.x[this.count] = x;
    this.y[this.count] = y;
    this.begins[this.count] = begins;
    this.count++;
  }

  /** Draws the style's points with jitter and joins them: Catmull-Rom curves that end at corners. */
  write(style: WritingStyle, random: Random, jitter: number): void {
    this.count = 0;
    for (const stroke of style.strokes) {
      const points = stroke.map(({ x, y, corner }) => ({
        x: x + spread(random, jitter),
        y: y + spread(random, jitter),
        corner,
      }));
      for (let i = 0; i + 1 < points.length; i++) {
        const from = points[i];
        const to = points[i + 1];
        if (!from || !to) break;
        if (i === 0) this.#add(from.x, from.y, 1);
        // Beyond an end or a corner the neighbour is the point itself.
        const before = (!from.corner && points[i - 1]) || from;
        const after = (!to.corner && points[i + 2]) || to;
        for (let step = 1; step <= STEPS; step++) {
          const t = step / STEPS;
          this.#add(
            catmullRom(before.x, from.x, to.x, after.x, t),
            catmullRom(before.y, from.y, to.y, after.y, t),
            0,
          );
        }
      }
    }
  }

  /** Slants, turns and stretches, then fits the ink (pen radius `radius`) into the image. */
  place(random: Random, distortion: Distortion, radius: number): void {
    const { lean, shear, rotation, stretch, taper, waist, size, shift, bend } = distortion;
    const slant = lean + spread(random, shear);
    const [cos, sin] = cosSin2Pi(spread(random, rotation));
    const wide = 1 + random.uniform() * stretch;
    const width = random.uniform() < 0.5 ? wide : 1 / wide;
    const foot = spread(random, taper);
    const sag = 4 * spread(random, waist);
    for (let i = 0; i < this.count; i++) {
      const height = (this.y[i] as number) - 0.5;
      const y = height + sag * (0.25 - height * height);
      const x = ((this.x[i] as number) - 0.3) * width * (1 + height * foot) - y * slant;
      this.x[i] = x * cos - y * sin;
      this.y[i] = x * sin + y * cos;
    }
    const longest = random.uniform(size[0], size[1]) - 2 * radius;
    this.#fit(longest, SIDE / 2 + spread(random, shift), SIDE / 2 + spread(random, shift), radius);
    this.#bend(random, bend);
  }

  /** Scales to the longest side and moves the centre of the ink to (cx, cy), as far as the image's border allows. */
  #fit(longest: number, cx: number, cy: number, radius: number): void {
    const { x, y, begins, count } = this;
    let [left, right, top, bottom] = [1e9, -1e9, 1e9, -1e9];
    let [length, sumX, sumY] = [1e-9, 0, 0];
    for (let i = 0; i < count; i++) {
      const px = x[i] as number;
      const py = y[i] as number;
      if (px < left) left = px;
      if (px > right) right = px;
      if (py < top) top = py;
      if (py > bottom) bottom = py;
      if (begins[i]) continue;
      const dx = px - (x[i - 1] as number);
      const dy = py - (y[i - 1] as number);
      const step = Math.sqrt(dx * dx + dy * dy);
      length += step;
      sumX += step * (px - dx / 2);
      sumY += step * (py - dy / 2);
    }
    const scale = longest / (right - left > bottom - top ? right - left : bottom - top);
    const border = radius + 1;
    const moveX = within(cx - (sumX / length) * scale, border - left * scale, SIDE - border - right * scale);
    const moveY = within(cy - (sumY / length) * scale, border - top * scale, SIDE - border - bottom * scale);
    for (let i = 0; i < count; i++) {
      x[i] = (x[i] as number) * scale + moveX;
      y[i] = (y[i] as number) * scale + moveY;
    }
  }

  /** Moves every point by a smooth field of random vectors. */
  #bend(random: Random, bend: number): void {
    const grid = this.#grid;
    for (let i = 0; i < grid.length; i++) grid[i] = spread(random, bend);
    for (let i = 0; i < this.count; i++) {
      const gx = within((this.x[i] as number) / SIDE, 0, 0.999) * (GRID - 1);
      const gy = within((this.y[i] as number) / SIDE, 0, 0.999) * (GRID - 1);
      const column = Math.floor(gx);
      const row = Math.floor(gy);
      const tx = ease(gx - column);
      const ty = ease(gy - row);
      for (let axis = 0; axis < 2; axis++) {
        const at = 2 * (row * GRID + column) + axis;
        const above = mix(grid[at] as number, grid[at + 2] as number, tx);
        const below = mix(grid[at + 2 * GRID] as number, grid[at + 2 * GRID + 2] as number, tx);
        const axisValues = axis === 0 ? this.x : this.y;
        axisValues[i] = (axisValues[i] as number) + mix(above, below, ty);
      }
    }
  }
}

/** Between -most and most, small values more likely (the sum of two even draws). */
export function spread(random: Random, most: number): number {
  return (random.uniform() + random.uniform() - 1) * most;
}

const mix = (a: number, b: number, t: number) => a + (b - a) * t;
const ease = (t: number) => t * t * (3 - 2 * t);
const within = (value: number, low: number, high: number) =>
  value < low ? low : value > high ? high : value;

/** The curve from b to c, tangent to a-c at b and to b-d at c. */
function catmullRom(a: number, b: number, c: number, d: number, t: number): number {
  const cubic = 3 * (b - c) + d - a;
  const square = 2 * a - 5 * b + 4 * c - d;
  return b + 0.5 * t * (c - a + t * (square + t * cubic));
}
