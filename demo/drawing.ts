/** The drawing pad with its answer: bars while the pen moves, words when it rests. */
import { SIDE } from "./centre-digit.ts";
import { ClassBars } from "./class-bars.ts";
import { byId, latest, say } from "./dom.ts";
import { DrawPad } from "./draw-pad.ts";
import { percent } from "./format.ts";
import { drawTiles } from "./image-grid.ts";

const REST_MILLISECONDS = 350;
const IDLE = "Draw with mouse, finger or pen.";

export class Drawing {
  image: Float32Array | undefined;
  readonly #bars = new ClassBars();
  readonly #ask: (image: Float32Array | undefined) => void;
  #resting: ReturnType<typeof setTimeout> | undefined;
  #words = IDLE;
  #trained = false;

  constructor(
    readonly predict: (image: Float32Array) => Promise<Float32Array>,
    readonly onDrawn: (image: Float32Array | undefined) => void,
    onFailure: (error: unknown) => void,
  ) {
    this.#ask = latest((image) => this.#answer(image).catch(onFailure));
    new DrawPad((image) => this.#drawn(image));
    this.#drawn(undefined);
  }

  /** Another run with these classes; `trained`: whether its answers mean anything yet. */
  begin(classNames: readonly string[]): void {
    this.#bars.name(classNames);
    this.refresh(false);
  }

  /** The weights have changed. */
  refresh(trained: boolean): void {
    this.#trained = trained;
    this.#ask(this.image);
  }

  #drawn(image: Float32Array | undefined): void {
    this.image = image;
    byId("pad-hint").hidden = image !== undefined;
    const values = image ?? new Float32Array(SIDE * SIDE);
    drawTiles(byId<HTMLCanvasElement>("seen"), {
      count: 1,
      height: SIDE,
      width: SIDE,
      columns: 1,
      kind: "ink",
      values,
    });
    this.onDrawn(image);
    this.#ask(image);
  }

  async #answer(image: Float32Array | undefined): Promise<void> {
    const probabilities = image === undefined ? undefined : await this.predict(image);
    const best = this.#bars.show(probabilities);
    const sure = probabilities === undefined ? 0 : Math.max(...probabilities);
    const words =
      best === undefined
        ? IDLE
        : this.#trained
          ? `Read as ${best}, ${percent(sure, 0)} sure.`
          : `Untrained, it guesses ${best}.`;
    this.#words = words;
    // Not with every movement of the pen: the words are also read out.
    this.#resting ??= setTimeout(() => {
      this.#resting = undefined;
      say(byId("verdict"), this.#words);
    }, REST_MILLISECONDS);
  }
}
