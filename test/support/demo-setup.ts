/** Runs before the demo project's tests: builds the page once for all of them. */
import { buildSite } from "../../demo/tools/open-page.ts";

/** Below the repository. */
export const DEMO_SITE = ".cache/demo-site";

export default async function setup(): Promise<void> {
  await buildSite(DEMO_SITE);
}
