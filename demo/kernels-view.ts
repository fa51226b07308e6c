/** The list of kernels of a training step by GPU time. */
import { byId, make, say } from "./dom.ts";
import { milliseconds, percent } from "./format.ts";
import type { KernelShare } from "./protocol.ts";

const MOST = 9;

/** null where the adapter can't measure it. */
export function showKernels(kernels: readonly KernelShare[] | null): void {
  const empty = byId("kernels-empty");
  empty.hidden = kernels !== null;
  if (kernels === null) {
    say(empty, "This device can't measure kernels (no timestamp-query).");
    byId("kernels").replaceChildren();
    return;
  }
  const sorted = [...kernels].sort((a, b) => b.milliseconds - a.milliseconds);
  const total = sorted.reduce((sum, kernel) => sum + kernel.milliseconds, 0);
  const shown = sorted.slice(0, MOST);
  const rest = sorted.slice(MOST);
  if (rest.length > 0) {
    const sum = rest.reduce((all, kernel) => all + kernel.milliseconds, 0);
    shown.push({ label: `${rest.length} others`, milliseconds: sum });
  }
  const items = shown.map(({ label, milliseconds: time }) => {
    const share = total > 0 ? time / total : 0;
    const fill = make("span", { className: "fill" });
    fill.style.transform = `scaleX(${share.toFixed(4)})`;
    return make(
      "li",
      {},
      make("span", { className: "name" }, readable(label)),
      make("span", { className: "share" }, `${milliseconds(time)} ms, ${percent(share, 0)}`),
      make("span", { className: "track" }, fill),
    );
  });
  byId("kernels").replaceChildren(...items);
}

/** `model.3.conv2d+relu` as `conv2d + relu, layer 3`; `gradient.linearBackward` as `linearBackward`. */
function readable(label: string): string {
  const [, layer, rest] = /^model\.(\d+)\.(.+)$/.exec(label) ?? [];
  const name = rest ?? label.replace(/^(gradient|optimizer|loss)\./, "");
  // Shortens `conv2dBackwardWeight.backwardWeight`.
  const parts = name.split(".");
  const distinct = parts.filter((part, i) => !parts[i - 1]?.toLowerCase().endsWith(part.toLowerCase()));
  const kernel = distinct.join(", ").replaceAll("+", " + ");
  return layer === undefined ? kernel : `${kernel}, layer ${layer}`;
}
