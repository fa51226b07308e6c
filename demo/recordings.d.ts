/** Recordings as the build makes them out of record-page.ts. */
declare module "virtual:recordings/*" {
  const recording: unknown;
  export default recording;
}
