/** Checks that every public function either refuses options that it does not have, or is listed as having none. */
import { describe, expect, it } from "vitest";
import { ValueError } from "../../src/validation/errors.ts";

/** Calls a function with `options` where its options belong. */
export type Call = (options: never) => unknown;

/** Options that null turns off. */
const TAKE_NULL = ["store", "baseUrl", "cacheName", "momentum"];

/** Functions of a module by the path to them: `nn.init.normal`. Errors, which take no options, are left out. */
function functionsOf(space: object, path = ""): string[] {
  return Object.entries(space).flatMap(([name, value]) => {
    if (typeof value === "function") return value.prototype instanceof Error ? [] : [path + name];
    const inside = value !== null && typeof value === "object" && value[Symbol.toStringTag] === "Module";
    return inside ? functionsOf(value, `${path}${name}.`) : [];
  });
}

/** `calls` by the function's path, or another name for methods and second options; `without`: functions without options. */
export function walkOptions(
  title: string,
  space: object,
  calls: Readonly<Record<string, Call>>,
  without: readonly string[],
): void {
  describe(title, () => {
    const names = functionsOf(space);

    it("every function is called below, or listed as having no options", () => {
      expect(names.filter((name) => !(name in calls) && !without.includes(name))).toEqual([]);
      expect(without.filter((name) => name in calls || !names.includes(name))).toEqual([]);
    });

    it.each(Object.keys(calls))("%s refuses options that it does not have", async (name) => {
      const call = calls[name] as (options: unknown) => unknown;
      const refused = async (options: unknown) => {
        const error = await Promise.resolve()
          .then(() => call(options))
          .then(
            () => undefined,
            (thrown: unknown) => thrown,
          );
        expect(error, `with ${JSON.stringify(options)}`).toBeInstanceOf(ValueError);
        return (error as Error).message;
      };
      const message = await refused({ notAnOption: 1 });
      expect(message).toMatch(/: there is no option "notAnOption"/);
      const [, names = ""] = /\(there are (.*)\)$/.exec(message) ?? [];
      for (const option of names.split(", ").filter((known) => known !== "" && !TAKE_NULL.includes(known))) {
        expect(await refused({ [option]: null })).toMatch(new RegExp(`: ${option}(: options)? must be `));
      }
      for (const wrong of [7, "text", true, null, [1, 2], () => 0]) {
        expect(await refused(wrong)).toMatch(/: options must be an object/);
      }
    });
  });
}
