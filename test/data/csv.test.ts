/** CSV: what is inferred, what quoting allows, and every complaint with its line and column. */
import { describe, expect, test } from "vitest";
import { type CsvOptions, parseCsv } from "../../src/data/csv/parse-csv.ts";
import { csvRecords, guessDelimiter } from "../../src/data/csv/records.ts";
import { FormatError, ValueError } from "../../src/validation/errors.ts";

const fields = (text: string) =>
  [...csvRecords(text, guessDelimiter(text), "f")].map((record) => record.fields);

describe("records", () => {
  test("quotes hold delimiters, line breaks and doubled quotes", () => {
    expect(fields('a,"b, ""c""\nd" ,e\r\n1,2,3')).toEqual([
      ["a", 'b, "c"\nd', "e"],
      ["1", "2", "3"],
    ]);
    expect([...csvRecords('"a\n\nb"\n\nc', ",", "f")].map(({ line }) => line)).toEqual([1, 5]);
  });
  test("line ends, blank lines, blanks and empty fields", () => {
    expect(fields("\r\n a , b \r1,\n\n,2\n")).toEqual([
      ["a", "b"],
      ["1", ""],
      ["", "2"],
    ]);
    expect(fields('""\n')).toEqual([[""]]);
    expect(fields("")).toEqual([]);
  });
  test("semicolons and tabs are noticed, but not those in quotes", () => {
    // A decimal comma.
    expect(fields("1,5;2\n")).toEqual([["1,5", "2"]]);
    expect(fields("a;b;c,d\n1;2;3")[1]).toEqual(["1", "2", "3"]);
    expect(fields('"a;b;c",d')).toEqual([["a;b;c", "d"]]);
    expect(fields("a\tb\n\tc")).toEqual([
      ["a", "b"],
      ["", "c"],
    ]);
  });
});

const FLOWERS = "length,width,kind\n5.1,3.5,setosa\n7,3.2,versicolor\n6.3,3.3,setosa\n";

