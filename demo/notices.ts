/** What a visitor has to know, above everything else, until it is put away. */
import { byId, make } from "./dom.ts";

export type NoticeKind = "note" | "error";

const shown = new Map<string, HTMLElement>();

/** Shows `text` under a key; another notice of the same key takes its place. Errors are read out at once. */
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
