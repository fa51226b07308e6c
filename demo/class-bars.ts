/** A bar for each class with its predicted probability. */
import { report } from "../src/index.ts";
import { byId, make, say } from "./dom.ts";
import { percent } from "./format.ts";

interface Bar {
  readonly item: HTMLLIElement;
  readonly fill: HTMLElement;
  readonly share: HTMLElement;
}

export class ClassBars {
  #bars: Bar[] = [];
  #names: readonly string[] = [];

  name(names: readonly string[]): void {
    if (names.join("\n") === this.#names.join("\n")) return;
    this.#names = names;
    this.#bars = names.map((name) => {
      const fill = make("span", { className: "fill" });
      const share = make("span", { className: "share" });
      const label = make("span", { className: "name" }, name);
      const item = make("li", {}, label, make("span", { className: "track" }, fill), share);
      return { item, fill, share };
    });
    const list = byId("bars");
    list.classList.toggle(
      "wordy",
      names.some((name) => name.length > 2),
    );
    list.replaceChildren(...this.#bars.map(({ item }) => item));
  }

  /** undefined empties the bars. Returns the name of the most probable class. */
  show(probabilities: Float32Array | undefined): string | undefined {
    const best = probabilities === undefined ? -1 : report.largest(probabilities);
    this.#bars.forEach(({ item, fill, share }, i) => {
      const value = probabilities?.[i] ?? 0;
      item.classList.toggle("best", i === best);
      fill.style.transform = `scaleX(${value.toFixed(4)})`;
      say(share, probabilities === undefined ? "" : percent(value, 0));
    });
    return this.#names[best];
  }
}
