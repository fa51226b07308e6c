/** The drawing pad for mouse, finger, pen or keys. Reports the drawing after every movement. */
import { centreDigit } from "./centre-digit.ts";
import { byId } from "./dom.ts";
import { colour, onThemeChange } from "./theme.ts";

/** Resolution of the drawing, independent of its size on the screen. */
const SIZE = 280;
const STROKE = 21;
const KEY_STEP = 10;

interface Point {
  readonly x: number;
  readonly y: number;
}

export class DrawPad {
  readonly #canvas = byId<HTMLCanvasElement>("pad");
  readonly #context: CanvasRenderingContext2D;
  readonly #pen: HTMLElement;
  readonly #last = new Map<number, Point>();
  #strokes: Point[][] = [];
  #keyPen: { x: number; y: number; down: boolean } = { x: SIZE / 2, y: SIZE / 5, down: false };

  /** `onDrawing` is given 28x28 values 0 to 1, or undefined for an empty pad. */
  constructor(readonly onDrawing: (image: Float32Array | undefined) => void) {
    const canvas = this.#canvas;
    canvas.width = SIZE;
    canvas.height = SIZE;
    this.#context = canvas.getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
    this.#pen = document.createElement("span");
    this.#pen.className = "key-pen";
    this.#pen.hidden = true;
    canvas.parentElement?.append(this.#pen);
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"] as const) {
      canvas.addEventListener(end, (event) => this.#last.delete(event.pointerId));
    }
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => this.#showPen(false));
    byId("clear").addEventListener("click", () => this.clear());
    onThemeChange(() => this.#repaint());
  }

  clear(): void {
    this.#strokes = [];
    this.#last.clear();
    this.#keyPen = { x: SIZE / 2, y: SIZE / 5, down: false };
    this.#context.clearRect(0, 0, SIZE, SIZE);
    this.#report();
  }

  #begin(event: PointerEvent): void {
    if (event.button !== 0) return;
    event.preventDefault();
    this.#canvas.focus({ preventScroll: true });
    this.#canvas.setPointerCapture(event.pointerId);
    this.#showPen(false);
    const point = this.#pointOf(event);
    this.#last.set(event.pointerId, point);
    this.#strokes.push([point]);
    this.#line(point, point);
    this.#report();
  }

  #move(event: PointerEvent): void {
    let from = this.#last.get(event.pointerId);
    if (from === undefined) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length > 0 ? events : [event]) {
      const to = this.#pointOf(one);
      this.#strokes.at(-1)?.push(to);
      this.#line(from, to);
      from = to;
    }
    this.#last.set(event.pointerId, from);
    this.#report();
  }

  #key(event: KeyboardEvent): void {
    const { key } = event;
    const moves: Record<string, readonly [number, number]> = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    const pen = this.#keyPen;
    const move = moves[key];
    if (move !== undefined) {
      const from = { x: pen.x, y: pen.y };
      pen.x = within(pen.x + KEY_STEP * move[0]);
      pen.y = within(pen.y + KEY_STEP * move[1]);
      if (pen.down) this.#stroke(from, { x: pen.x, y: pen.y });
    } else if (key === " ") {
      pen.down = !pen.down;
      if (pen.down) {
        this.#strokes.push([{ x: pen.x, y: pen.y }]);
        this.#stroke(pen, { x: pen.x, y: pen.y });
      }
    } else if (key === "Delete" || key === "Backspace") {
      this.clear();
    } else {
      return;
    }
    event.preventDefault();
    this.#showPen(true);
  }

  #stroke(from: Point, to: Point): void {
    this.#strokes.at(-1)?.push(to);
    this.#line(from, to);
    this.#report();
  }

  #line(from: Point, to: Point): void {
    const context = this.#context;
    context.lineCap = "round";
    context.lineJoin = "round";
    context.lineWidth = STROKE;
    context.strokeStyle = colour("--ink");
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y);
    context.stroke();
  }

  #repaint(): void {
    this.#context.clearRect(0, 0, SIZE, SIZE);
    for (const [first, ...rest] of this.#strokes) {
      let from = first as Point;
      this.#line(from, from);
      for (const to of rest) {
        this.#line(from, to);
        from = to;
      }
    }
  }

  /** Reports the drawing. Ink is where the canvas is not transparent, because colours depend on the theme. */
  #report(): void {
    const { data } = this.#context.getImageData(0, 0, SIZE, SIZE);
    const ink = new Float32Array(SIZE * SIZE);
    for (let i = 0; i < ink.length; i++) ink[i] = (data[4 * i + 3] as number) / 255;
    this.onDrawing(this.#strokes.length === 0 ? undefined : centreDigit(ink, SIZE, SIZE));
  }

  #showPen(visible: boolean): void {
    this.#pen.hidden = !visible;
    this.#pen.classList.toggle("down", this.#keyPen.down);
    this.#pen.style.left = `${(100 * this.#keyPen.x) / SIZE}%`;
    this.#pen.style.top = `${(100 * this.#keyPen.y) / SIZE}%`;
  }

  #pointOf(event: PointerEvent): Point {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return { x: ((event.clientX - left) / width) * SIZE, y: ((event.clientY - top) / height) * SIZE };
  }
}

const within = (value: number) => Math.min(SIZE - STROKE / 2, Math.max(STROKE / 2, value));
