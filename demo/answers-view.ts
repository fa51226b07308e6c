/** The confusion matrix as a table, and the worst mistakes as pictures. */

import { SIDE } from "./centre-digit.ts";
import { byId, make, say } from "./dom.ts";
import { count, percent } from "./format.ts";
import { drawTiles } from "./image-grid.ts";
import type { Examination } from "./protocol.ts";

export function clearAnswers(): void {
  byId("confusion-scroll").hidden = true;
  byId("confusion-empty").hidden = false;
  byId("mistakes-empty").hidden = false;
  byId("mistakes").replaceChildren();
  say(byId("confusion-note"), "");
}

export function showAnswers(examination: Examination, names: readonly string[]): void {
  byId("confusion-scroll").hidden = false;
  byId("confusion-empty").hidden = true;
  showConfusion(examination, names);
  // In the next frame, so that neither frame takes long.
  requestAnimationFrame(() => showMistakes(examination, names));
}

function showConfusion(
  { classes, confusion, correct, count: all }: Examination,
  names: readonly string[],
): void {
  const table = byId<HTMLTableElement>("confusion");
  const caption = make("caption", {}, "Rows: true class. Columns: predicted class.");
  const head = make("tr", {}, make("td"), ...names.map((name) => make("th", { scope: "col" }, name)));
  const mostWrong = Math.max(1, ...confusion.filter((_, i) => i % classes !== Math.floor(i / classes)));
  const rows = names.map((name, truth) => {
    const row = confusion.subarray(truth * classes, (truth + 1) * classes);
    const total = row.reduce((sum, n) => sum + n, 0);
    const cells = Array.from(row, (n, guess) => {
      const cell = make("td", { className: truth === guess ? "right" : "wrong" }, n === 0 ? "" : String(n));
      const share = truth === guess ? n / Math.max(1, total) : n / mostWrong;
      cell.style.setProperty("--share", share.toFixed(3));
      return cell;
    });
    return make("tr", {}, make("th", { scope: "row" }, name), ...cells);
  });
  table.classList.toggle(
    "wordy",
    names.some((name) => name.length > 2),
  );
  table.replaceChildren(caption, make("thead", {}, head), make("tbody", {}, ...rows));
  const wrong = all - correct;
  say(
    byId("confusion-note"),
    `${count(correct)} of ${count(all)} correct (${percent(correct / all)}), ${count(wrong)} wrong.`,
  );
}

function showMistakes({ mistakes, images }: Examination, names: readonly string[]): void {
  const empty = byId("mistakes-empty");
  empty.hidden = mistakes.length > 0;
  if (mistakes.length === 0) say(empty, "No mistakes in the validation set.");
  const items = mistakes.map(({ label, guess, certainty }, i) => {
    const truth = names[label] ?? String(label);
    const answer = names[guess] ?? String(guess);
    const canvas = make("canvas", { className: "tiles" });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `An image of ${truth}`);
    const values = images.subarray(i * SIDE * SIDE, (i + 1) * SIDE * SIDE);
    drawTiles(canvas, { count: 1, height: SIDE, width: SIDE, columns: 1, kind: "ink", values });
    const caption = make(
      "span",
      { className: "caption" },
      make("span", {}, truth),
      make("span", { className: "sr" }, " predicted as "),
      make("span", { className: "arrow", ariaHidden: "true" }, "→"),
      make("strong", {}, answer),
    );
    return make("li", {}, canvas, caption, make("span", { className: "quiet" }, percent(certainty, 0)));
  });
  byId("mistakes").replaceChildren(...items);
}
