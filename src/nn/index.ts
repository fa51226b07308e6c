/** Layers, losses and initialisers: `import { nn } from "weft"`. */
export * as init from "./init.ts";
export * from "./layers.ts";
export * from "./loss.ts";
export * from "./module.ts";
