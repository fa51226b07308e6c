/**
 * Turns a writing style into one person's version of it: points moved a little and joined by smooth curves, then slanted,
 * rotated, stretched, bent and fitted to the image. All randomness comes from the given stream, in a fixed order.
 */
import { cosSin2Pi } from "../../numbers/math-exact.ts";
import type { Random } from "../../numbers/random.ts";
import { SIDE } from "./pen-canvas.ts";
import type { WritingStyle } from "./writing-styles.ts";

/** Largest deviations; most are smaller. Lengths are shares of the digit's height where they are not in pixels. */
const JITTER = 0.075;
/** In turns. */
const ROTATION = 0.05;
/** Sideways lean per height: the average, and the deviation from it. */
const LEAN = 0.15;
const SHEAR = 0.42;
/** The width is multiplied by 1 / (1 + STRETCH) .. 1 + STRETCH. */
const STRETCH = 0.5;
/** How much wider or narrower the digit is at its foot than at its head. */
const TAPER = 0.55;
/** How far the middle moves up or down. */
const WAIST = 0.09;
/** Length of the bending grid's vectors, in pixels. */
const BEND = 1.6;
/** Distance of the centre of the ink from the centre of the image, in pixels. */
const SHIFT = 2;
/** Smallest and largest length of the longer side of the ink, in pixels. */
const SIZE = [18, 21.5] as const;

/** Straight lines per curve between two points of a stroke. */
const STEPS = 5;
/** Most points: enough for the longest style, two strokes of 7 points or one of 11. */
const CAPACITY = 128;
/** Vectors of the bending grid along each side. */
const GRID = 4;

/** A digit as pen strokes in pixels. One object is reused for many images. */
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

  /** Sets the path to the style's points, moved at random, and joined by Catmull-Rom curves that end at corners. */
  write(style: WritingStyle, random: Random): void {
    const jitter = JITTER * (0.3 + 0.7 * random.uniform());
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
        // Ends and corners have no neighbour beyond them: the curve is straight there.
        const before = (!from.corner && points[i - 1]) || from;
        const after = (!to.corner && points[i + 2]) || to;
        for (let step = 1; step <= STEPS; step++) {
          const t = step / STEPS;
          const x = catmullRom(before.x, from.x, to.x, after.x, t);
          this.#add(x, catmullRom(before.y, from.y, to.y, after.y, t), 0);
        }
      }
    }
  }

  /** Deforms the path and fits its ink, drawn with a pen of `radius` pixels, into the image. */
  place(random: Random, radius: number): void {
    const slant = LEAN + spread(random, SHEAR);
    const [cos, sin] = cosSin2Pi(spread(random, ROTATION));
    const wide = 1 + random.uniform() * STRETCH;
    const width = random.uniform() < 0.5 ? wide : 1 / wide;
    const foot = spread(random, TAPER);
    const sag = 4 * spread(random, WAIST);
    for (let i = 0; i < this.count; i++) {
      const height = (this.y[i] as number) - 0.5;
      const y = height + sag * (0.25 - height * height);
      const x = ((this.x[i] as number) - 0.3) * width * (1 + height * foot) - y * slant;
      this.x[i] = x * cos - y * sin;
      this.y[i] = x * sin + y * cos;
    }
    const longest = random.uniform(...SIZE) - 2 * radius;
    this.#fit(longest, SIDE / 2 + spread(random, SHIFT), SIDE / 2 + spread(random, SHIFT), radius);
    this.#bend(random);
  }

  /** Scales the longer side to `longest` and moves the centre of the ink to (cx, cy), as far as the image's border allows. */
  #fit(longest: number, cx: number, cy: number, radius: number): void {
    const { x, y, begins, count } = this;
    let [left, right, top, bottom] = [1e9, -1e9, 1e9, -1e9];
    let [length, sumX, sumY] = [1e-9, 0, 0];
    for (let i = 0; i < count; i++) {
      const px = x[i] as number;
      const py = y[i] as number;
      left = Math.min(left, px);
      right = Math.max(right, px);
      top = Math.min(top, py);
      bottom = Math.max(bottom, py);
      if (begins[i]) continue;
      const dx = px - (x[i - 1] as number);
      const dy = py - (y[i - 1] as number);
      const step = Math.sqrt(dx * dx + dy * dy);
      length += step;
      sumX += step * (px - dx / 2);
      sumY += step * (py - dy / 2);
    }
    const scale = longest / Math.max(right - left, bottom - top);
    const border = radius + 1;
    const moveX = within(cx - (sumX / length) * scale, border - left * scale, SIDE - border - right * scale);
    const moveY = within(cy - (sumY / length) * scale, border - top * scale, SIDE - border - bottom * scale);
    for (let i = 0; i < count; i++) {
      x[i] = (x[i] as number) * scale + moveX;
      y[i] = (y[i] as number) * scale + moveY;
    }
  }

  /** Moves every point by a smooth field: random vectors on a grid, interpolated between. */
  #bend(random: Random): void {
    const grid = this.#grid;
    for (let i = 0; i < grid.length; i++) grid[i] = spread(random, BEND);
    for (let i = 0; i < this.count; i++) {
      const gx = within((this.x[i] as number) / SIDE, 0, 0.999) * (GRID - 1);
      const gy = within((this.y[i] as number) / SIDE, 0, 0.999) * (GRID - 1);
      const [column, row] = [Math.floor(gx), Math.floor(gy)];
      const [tx, ty] = [smooth(gx - column), smooth(gy - row)];
      for (const [axis, values] of [this.x, this.y].entries()) {
        const at = 2 * (row * GRID + column) + axis;
        const above = mix(grid[at] as number, grid[at + 2] as number, tx);
        const below = mix(grid[at + 2 * GRID] as number, grid[at + 2 * GRID + 2] as number, tx);
        values[i] = (values[i] as number) + mix(above, below, ty);
      }
    }
  }
}

/** Between -most and most, small values more likely: the sum of two uniform numbers. */
export function spread(random: Random, most: number): number {
  return (random.uniform() + random.uniform() - 1) * most;
}

const mix = (a: number, b: number, t: number) => a + (b - a) * t;
const smooth = (t: number) => t * t * (3 - 2 * t);
const within = (value: number, low: number, high: number) =>
  value < low ? low : value > high ? high : value;

/** The Catmull-Rom curve from b to c: parallel to a-c at b and to b-d at c. */
function catmullRom(a: number, b: number, c: number, d: number, t: number): number {
  const cubic = 3 * (b - c) + d - a;
  const square = 2 * a - 5 * b + 4 * c - d;
  return b + 0.5 * t * (c - a + t * (square + t * cubic));
}
