/**
 * Draws pen strokes into a small grey image: computes the signed distance of every pixel to the nearest edge of the pen,
 * then shades the edge softly. Uses only + - * / and square roots, which IEEE 754 rounds the same on every host.
 */

/** Side of the image in pixels. */
export const SIDE = 28;
const PIXELS = SIDE * SIDE;
const FAR = 1e3;

/** A canvas that is reused for many images. */
export class PenCanvas {
  /** Distance in pixels from each pixel's centre to the edge of the pen; negative inside the stroke. */
  readonly #distance = new Float64Array(PIXELS);

  clear(): void {
    this.#distance.fill(FAR);
  }

  /** Moves the pen from (x0, y0) to (x1, y1) while its radius changes from r0 to r1. `reach`: pixels that the edge blurs over. */
  line(x0: number, y0: number, r0: number, x1: number, y1: number, r1: number, reach: number): void {
    const distance = this.#distance;
    const margin = Math.max(r0, r1) + reach;
    // Pixel i has its centre at i + 0.5.
    const left = Math.max(0, Math.floor(Math.min(x0, x1) - margin));
    const right = Math.min(SIDE - 1, Math.floor(Math.max(x0, x1) + margin));
    const top = Math.max(0, Math.floor(Math.min(y0, y1) - margin));
    const bottom = Math.min(SIDE - 1, Math.floor(Math.max(y0, y1) + margin));
    const dx = x1 - x0;
    const dy = y1 - y0;
    const squared = dx * dx + dy * dy;
    const inverse = squared > 1e-12 ? 1 / squared : 0;
    const limit = margin * margin;
    for (let row = top; row <= bottom; row++) {
      const py = row + 0.5 - y0;
      for (let column = left; column <= right; column++) {
        const px = column + 0.5 - x0;
        let t = (px * dx + py * dy) * inverse;
        t = t < 0 ? 0 : t > 1 ? 1 : t;
        const ex = px - t * dx;
        const ey = py - t * dy;
        const away = ex * ex + ey * ey;
        if (away > limit) continue;
        const d = Math.sqrt(away) - (r0 + t * (r1 - r0));
        const at = row * SIDE + column;
        if (d < (distance[at] as number)) distance[at] = d;
      }
    }
  }

  /**
   * Writes the image. `edge`: width of the soft edge in pixels. `ink`: darkest value, clamped to 255. `grain()` returns
   * 0 .. 1 for the next pixel, by how much of `noise` its ink is weakened.
   */
  develop(
    out: Uint8Array,
    offset: number,
    edge: number,
    ink: number,
    noise: number,
    grain: () => number,
  ): void {
    const distance = this.#distance;
    const slope = 1 / edge;
    for (let at = 0; at < PIXELS; at++) {
      const cover = Math.min(1, 0.5 - (distance[at] as number) * slope);
      if (cover <= 0) {
        out[offset + at] = 0;
        continue;
      }
      const shade = cover * cover * (3 - 2 * cover);
      const value = ink * shade * (1 - noise * grain());
      out[offset + at] = value < 255 ? Math.floor(value + 0.5) : 255;
    }
  }
}
