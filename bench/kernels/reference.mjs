// Reference results for every kernel case: plain loops in float64 that share no code with any library. Of the large hardware
// cases a sample of elements is computed; the others are NaN, and are not compared. Layouts are NCHW and OIHW.
import { inputsOf } from "./cases.mjs";

/** Updates after which Adam's parameters are compared. */
export const ADAM_UPDATES = 3;
const SAMPLED_ROWS = 16;

/** The outputs of one run of a case, each a Float64Array. */
export function referenceOutputs(testCase) {
  const compute = { matmul, conv2d, pool, softmax, batchNorm, adam }[testCase.kind];
  return compute(testCase, inputsOf(testCase));
}

/** Largest difference over the known elements, relative to the largest known value; Infinity for NaN or wrong sizes. */
export function worstDifference(actual, expected) {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let k = 0; k < expected.length; k++) {
    const [a, e] = [actual[k], expected[k]];
    if (a.length !== e.length) return Number.POSITIVE_INFINITY;
    let scale = 0;
    let error = 0;
    for (let i = 0; i < e.length; i++) {
      if (Number.isNaN(e[i])) continue;
      scale = Math.max(scale, Math.abs(e[i]));
      const d = Math.abs(a[i] - e[i]);
      if (!(d <= error)) error = Number.isNaN(d) ? Number.POSITIVE_INFINITY : d;
    }
    worst = Math.max(worst, scale === 0 ? error : error / scale);
  }
  return worst;
}

function matmul({ m, k, n, transposeA, transposeB, hardware }, [a, b]) {
  const y = new Float64Array(m * n).fill(hardware ? Number.NaN : 0);
  const [aRow, aColumn] = transposeA ? [1, m] : [k, 1];
  const [bRow, bColumn] = transposeB ? [1, k] : [n, 1];
  const step = hardware ? Math.floor(m / SAMPLED_ROWS) : 1;
  for (let i = hardware ? step - 1 : 0; i < m; i += step) {
    const row = y.subarray(i * n, (i + 1) * n).fill(0);
    for (let p = 0; p < k; p++) {
      const factor = a[i * aRow + p * aColumn];
      for (let j = 0; j < n; j++) row[j] += factor * b[p * bRow + j * bColumn];
    }
  }
  return [y];
}

/** All three passes add the same products x w dy into different places. */
function conv2d({ pass, n, c, h, w, out, kernel, padding, oh, ow, hardware }, [first, second]) {
  const sizes = { forward: n * out * oh * ow, input: n * c * h * w, weight: out * c * kernel ** 2 };
  const result = new Float64Array(sizes[pass]);
  // Where there are too many elements, only the last image or output channel is computed.
  const firstImage = hardware && pass !== "weight" ? n - 1 : 0;
  const firstOut = hardware && pass === "weight" ? out - 1 : 0;
  for (let image = firstImage; image < n; image++) {
    for (let o = firstOut; o < out; o++) {
      for (let ci = 0; ci < c; ci++) {
        for (let ky = 0; ky < kernel; ky++) {
          for (let kx = 0; kx < kernel; kx++) {
            const tap = ((o * c + ci) * kernel + ky) * kernel + kx;
            const left = Math.max(0, padding - kx);
            const right = Math.min(ow, w + padding - kx);
            let sum = 0;
            for (let row = Math.max(0, padding - ky); row < Math.min(oh, h + padding - ky); row++) {
              const y = ((image * out + o) * oh + row) * ow;
              const x = ((image * c + ci) * h + row + ky - padding) * w + kx - padding;
              if (pass === "forward") {
                for (let i = left; i < right; i++) result[y + i] += first[x + i] * second[tap];
              } else if (pass === "input") {
                for (let i = left; i < right; i++) result[x + i] += first[y + i] * second[tap];
              } else {
                for (let i = left; i < right; i++) sum += first[x + i] * second[y + i];
              }
            }
            if (pass === "weight") result[tap] += sum;
          }
        }
      }
    }
  }
  if (pass === "weight") result.fill(Number.NaN, 0, firstOut * c * kernel ** 2);
  else result.fill(Number.NaN, 0, firstImage * (result.length / n));
  return [result];
}

function pool({ mode, pass, n, c, h, w }, [x, dy]) {
  const y = new Float64Array((n * c * h * w) / 4);
  const dx = new Float64Array(x.length);
  for (let i = 0; i < y.length; i++) {
    const column = i % (w / 2);
    const row = Math.floor(i / (w / 2)); // of all planes together: h is even
    const corner = 2 * row * w + 2 * column;
    const places = [corner, corner + 1, corner + w, corner + w + 1];
    const values = places.map((p) => x[p]);
    y[i] = mode === "max" ? Math.max(...values) : values.reduce((s, v) => s + v, 0) / 4;
    if (pass === "forward") continue;
    if (mode === "max") dx[places[values.indexOf(y[i])]] += dy[i];
    else for (const p of places) dx[p] += dy[i] / 4;
  }
  return pass === "forward" ? [y] : [dx];
}

function softmax({ pass, rows, columns }, [x, dy]) {
  const result = new Float64Array(x.length);
  for (let r = 0; r < rows; r++) {
    const from = r * columns;
    const row = x.subarray(from, from + columns);
    const top = Math.max(...row);
    const powers = Float64Array.from(row, (v) => Math.exp(v - top));
    const total = powers.reduce((s, v) => s + v, 0);
    const y = powers.map((v) => v / total);
    const dot = pass === "both" ? y.reduce((s, v, i) => s + v * dy[from + i], 0) : 0;
    result.set(pass === "both" ? y.map((v, i) => v * (dy[from + i] - dot)) : y, from);
  }
  return [result];
}

function batchNorm({ pass, n, c, h, w, eps }, [x, weight, bias, dy]) {
  const plane = h * w;
  const count = n * plane;
  const result = new Float64Array(x.length);
  const dWeight = new Float64Array(c);
  const dBias = new Float64Array(c);
  for (let ch = 0; ch < c; ch++) {
    const each = (visit) => {
      for (let image = 0; image < n; image++) {
        const from = (image * c + ch) * plane;
        for (let i = from; i < from + plane; i++) visit(i);
      }
    };
    let sum = 0;
    each((i) => (sum += x[i]));
    const mean = sum / count;
    let squares = 0;
    each((i) => (squares += (x[i] - mean) ** 2));
    const scale = 1 / Math.sqrt(squares / count + eps);
    if (pass === "forward") {
      each((i) => (result[i] = (x[i] - mean) * scale * weight[ch] + bias[ch]));
      continue;
    }
    each((i) => {
      dBias[ch] += dy[i];
      dWeight[ch] += dy[i] * (x[i] - mean) * scale;
    });
    each((i) => {
      const xhat = (x[i] - mean) * scale;
      result[i] = weight[ch] * scale * (dy[i] - dBias[ch] / count - (xhat * dWeight[ch]) / count);
    });
  }
  return pass === "forward" ? [result] : [result, dWeight, dBias];
}

/** Parameters after a few updates with the same gradient. */
function adam({ size, learningRate, beta1, beta2, epsilon }, [start, g]) {
  const p = Float64Array.from(start);
  for (let i = 0; i < size; i++) {
    let m = 0;
    let v = 0;
    for (let t = 1; t <= ADAM_UPDATES; t++) {
      m += (1 - beta1) * (g[i] - m);
      v += (1 - beta2) * (g[i] ** 2 - v);
      p[i] -= (learningRate * (m / (1 - beta1 ** t))) / (Math.sqrt(v / (1 - beta2 ** t)) + epsilon);
    }
  }
  return [p];
}
