/**
 * A line chart on a canvas, with a cursor that follows mouse, finger and arrow keys. It draws when `show` or `draw` is called;
 * the cursor is on a second canvas, so that moving it is cheap.
 */
import { make } from "./dom.ts";
import { type Scale, shareOf, ticks } from "./scales.ts";
import { colour } from "./theme.ts";

export interface Line {
  /** A value for each element of `xs`; null for missing values. */
  readonly values: readonly (number | null)[];
  readonly colour: string;
  readonly width: number;
  /** Dashed between values, each with a mark; otherwise missing values interrupt the line. */
  readonly marked?: boolean;
}

export interface LinePicture {
  readonly xs: readonly number[];
  readonly x: Scale;
  readonly y: Scale;
  readonly lines: readonly Line[];
  xText(value: number): string;
  yText(value: number): string;
}

/** Where the visitor points: a share of the axis with a pointer, a value of the axis with keys. */
export type Cursor = { readonly share: number } | { readonly x: number };

interface Size {
  readonly width: number;
  readonly height: number;
}

const MARGIN = { left: 46, right: 10, top: 8, bottom: 28 };
const SMALLEST = 120;
const X_SPACE = 60;
const Y_SPACE = 36;
/** Of marks, in pixels across. */
const MARK = 7;
const FULL_TURN = 2 * Math.PI;

export class LineChart {
  readonly canvas = make("canvas");
  readonly #above = make("canvas");
  #picture: LinePicture | undefined;
  #size: Size = { width: SMALLEST, height: SMALLEST };
  /** The area of the lines, without the numbers around it. */
  #box = boxOf(this.#size);
  #cursor: Cursor | undefined;

