/** The panel "Inside the network": weights of the first layer, and feature maps of a sample or of the visitor's drawing. */

import { report } from "../src/index.ts";
import { SIDE } from "./centre-digit.ts";
import { byId, latest, make, say } from "./dom.ts";
import { percent } from "./format.ts";
import { drawTiles } from "./image-grid.ts";
import type { Filters, Look, Sample } from "./protocol.ts";

export interface InsideSources {
  look(image: Float32Array): Promise<Look>;
  sample(index: number): Promise<Sample>;
}

export class Inside {
  classNames: readonly string[] = [];
  #index = 0;
  #drawing: Float32Array | undefined;
  #subject: { readonly image: Float32Array; readonly label?: number; readonly title: string } | undefined;
  readonly #refresh: (argument: undefined) => void;
  readonly #canvases = new Map<string, HTMLCanvasElement>();

  /** `onFailure` is called when a probe fails; the page continues. */
  constructor(
    readonly sources: InsideSources,
    onFailure: (error: unknown) => void,
  ) {
    this.#refresh = latest(() => this.#look().catch(onFailure));
    byId("sample-previous").addEventListener(
      "click",
      () => void this.#choose(this.#index - 1).catch(onFailure),
    );
    byId("sample-next").addEventListener("click", () => void this.#choose(this.#index + 1).catch(onFailure));
    byId("sample-drawing").addEventListener("click", () => this.#showDrawing());
  }

  /** Shows another run, which may have other classes and stages. */
  async begin(classNames: readonly string[]): Promise<void> {
    this.classNames = classNames;
    this.#canvases.clear();
    byId("stages").replaceChildren();
    await this.#choose(this.#index);
  }

  /** Call when the weights have changed. */
  refresh(): void {
    this.#refresh(undefined);
  }

  /** Call when the drawing has changed. */
  drawn(image: Float32Array | undefined): void {
    const follows = this.#subject !== undefined && this.#subject.image === this.#drawing;
    this.#drawing = image;
    if (follows && image !== undefined) this.#showDrawing();
  }

  showFilters({ count, height, width, values }: Filters): void {
    const columns = width > 12 ? 8 : Math.min(8, count > 8 ? 8 : 3);
    const canvas = byId<HTMLCanvasElement>("filters");
    drawTiles(canvas, { count, height, width, values, columns, kind: "signed" });
    canvas.setAttribute(
      "aria-label",
      `${count} sets of weights of the first layer, ${height} by ${width} each`,
    );
  }

  async #choose(index: number): Promise<void> {
    const sample = await this.sources.sample(index);
    this.#index = sample.index;
    this.#subject = {
      image: sample.image,
      label: sample.label,
      title: `Validation image ${sample.index + 1}`,
    };
    this.refresh();
  }

  #showDrawing(): void {
    if (this.#drawing === undefined) {
      say(byId("sample-verdict"), "Draw something first.");
      return;
    }
    this.#subject = { image: this.#drawing, title: "Your drawing" };
    this.refresh();
  }

  async #look(): Promise<void> {
    const subject = this.#subject;
    if (subject === undefined) return;
    const { maps, probabilities } = await this.sources.look(subject.image);
    if (subject !== this.#subject) return;
    say(byId("sample-name"), subject.title);
    const picture = { count: 1, height: SIDE, width: SIDE, columns: 1, kind: "ink" as const };
    drawTiles(byId<HTMLCanvasElement>("sample"), { ...picture, values: subject.image });
    const best = report.largest(probabilities);
    const guess = `${this.classNames[best]} (${percent(probabilities[best] as number, 0)})`;
    const truth = subject.label === undefined ? "" : `True class: ${this.classNames[subject.label]}. `;
    say(byId("sample-verdict"), `${truth}Prediction: ${guess}.`);
    for (const { title, channels, height, width, values } of maps) {
      const canvas = this.#canvasFor(title, channels, height, width);
      drawTiles(canvas, {
        count: channels,
        height,
        width,
        values,
        columns: Math.min(8, channels),
        kind: "ink",
      });
    }
    byId("inside-columns").classList.toggle("flat", maps.length === 0);
    if (maps.length === 0 && this.#canvases.size === 0) {
      const text = "This network has no convolutions, so there are no feature maps to show.";
      byId("stages").replaceChildren(make("p", { className: "empty" }, text));
    }
  }

  #canvasFor(title: string, channels: number, height: number, width: number): HTMLCanvasElement {
    const known = this.#canvases.get(title);
    if (known !== undefined) return known;
    const size = `${channels} maps, ${height}×${width}`;
    const canvas = make("canvas", { className: "tiles" });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${title}: ${size}`);
    const heading = make("h3", {}, `${title} `, make("span", { className: "readout" }, size));
    byId("stages").append(make("div", { className: "stage" }, heading, canvas));
    this.#canvases.set(title, canvas);
    return canvas;
  }
}
