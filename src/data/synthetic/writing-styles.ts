/**
 * How people write digits: several styles per digit, each with a few pen strokes. A stroke is a list of the points that the
 * pen passes, in hundredths of the digit's height; x points right and y down, "!" marks a sharp turn.
 */

export interface PenPoint {
  readonly x: number;
  readonly y: number;
  /** Whether the pen turns sharply here; elsewhere its path is smooth. */
  readonly corner: boolean;
}

/** A way to write a digit. */
export interface WritingStyle {
  /** How often it is used, relative to the digit's other styles. */
  readonly weight: number;
  readonly strokes: readonly (readonly PenPoint[])[];
}

/** For each digit: [weight, strokes]. */
const STYLES: readonly (readonly (readonly [weight: number, ...strokes: string[]])[])[] = [
  // 0: closed, with overlapping ends, narrow, with a curl inside, crossing at the top
  [
    [4, "34,0 10,16 0,52 10,87 34,100 60,86 70,50 60,14 34,0"],
    [3, "48,6 22,4 3,36 6,78 30,100 56,86 68,46 54,10 30,2"],
    [2, "26,0 6,20 0,55 8,90 22,100 40,85 46,48 38,12 24,1"],
    [1, "30,3 6,26 2,66 24,97 52,90 68,52 58,14 36,10 30,20"],
    [2, "20,22 34,4 14,12 0,50 14,92 44,95 62,58 54,20 34,6 50,0"],
  ],
  // 1: a bar, a slanted bar, with a flag, with flag and base
  [
    [5, "10,0 10,50 9,100"],
    [4, "42,0 22,50 0,100"],
    [2, "0,24 14,14 28,0! 28,50 27,100"],
    [1, "2,20 16,12 28,0! 28,50 27,100", "2,100 28,100 54,98"],
  ],
  // 2: pointed, looped, with a wavy base, broad, small-headed, with a large loop
  [
    [4, "3,22 16,4 40,0 58,14 54,38 32,68 2,97! 34,96 68,95"],
    [3, "6,20 26,1 50,6 54,30 38,62 16,93 2,94 6,79 24,82 46,98 72,94"],
    [2, "2,18 22,0 48,6 52,32 28,70 0,98! 20,88 44,97 66,88"],
    [1, "4,10 34,0 60,10 60,36 36,64 10,86 16,97 44,98 74,98"],
    [1, "16,14 30,0 42,10 32,48 2,96! 34,92 72,95"],
    [2, "4,24 28,0 54,20 44,62 16,97 0,82 18,66 50,84 78,100"],
  ],
  // 3: round with a cusp, with a small loop in the waist, flat top, wide open, small-headed
  [
    [4, "4,12 26,0 50,10 46,34 20,47! 48,54 58,76 36,98 0,90"],
    [2, "6,8 32,0 50,16 38,40 18,50 20,43 44,50 56,76 34,99 2,92"],
    [1, "2,3 28,1 54,1! 38,20 22,40! 48,48 58,72 36,98 0,90"],
    [2, "0,16 24,0 48,12 40,38 26,46! 50,56 50,82 26,100 0,98"],
    [1, "6,8 30,0 42,12 34,30 16,40! 46,44 58,70 40,98 6,95 2,84"],
  ],
  // 4: open in two strokes, closed, closed in one go, open and round, like a y, with a low bar
  [
    [4, "10,4 5,30 4,52! 30,53 62,48", "54,0 52,50 48,100"],
    [2, "42,0 20,30 0,62! 34,62 68,60", "46,0 45,50 43,100"],
    [1, "58,56 30,58 2,56! 24,28 46,0! 45,50 42,100"],
    [3, "6,3 2,34 16,50 40,44 56,10 58,0! 54,50 50,100"],
    [2, "0,5 6,34 22,44 42,32 56,0! 42,50 28,100"],
    [2, "26,0 12,28 0,56! 34,54 70,50", "50,26 46,60 40,100"],
  ],
  // 5: with a bar of its own, in one stroke, flowing like an S, small belly, long bar
  [
    [4, "14,2 11,22 8,44! 32,36 54,52 52,84 26,100 0,90", "14,3 36,2 62,0"],
    [3, "62,2 38,3 16,4! 12,22 8,42! 34,38 54,56 48,86 24,99 0,92"],
    [2, "66,4 40,0 18,10 16,32 36,46 50,68 38,92 18,98 0,88"],
    [1, "50,2 30,3 14,6! 10,26 8,48! 30,50 44,66 36,92 14,100 0,96"],
    [2, "20,8 16,26 10,46! 34,44 46,64 32,94 0,96", "20,10 50,6 84,0"],
  ],
  // 6: sweeping, with a straight back, with a hooked top, large belly, narrow
  [
    [4, "46,0 22,22 5,56 8,86 28,100 50,88 50,66 30,58 7,76"],
    [3, "30,0 12,34 2,70 12,96 36,97 48,78 36,62 16,66 4,82"],
    [1, "58,10 42,1 18,18 3,56 10,90 34,100 54,82 44,60 22,58 6,74"],
    [2, "36,0 10,28 0,64 14,95 40,99 58,78 50,52 28,46 4,66"],
    [2, "24,0 8,38 2,76 14,100 30,88 24,70 5,80"],
  ],
  // 7: plain, with a bar, with a serif, rounded, with serif and bar
  [
    [4, "0,5 30,4 60,2! 42,46 26,100"],
    [2, "0,5 30,4 60,2! 42,46 26,100", "14,50 36,49 60,46"],
    [1, "0,22 2,12 4,3! 32,4 60,2! 44,36 34,68 30,100"],
    [2, "0,14 20,2 46,2 56,12 46,38 30,68 20,100"],
    [1, "0,20 8,4! 30,6 56,0! 36,42 22,100", "8,56 34,50 60,50"],
  ],
  // 8: in one go, two rings, open at the top, slanted loop, small foot, begun in the middle
  [
    [4, "52,12 30,0 8,14 16,36 40,54 50,78 30,100 6,84 16,58 40,36 52,12"],
    [2, "28,0 8,12 10,36 28,46 46,36 48,12 28,0", "28,46 6,60 4,86 28,100 52,86 50,60 28,46"],
    [2, "48,6 24,2 8,20 24,42 44,62 42,90 20,100 4,82 20,56 44,34 56,6"],
    [2, "60,8 40,0 20,16 26,38 42,58 36,88 14,100 2,86 14,62 42,40 62,16"],
    [2, "54,12 30,0 6,14 14,40 34,66 28,98 12,90 22,60 44,34 56,8"],
    [1, "30,44 10,28 16,4 40,2 48,24 28,48 6,74 16,98 42,96 52,72 30,46"],
  ],
  // 9: straight tail, curved tail, ring and bar, sweeping, small-headed, with a hooked tail
  [
    [4, "50,16 30,0 8,12 4,36 24,48 46,32 52,12! 50,54 46,100"],
    [3, "50,14 28,0 6,16 6,40 28,48 50,28 53,18 52,58 36,92 6,98"],
    [2, "46,10 24,0 3,18 8,42 30,44 46,22 46,10! 38,56 26,100"],
    [2, "44,8 22,4 4,24 14,42 38,34 50,8 46,40 34,74 20,100"],
    [2, "40,6 20,0 3,14 10,32 30,26 42,5! 38,50 30,100"],
    [1, "46,12 24,0 4,18 10,42 34,42 48,14! 52,56 46,88 24,100 4,86"],
  ],
];

/** The styles of each digit: `readWritingStyles()[7]` are those of the 7. */
export function readWritingStyles(): readonly (readonly WritingStyle[])[] {
  return STYLES.map((styles) =>
    styles.map(([weight, ...strokes]) => ({
      weight,
      strokes: strokes.map((stroke) => stroke.split(" ").map(readPoint)),
    })),
  );
}

function readPoint(text: string): PenPoint {
  const [x = 0, y = 0] = text.split(",").map(Number.parseFloat);
  return { x: x / 100, y: y / 100, corner: text.endsWith("!") };
}
