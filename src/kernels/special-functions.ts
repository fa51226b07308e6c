/** Moved to elementwise/functions.ts. */
export { specialFunctions } from "./elementwise/functions.ts";
