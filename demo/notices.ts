/** Messages at the top of the page that stay until they are dismissed. */
import { byId, make } from "./dom.ts";

export type NoticeKind = "note" | "error";

const shown = new Map<string, HTMLElement>();

/** Shows `text`; a later notice with the same key replaces it. Screen readers read errors out at once. */
export function notice(key: string, kind: NoticeKind, text: string): void {
  dismiss(key);
  const close = make("button", { type: "button", className: "close", ariaLabel: "Dismiss" }, "×");
  close.addEventListener("click", () => dismiss(key));
  const element = make("div", { className: `notice ${kind}` }, make("p", {}, text), close);
  element.setAttribute("role", kind === "error" ? "alert" : "status");
  byId("notices").append(element);
  shown.set(key, element);
}

export function dismiss(key: string): void {
  shown.get(key)?.remove();
  shown.delete(key);
}
