/**
 * Whether the test runs in a page. What is plain JavaScript without a GPU, and takes long, runs whole in Node and in a page
 * in part or not at all: the engine is the same.
 */
export const inPage = typeof document !== "undefined";
