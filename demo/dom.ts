/** Helpers for the page's elements. They never parse text as markup and set no style attributes, as the page's policy requires. */

/** The element with this id; throws where the page lacks it. */
export function byId<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no element #${id}`);
  return found as T;
}

/** A new element with properties and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Sets text only where it differs, to avoid needless layout and announcements of screen readers. */
export function say(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * A function that does `work` at once, but never twice at the same time: calls during `work` cause one more run, with the
 * latest argument.
 */
export function latest<A>(work: (argument: A) => Promise<void>): (argument: A) => void {
  let busy = false;
  let waiting: { readonly argument: A } | undefined;
  const turn = async (argument: A): Promise<void> => {
    busy = true;
    try {
      await work(argument);
    } finally {
      busy = false;
      const next = waiting;
      waiting = undefined;
      if (next !== undefined) void turn(next.argument);
    }
  };
  return (argument) => {
    if (busy) waiting = { argument };
    else void turn(argument);
  };
}

/** Lets the browser draw and handle events before long work continues. */
export const nextTask = () => new Promise<void>((resolve) => setTimeout(resolve));

/** Downloads `blob` as a file. */
export function download(blob: Blob, name: string): void {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
