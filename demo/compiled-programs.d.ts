/** The ahead-of-time programs that the build makes with compile-page.ts. */
declare module "virtual:compiled-programs/*" {
  const program: unknown;
  export default program;
}