  /** `host` contains the chart, and is empty without a picture. `onCursor` is called when the visitor points elsewhere. */
  constructor(
    readonly host: HTMLElement,
    onCursor: (cursor: Cursor | undefined) => void,
  ) {
    const follow = ({ clientX }: PointerEvent) => {
      const { left, width } = host.getBoundingClientRect();
      const share = (clientX - left - MARGIN.left) / (width - MARGIN.left - MARGIN.right);
      onCursor({ share: Math.min(1, Math.max(0, share)) });
    };
    host.addEventListener("pointerdown", follow);
    host.addEventListener("pointermove", follow);
    // Lifting a finger keeps the cursor, so that its values can be read.
    host.addEventListener("pointerleave", ({ pointerType }) => {
      if (pointerType !== "touch") onCursor(undefined);
    });
    host.addEventListener("blur", () => onCursor(undefined));
    host.addEventListener("keydown", (event) => {
      const xs = this.#picture?.xs ?? [];
      const last = xs.length - 1;
      const at = this.index ?? last;
      const targets: Record<string, number> = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last };
      const to = targets[event.key];
      if (to === undefined && event.key !== "Escape") return;
      event.preventDefault();
      const x = to === undefined ? undefined : xs[Math.min(last, Math.max(0, to))];
      onCursor(x === undefined ? undefined : { x });
    });
  }

  /** Index in `xs` of the cursor. */
  get index(): number | undefined {
    if (this.#cursor === undefined || this.#picture === undefined) return undefined;
    const { xs, x } = this.#picture;
    const wanted = "x" in this.#cursor ? this.#cursor.x : x.least + this.#cursor.share * (x.most - x.least);
    const after = xs.findIndex((value) => value >= wanted);
    if (after === -1) return xs.length - 1;
    const isNearer = after > 0 && wanted - (xs[after - 1] as number) < (xs[after] as number) - wanted;
    return isNearer ? after - 1 : after;
  }

  /** undefined removes the chart. */
  show(picture: LinePicture | undefined): void {
    this.#picture = picture;
    if (picture === undefined) this.host.replaceChildren();
    else if (this.canvas.parentElement === null) this.host.append(this.canvas, this.#above);
    this.draw();
  }

  point(cursor: Cursor | undefined): void {
    this.#cursor = cursor;
    this.#drawCursor();
  }

  resize({ width, height }: Size): void {
    this.#size = {
      width: Math.max(SMALLEST, Math.floor(width)),
      height: Math.max(SMALLEST, Math.floor(height)),
    };
    this.#box = boxOf(this.#size);
    this.draw();
  }

  draw(): void {
    const picture = this.#picture;
    if (picture === undefined) return;
    const context = this.#clear(this.canvas);
    this.#drawAxes(context, picture);
    for (const line of picture.lines) this.#drawLine(context, picture, line);
    this.#drawCursor();
  }

  #drawAxes(context: CanvasRenderingContext2D, { x, y, xText, yText }: LinePicture): void {
    const { left, right, top, bottom } = this.#box;
    context.font = "12px system-ui, sans-serif";
    context.strokeStyle = colour("--line");
    context.fillStyle = colour("--muted");
    context.lineWidth = 1;
    context.beginPath();
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const value of ticks(y, (bottom - top) / Y_SPACE)) {
      // Half a pixel down, so that a thin line fills one row of pixels, not half of two.
      const at = Math.round(bottom - shareOf(y, value) * (bottom - top)) + 0.5;
      context.moveTo(left, at);
      context.lineTo(right, at);
      context.fillText(yText(value), left - 6, at);
    }
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const value of ticks(x, (right - left) / X_SPACE, true)) {
      const at = Math.round(left + shareOf(x, value) * (right - left)) + 0.5;
      context.moveTo(at, top);
      context.lineTo(at, bottom);
      context.fillText(xText(value), at, bottom + 6);
    }
    context.stroke();
  }

  #drawLine(context: CanvasRenderingContext2D, picture: LinePicture, line: Line): void {
    const points: (readonly [number, number])[] = [];
    let open = false;
    context.strokeStyle = line.colour;
    context.lineWidth = line.width;
    context.lineJoin = "round";
    context.setLineDash(line.marked ? [5, 4] : []);
    context.beginPath();
    line.values.forEach((_, i) => {
      const point = this.#positionOf(picture, line, i);
      if (point === undefined) {
        open &&= line.marked === true;
        return;
      }
      if (open) context.lineTo(...point);
      else context.moveTo(...point);
      open = true;
      points.push(point);
    });
    context.stroke();
    context.setLineDash([]);
    // A single value has no line, so it gets a mark.
    if (line.marked || points.length === 1)
      for (const point of points) mark(context, point, colour("--panel"));
  }

  #drawCursor(): void {
    const picture = this.#picture;
    if (picture === undefined) return;
    const context = this.#clear(this.#above);
    const { index } = this;
    if (index === undefined) return;
    const { left, right, top, bottom } = this.#box;
    const at = left + shareOf(picture.x, picture.xs[index] as number) * (right - left);
    context.strokeStyle = colour("--edge");
    context.setLineDash([3, 3]);
    context.beginPath();
    context.moveTo(at, top);
    context.lineTo(at, bottom);
    context.stroke();
    context.setLineDash([]);
    for (const line of picture.lines) {
      const point = this.#positionOf(picture, line, index);
      context.strokeStyle = line.colour;
      if (point !== undefined) mark(context, point, line.colour);
    }
  }

  /** The position of a line's value on the canvas. */
  #positionOf({ xs, x, y }: LinePicture, { values }: Line, i: number): readonly [number, number] | undefined {
    const value = values[i];
    if (value === null || value === undefined || !Number.isFinite(value)) return undefined;
    if (y.logarithmic && value <= 0) return undefined;
    const { left, right, top, bottom } = this.#box;
    return [left + shareOf(x, xs[i] as number) * (right - left), bottom - shareOf(y, value) * (bottom - top)];
  }

  /** Empty and as large as the chart, measured in pixels of the style sheet. */
  #clear(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
    const { width, height } = this.#size;
    const context = canvas.getContext("2d") as CanvasRenderingContext2D;
    const scale = devicePixelRatio;
    const [across, down] = [Math.round(width * scale), Math.round(height * scale)];
    if (canvas.width !== across || canvas.height !== down) {
      Object.assign(canvas, { width: across, height: down });
      Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
    }
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    return context;
  }
}

function boxOf({ width, height }: Size) {
  return { left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom };
}

function mark(context: CanvasRenderingContext2D, [x, y]: readonly [number, number], fill: string): void {
  context.fillStyle = fill;
  context.beginPath();
  context.arc(x, y, MARK / 2, 0, FULL_TURN);
  context.fill();
  context.stroke();
}
