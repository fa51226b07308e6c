/** The list of runs under the charts, and the table of their epochs. */
import { byId, make } from "./dom.ts";
import { loss, percent } from "./format.ts";
import type { RunLog } from "./run-log.ts";
import { settingsToHash, shortTitle } from "./settings.ts";
import { RUN_COLOURS } from "./theme.ts";

export function showRuns(
  runs: readonly RunLog[],
  actions: { readonly changed: () => void; readonly remove: (run: RunLog) => void },
): void {
  const begun = runs.filter((run) => run.begun);
  for (const id of ["csv", "png"]) byId<HTMLButtonElement>(id).disabled = begun.length === 0;
  byId("runs").replaceChildren(...begun.map((run) => item(run, run === runs.at(-1), actions)));
  const details = byId<HTMLDetailsElement>("epochs-details");
  details.ontoggle = () => details.open && showEpochs(begun);
  // Filled only while it is open, because many epochs make a long table.
  if (details.open) showEpochs(begun);
}

function showEpochs(begun: readonly RunLog[]): void {
  const rows = begun.flatMap((run) =>
    run.epochs.map((point) => {
      const { epoch, loss: training, accuracy, valLoss, valAccuracy, seconds } = point;
      const cells = [
        epoch,
        loss(training),
        percent(accuracy),
        loss(valLoss),
        percent(valAccuracy),
        seconds.toFixed(1),
      ];
      const title = make("th", { scope: "row" }, `${run.number}: ${shortTitle(run.settings)}`);
      return make("tr", {}, title, ...cells.map((cell) => make("td", {}, String(cell))));
    }),
  );
  byId("epochs")
    .querySelector("tbody")
    ?.replaceChildren(...rows);
}

function item(
  run: RunLog,
  current: boolean,
  { changed, remove }: { readonly changed: () => void; readonly remove: (run: RunLog) => void },
): HTMLLIElement {
  const title = shortTitle(run.settings);
  const box = make("input", { type: "checkbox", checked: run.visible });
  box.addEventListener("change", () => {
    run.visible = box.checked;
    changed();
  });
  const swatch = make("span", { className: `swatch run-${(run.number - 1) % RUN_COLOURS}` });
  const best = Math.max(...run.epochs.map(({ valAccuracy }) => valAccuracy));
  const label = make("label", {}, box, swatch, make("span", { className: "run-name" }, title));
  const score = make("span", { className: "score" }, Number.isFinite(best) ? percent(best) : "");
  const link = make(
    "a",
    { href: `#${settingsToHash(run.settings)}`, className: "run-link" },
    "Use these settings",
  );
  link.setAttribute("aria-label", `Use these settings: run ${run.number}, ${title}`);
  const parts: (Node | string)[] = [label, score, link];
  if (!current) {
    const close = make(
      "button",
      { type: "button", className: "close", ariaLabel: `Remove run ${run.number}` },
      "×",
    );
    close.addEventListener("click", () => remove(run));
    parts.push(close);
  }
  return make("li", {}, ...parts);
}
