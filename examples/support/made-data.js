/** Data that the examples make up, as a user's own program would. `random`: numbers in [0, 1), as Math.random. */
import { data } from "weft";

/** Eight points on a circle. */
export const CENTRES = Array.from({ length: 8 }, (_, i) => [
  Math.cos((i * Math.PI) / 4),
  Math.sin((i * Math.PI) / 4),
]);

/** Normal numbers, near enough: sums of twelve uniform ones. */
export const normalOf = (random) => () => Array.from({ length: 12 }, random).reduce((a, b) => a + b) - 6;

/** Points around the centres with a standard deviation of 0.05. */
export function clusters(count, random) {
  const normal = normalOf(random);
  const points = Array.from({ length: count }, (_, i) => CENTRES[i % 8].map((c) => c + 0.05 * normal()));
  return data.fromColumns({ points: { data: Float32Array.from(points.flat()), shape: [2] } });
}

/** Images with one disc (class 1) and one square (class 2) each, under noise. */
export function shapes(count, random, size = 32) {
  const pixels = new Float32Array(count * size * size);
  const labels = new Int32Array(count * size * size);
  for (let i = 0; i < count; i++) {
    const [cx, cy, sx, sy] = Array.from({ length: 4 }, () => size * (0.2 + 0.6 * random()));
    const [radius, half] = [0.1 + 0.1 * random(), 0.1 + 0.06 * random()].map((part) => part * size);
    for (let j = 0; j < size * size; j++) {
      const [x, y] = [j % size, Math.floor(j / size)];
      const disc = Math.hypot(x - cx, y - cy) < radius;
      const square = Math.max(Math.abs(x - sx), Math.abs(y - sy)) < half;
      labels[i * size * size + j] = square ? 2 : Number(disc);
      pixels[i * size * size + j] = Number(square || disc) + 0.6 * (random() + random() - 1);
    }
  }
  const inputs = { data: pixels, shape: [1, size, size] };
  const classNames = ["ground", "disc", "square"];
  return {
    name: "shapes",
    split: "all",
    count,
    inputs,
    labels,
    labelShape: [size, size],
    classes: 3,
    classNames,
  };
}

/** Heights of hills by place, and whether they are above the snow line, which moves with the season. */
export function hills(count, random) {
  const columns = { place: [], season: [], height: [], snow: [] };
  for (let i = 0; i < count; i++) {
    const [x, y, time] = [2 * random() - 1, 2 * random() - 1, 2 * Math.PI * random()];
    const height = Math.sin(3 * x) * Math.cos(2 * y);
    columns.place.push(x, y);
    columns.season.push(Math.cos(time), Math.sin(time));
    columns.height.push(height);
    columns.snow.push(Number(height > 0.5 * Math.cos(time)));
  }
  const column = (values, width) => ({ data: Float32Array.from(values), shape: [width] });
  const { place, season, height, snow } = columns;
  return data.fromColumns({
    ...{ place: column(place, 2), season: column(season, 2) },
    ...{ height: column(height, 1), snow: column(snow, 1) },
  });
}