describe("parseCsv", () => {
  test("features, named classes in order of name, header noticed", () => {
    const flowers = parseCsv(FLOWERS, { label: "kind", name: "flowers.csv" });
    expect(flowers).toMatchObject({
      name: "flowers.csv",
      count: 3,
      classes: 2,
      classNames: ["setosa", "versicolor"],
      columns: ["length", "width"],
    });
    expect([...flowers.labels]).toEqual([0, 1, 0]);
    expect(flowers.inputs.shape).toEqual([2]);
    expect(flowers.inputs.data).toEqual(Float32Array.of(5.1, 3.5, 7, 3.2, 6.3, 3.3));
    const bytes = new TextEncoder().encode(`\ufeff${FLOWERS}`);
    expect(parseCsv(bytes, { label: -1, name: "flowers.csv" })).toEqual(flowers);
    expect(parseCsv(FLOWERS.slice(18), { label: 2, name: "flowers.csv" }).inputs).toEqual(flowers.inputs);
  });

  test("whole numbers are classes if few, else targets; `task` decides otherwise", () => {
    const few = parseCsv("a,y\n1,7\n2,3\n3,7.0\n", { label: "y" });
    expect([[...few.labels], few.classNames]).toEqual([
      [1, 0, 1],
      ["3", "7"],
    ]);
    const forced = parseCsv("a,y\n1,7\n2,3\n", { label: "y", task: "values" });
    expect(forced.labels).toEqual(Float32Array.of(7, 3));
    expect(forced.classes).toBeUndefined();
    expect(parseCsv("a,y\n1,7.5\n2,3\n", { label: "y" }).labels).toBeInstanceOf(Float32Array);
    const many = Array.from({ length: 21 }, (_, i) => `1,${i}`).join("\n");
    expect(parseCsv(many, { label: 1 }).labelShape).toEqual([1]);
    expect(parseCsv(many, { label: 1, task: "classes" }).classes).toBe(21);
  });

  test("text columns become one column per text; ignored ones are not looked at", () => {
    const table = parseCsv("id,colour,size,y\nx1,red,1,0\nx2,blue,2,1\n,red,3,1\n", {
      label: "y",
      ignore: ["id"],
    });
    expect(table.columns).toEqual(["colour=blue", "colour=red", "size"]);
    expect([...table.inputs.data]).toEqual([0, 1, 1, 1, 0, 2, 0, 1, 3]);
  });

  const wrong: [what: string, text: string, options: Partial<CsvOptions>, message: string][] = [
    ["an empty file", "", {}, "f: holds no lines"],
    ["a header alone", "a,y\n\n", {}, "f: holds a header and no rows"],
    ["a row too short", "a,y\n1,2\n3\n", {}, "f: line 3: expected 2 columns, got 1"],
    ["a row too long", "a,y\n1,2,3\n", {}, "f: line 2: expected 2 columns, got 3"],
    [
      "text among numbers",
      "a,y\n1,2\n\n1e,2\n",
      {},
      'f: line 4, column 1 (a): expected a number as in the lines above, got "1e"',
    ],
    ["an empty cell", "a,y\n,2\n", {}, "f: line 2, column 1 (a): the cell is empty"],
    ["an empty label", "a,y\n1,2\n2,\n", {}, "f: line 3, column 2 (y): the cell is empty"],
    ["NaN", "a,y\n1,2\nNaN,2\n", {}, 'f: line 3, column 1 (a): "NaN" is no value'],
    ["a missing value", "1,2\n?,2\n", { label: 1 }, 'f: line 2, column 1: "?" is no value'],
    ["infinity", "a,y\n1,2\nInfinity,2\n", {}, 'expected a number as in the lines above, got "Infinity"'],
    ["numbers beyond float32", "a,y\n1e39,2\n", {}, "f: line 2, column 1 (a): 1e39 is too large for float32"],
    [
      "an open quote",
      'a,y\n1,"2\n3,4\n',
      {},
      "f: line 2, column 2: the quote that opens here is never closed",
    ],
    ["text behind a quote", 'a,y\n"1"2,3\n', {}, 'f: line 2, column 1: "2" follows the closing quote'],
    ["text as a target", "a,y\n1,red\n", { task: "values" }, 'the label "y" holds text'],
    ["nothing but labels", "y\n1\n", {}, "f: has no column besides the label's"],
    [
      "an identifier as a feature",
      `a,y\n${Array.from({ length: 99 }, (_, i) => `n${i},1`).join("\n")}`,
      {},
      "f: line 66, column 1 (a): more than 64 different texts",
    ],
  ];
  test.each(wrong)("refuses %s", (_, text, options, message) => {
    const parse = () => parseCsv(text, { label: "y", name: "f", ...options });
    expect(parse).toThrow(FormatError);
    expect(parse).toThrow(message);
  });

  test("refuses bytes that are not text", () => {
    expect(() => parseCsv(Uint8Array.of(0x61, 0xff, 0x0a), { label: 0, name: "f" })).toThrow("f: not text");
  });

  const nowhere: [what: string, options: CsvOptions, message: string][] = [
    ["a name that is not there", { label: "z" }, 'label: there is no column "z", there are "a", "a", "y"'],
    ["a name that is there twice", { label: "a" }, 'several columns are called "a"'],
    ["a number too large", { label: 3 }, "there is no column 3, the file has 3 (0 .. 2)"],
    ["a number too small", { label: -4 }, "there is no column -4"],
    ["a fraction", { label: 0.5 }, "there is no column 0.5"],
    ["a name without a header", { label: "y", header: false }, "the file has no header; give its number"],
    ["an ignored label", { label: "y", ignore: [2] }, "also to be ignored"],
  ];
  test.each(nowhere)("refuses as label %s", (_, options, message) => {
    const parse = () => parseCsv("a,a,y\n1,2,3\n", options);
    expect(parse).toThrow(ValueError);
    expect(parse).toThrow(message);
  });
});
