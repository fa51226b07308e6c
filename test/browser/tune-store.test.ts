/** What a page keeps of tuning is there when it is asked for again, by adapter. */
import { afterAll, expect, it } from "vitest";
import { cacheTuneStore } from "../../src/browser/tune-store.ts";

const name = "weft-tune-test";
afterAll(() => caches.delete(name));

it("keeps one text per adapter, the latest", async () => {
  const adapter = "nvidia, ampere / 50 % \u{1f600}";
  expect(await cacheTuneStore(name).load(adapter)).toBeUndefined();
  await cacheTuneStore(name).save(adapter, "one");
  await cacheTuneStore(name).save("another", "two");
  await cacheTuneStore(name).save(adapter, "three");
  const store = cacheTuneStore(name);
  expect([await store.load(adapter), await store.load("another")]).toEqual(["three", "two"]);
});
