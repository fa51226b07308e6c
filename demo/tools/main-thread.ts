/**
 * Measures the tasks of the page's main thread from Chromium's trace: duration and CPU time. `npm run demo:main-thread [-- 4]`
 * prints the longest tasks of training and what they did; with a number, on a CPU slowed down by that factor. On a loaded
 * machine other threads interrupt tasks, so only the CPU time says how expensive the page is.
 */
import type { Browser, CDPSession, Page } from "playwright";
import { buildSite, drawStrokes, ellipse, openBrowser, openPage, phaseOf } from "./open-page.ts";
import { serveSite } from "./static-server.ts";

/** Milliseconds that a task should not exceed. */
export const BUDGET = 50;
const MARK = "main-thread";
const SHOWN = 12;

export interface MainThreadTask {
  /** Duration in milliseconds. */
  readonly lasted: number;
  /** CPU time in milliseconds. */
  readonly worked: number;
  /** Its longest parts, if requested: `Layout 12.3`. */
  readonly parts: readonly string[];
}

/** A complete event (`ph` is X) in Chromium's trace; times in microseconds. */
interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur?: number;
  readonly tdur?: number;
  readonly args: {
    readonly data?: { readonly functionName?: string; readonly type?: string; readonly lineNumber?: number };
  };
}

/** Records the tasks of the page's main thread; the returned function stops and returns them. */
export async function traceMainThread(
  browser: Browser,
  page: Page,
  withParts = false,
): Promise<() => Promise<readonly MainThreadTask[]>> {
  const session: CDPSession = await browser.newBrowserCDPSession();
  const events: TraceEvent[] = [];
  session.on("Tracing.dataCollected", ({ value }) => {
    for (const event of value as unknown as TraceEvent[]) {
      if (event.ph === "X" || event.name === MARK) events.push(event);
    }
  });
  const complete = new Promise<void>((resolve) => session.once("Tracing.tracingComplete", () => resolve()));
  const categories = ["disabled-by-default-devtools.timeline", "blink.user_timing"];
  await session.send("Tracing.start", {
    transferMode: "ReportEvents",
    traceConfig: {
      recordMode: "recordAsMuchAsPossible",
      includedCategories: withParts ? [...categories, "devtools.timeline"] : categories,
    },
  });
  await page.evaluate((name) => void performance.mark(name), MARK);
  return async () => {
    await session.send("Tracing.end");
    await complete;
    await session.detach();
    return tasksOf(events);
  };
}

/** Tasks of the thread that set the marker. */
function tasksOf(events: readonly TraceEvent[]): readonly MainThreadTask[] {
  const mark = events.find(({ name }) => name === MARK);
  const own = events
    .filter(({ ph, pid, tid, dur = 0 }) => ph === "X" && pid === mark?.pid && tid === mark.tid && dur > 0)
    .sort((a, b) => a.ts - b.ts);
  const tasks: { event: TraceEvent; parts: TraceEvent[] }[] = [];
  for (const event of own) {
    if (event.name === "RunTask") tasks.push({ event, parts: [] });
    else {
      const task = tasks.at(-1);
      if (task !== undefined && event.ts < task.event.ts + (task.event.dur ?? 0)) task.parts.push(event);
    }
  }
  return tasks.map(({ event, parts }) => ({
    lasted: (event.dur ?? 0) / 1000,
    worked: (event.tdur ?? 0) / 1000,
    parts: parts
      .sort((a, b) => (b.tdur ?? 0) - (a.tdur ?? 0))
      .slice(0, 4)
      .map(({ name, tdur = 0, args: { data } }) => {
        const place = data?.functionName ?? data?.type ?? "";
        return `${name}${place && ` ${place}`} ${(tdur / 1000).toFixed(1)}`;
      }),
  }));
}

/** One line: the longest task by both measures, and how many exceeded the budget. */
export function mainThreadSummary(tasks: readonly MainThreadTask[]): string {
  const words = (times: readonly number[]) => {
    const over = times.filter((time) => time > BUDGET).length;
    return `${Math.max(0, ...times).toFixed(0)} ms (${over} over ${BUDGET} ms)`;
  };
  return (
    `longest of ${tasks.length} tasks lasted ${words(tasks.map(({ lasted }) => lasted))} with what interrupted it, ` +
    `worked ${words(tasks.map(({ worked }) => worked))}`
  );
}

export async function main([slower = "1"]: readonly string[]): Promise<number> {
  const site = await serveSite(await buildSite());
  const browser = await openBrowser();
  try {
    const { page } = await openPage(browser, `${site.url}#data=synthetic&images=5000&epochs=3`);
    await phaseOf(page, "ready");
    const session = await page.context().newCDPSession(page);
    await session.send("Emulation.setCPUThrottlingRate", { rate: Number(slower) });
    const stop = await traceMainThread(browser, page, true);
    await page.click("#train");
    await page.waitForFunction(() => Number(document.getElementById("figure-step")?.textContent) >= 60);
    await drawStrokes(page, [ellipse(0.5, 0.5, 0.24, 0.36)]);
    await phaseOf(page, "done");
    await page.waitForTimeout(1000);
    const tasks = await stop();
    console.log(`While training, on a processor ${slower} times slower: ${mainThreadSummary(tasks)}.`);
    console.log("  lasted    worked  longest parts by work");
    for (const { lasted, worked, parts } of [...tasks].sort((a, b) => b.worked - a.worked).slice(0, SHOWN)) {
      const [total, own] = [lasted, worked].map((time) => time.toFixed(1).padStart(8));
      console.log(`${total}  ${own}  ${parts.join(", ")}`);
    }
    return 0;
  } finally {
    await browser.close();
    await site.close();
  }
}
