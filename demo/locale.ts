/**
 * uPlot asks for numbers in the language that the browser names, and stops where that is no language tag: Chromium on a
 * Linux without a locale says `en-US@posix`. This file is imported before it.
 */
try {
  new Intl.NumberFormat(navigator.language);
} catch {
  Object.defineProperty(navigator, "language", { value: "en-US", configurable: true });
}
