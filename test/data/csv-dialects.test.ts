/** CSV as programs and people write it: headers, number signs, encodings, row names, and what is refused for being unclear. */
import { describe, expect, test } from "vitest";
import { textPieces } from "../../src/data/csv/decode-text.ts";
import { type CsvOptions, parseCsv } from "../../src/data/csv/parse-csv.ts";
import { csvRecords, guessDelimiter } from "../../src/data/csv/records.ts";
import { FormatError } from "../../src/validation/errors.ts";

const read = (source: string | Uint8Array, options: Partial<CsvOptions> = {}) => {
  const set = parseCsv(source, { label: -1, name: "f", ...options });
  return {
    columns: set.columns,
    x: [...set.inputs.data],
    y: [...set.labels],
    names: set.classNames,
    count: set.count,
  };
};
const refused = (source: string | Uint8Array, message: string, options: Partial<CsvOptions> = {}) => {
  expect(() => read(source, options)).toThrow(FormatError);
  expect(() => read(source, options)).toThrow(message);
};

describe("the first line", () => {
  const headers: [what: string, text: string, columns: string[], y: number[]][] = [
    ["whole numbers above numbers, beside a name", "0,1,target\n5,6,0\n7,8,1\n", ["0", "1"], [0, 1]],
    ["whole numbers above named classes", "0,1,kind\n5,6,a\n7,8,b\n5,6,a\n7,8,a\n", ["0", "1"], [0, 1, 0, 0]],
    ["pandas' index", ",0,1\n0,5,6\n1,7,8\n", ["0"], [0, 1]],
    ["years", "2019,2020,y\n1,2,0\n3,4,1\n", ["2019", "2020"], [0, 1]],
    ["names above text", "colour,y\nred,yes\nblue,no\n", ["colour=blue", "colour=red"], [1, 0]],
    ["blanks in a name", '"a b" , y\n1,0\n2,1\n', ["a b"], [0, 1]],
    ["a comment above it", "# made by hand, twice\n# again\na,y\n1,0\n2,1\n", ["a"], [0, 1]],
    ["NumPy's comment", "# a,b,y\n1,2,0\n3,4,1\n", ["a", "b"], [0, 1]],
  ];
  test.each(headers)("is a header: %s", (_, text, columns, y) => {
    expect(read(text)).toMatchObject({ columns, y, count: y.length });
  });

  const samples: [what: string, text: string, count: number][] = [
    ["numbers", "5.1,3.5,0\n4,3,1\n", 2],
    ["numbers that are next to each other in other lines too", "1,2,3\n4,5,6\n7,8,9\n", 3],
    ["text that comes again", "red,big,yes\nblue,small,no\nred,small,yes\n", 3],
    ["numbers and a class", "5.1,3.5,a\n4.9,3,b\n", 2],
    ["whole numbers and a class that comes again", "0,1,a\n2,3,b\n4,5,a\n", 3],
    ["a line that comes again", "0,1\n1,0\n0,1\n", 3],
    ["hexadecimal colours", "#ff0000,1\n#00ff00,0\n", 2],
  ];
  test.each(samples)("is a sample: %s", (_, text, count) => {
    expect(read(text).count).toBe(count);
  });

  const unclear = ["0,1,2\n5,6,7.5\n1,1,1\n", "0,1\n1,0\n", "7,8,9\n1,1,2\n", "2015,2020,2022\n1,1,2\n"];
  test.each(unclear)("is refused where that can't be told, unless `header` says: %j", (text) => {
    refused(text, "may name the columns or be a sample; say which with `header`");
    const count = text.trim().split("\n").length;
    expect(read(text, { header: true }).count).toBe(count - 1);
    expect(read(text, { header: false }).count).toBe(count);
  });

  test("a missing value is no name", () => {
    refused("?,1\n2,0\n", 'f: line 1, column 1: "?" is no value');
    refused("1e,0.5\n2,0\n", "f: line 2, column 1: expected text as in the lines above");
  });
});

describe("files of other programs", () => {
  test("Keras: the label first, no header; and a table of prices", () => {
    const digits = ["5,0,0,128,255", "0,0,7,255,0", "5,1,0,127,254"].join("\n");
    expect(read(digits, { label: 0 })).toMatchObject({ count: 3, y: [1, 0, 1], names: ["0", "5"] });
    const housing = [
      '"longitude","latitude","housing_median_age","median_income","median_house_value"',
      "-114.310000,34.190000,15.000000,1.493600,66900.000000",
      "-114.470000,34.400000,19.000000,1.820000,80100.000000",
      "-114.560000,33.690000,17.000000,1.650900,85700.500000",
    ].join("\r\n");
    const set = read(housing);
    expect(set.columns).toEqual(["longitude", "latitude", "housing_median_age", "median_income"]);
    expect(set.y).toEqual([66_900, 80_100, 85_700.5]);
  });

  test("pandas: the index, with and without a name, twice; booleans; a shuffled index", () => {
    const rows = ["1,0.5,True,cat", "0,1.5,False,dog", "2,2.5,True,cat"];
    for (const name of ["", "Unnamed: 0"]) {
      const set = read([`${name},x,flag,y`, ...rows].join("\n"));
      expect(set).toMatchObject({ columns: ["x", "flag"], x: [0.5, 1, 1.5, 0, 2.5, 1], y: [0, 1, 0] });
    }
    expect(read("Unnamed: 0.1,Unnamed: 0,x,y\n0,0,5,1\n1,1,6,0\n").columns).toEqual(["x"]);
    // Who names it gets it.
    expect(read(",x\n1,5\n0,6\n", { label: 0 })).toMatchObject({ columns: ["x"], names: ["0", "1"] });
  });

  test("R: write.csv's row names under an empty name, write.table's under none", () => {
    const csv = '"","mpg","cyl","am"\n"Mazda RX4",21,6,1\n"Datsun 710",22.8,4,1\n"Hornet",21.4,6,0\n';
    expect(read(csv)).toMatchObject({ columns: ["mpg", "cyl"], y: [1, 1, 0] });
    const table = '"mpg","am"\n"1",21,1\n"2",22.8,0\n';
    expect(read(table)).toMatchObject({ columns: ["mpg"], x: [21, Math.fround(22.8)], y: [1, 0] });
    expect(read(table.replaceAll(",", ";").replaceAll(".", ","))).toMatchObject({
      columns: ["mpg"],
      y: [1, 0],
    });
    // R's TRUE, and its quotes around words.
    expect(read('"","flag","y"\n"1",TRUE,"a"\n"2",FALSE,"b"\n').x).toEqual([1, 0]);
    // Not row names: a name is missing.
    refused("a,y\n1,2,0\n3,4,1\n", "f: line 2: expected 2 columns, got 3");
  });

  test("delimiters at the ends of lines", () => {
    for (const text of ["a,y,\n1,0,\n2,1,\n", "a,y\n1,0,\n2,1,\n", "a,y,\n1,0\n2,1\n"]) {
      expect(read(text)).toMatchObject({ columns: ["a"], x: [1, 2], y: [0, 1] });
    }
    expect(read("1,0,\n2,1,\n")).toMatchObject({ x: [1, 2], y: [0, 1] });
    const late = ["a,y,", ...Array.from({ length: 300 }, () => "1,0,"), "1,0,7"].join("\n");
    refused(late, "f: line 302: expected nothing after the last delimiter");
  });

  test("Excel: sep=, semicolons, a byte order mark, UTF-16", () => {
    expect(read("sep=;\na;y\n1,5;0\n2,5;1\n")).toMatchObject({ x: [1.5, 2.5], y: [0, 1] });
    const utf16 = (text: string, little: boolean) => {
      const bytes = new Uint8Array(2 * text.length + 2);
      const view = new DataView(bytes.buffer);
      [..."\ufeff", ...text].forEach((c, i) => {
        view.setUint16(2 * i, c.charCodeAt(0), little);
      });
      return bytes;
    };
    for (const little of [true, false]) {
      expect(read(utf16("größe\ty\n1\t0\n2\t1\n", little))).toMatchObject({ columns: ["größe"], y: [0, 1] });
    }
    expect(read("\ufeffa,y\n1,0\n2,1\n").columns).toEqual(["a"]);
    expect(read('\ufeff"a",y\n1,0\n2,1\n').columns).toEqual(["a"]);
    refused(utf16("a,y\n1,0\n", true).subarray(2), "f: not text (holds NUL characters");
    refused(Uint8Array.of(0xff, 0xfe, 0, 0, 0x61, 0, 0, 0), "UTF-32");
    refused(Uint8Array.of(0x50, 0x4b, 3, 4, 20, 0), "f: is a zip archive (Excel");
    refused(new TextEncoder().encode("PAR1\x15\x04"), "f: is a Parquet file");
    refused(new TextEncoder().encode("<!DOCTYPE html>"), "f: is a web page");
  });

  test("columns of one name keep apart", () => {
    expect(read("a,a,a.1,y\n1,2,3,0\n4,5,6,1\n").columns).toEqual(["a", "a.2", "a.1"]);
  });
});

describe("the delimiter", () => {
  const cases: [text: string, delimiter: string][] = [
    ['"a\nb;c";d\n1;2\n', ";"],
    ['x,text\n1,"hello; world; again"\n2,"a;b;c"\n', ","],
    ["a;b;price\n1,5;2,5;0,5\n3,5;4,5;1,5\n", ";"],
    ["1,5;2,5\n3,5;4,5\n", ";"],
    ["a|b|y\n1|2|0\n3|4|1\n", "|"],
    ["# by me; on a day; late\na,b\n1,2\n", ","],
    ["name;note\nx;a, b, c\ny;d\n", ";"],
    ["a,b\n1,2\n3\n", ","],
  ];
  test.each(cases)("%j", (text, delimiter) => {
    expect(guessDelimiter(text)).toBe(delimiter);
  });
});

describe("numbers", () => {
  test("decimal commas are read where they don't divide the cells", () => {
    expect(read("a;b;price\n1,5;2;0,5\n3,25;4;1,5\n")).toMatchObject({
      columns: ["a", "b"],
      x: [1.5, 2, 3.25, 4],
      y: [0.5, 1.5],
    });
    expect(read("a\ty\n1,5e2\t-0,5\n,5\t1\n").x).toEqual([150, 0.5]);
    expect(read('a,y\n"1,5",0\n"2,25",1\n', { decimal: "," }).x).toEqual([1.5, 2.25]);
    // Another number of the file tells what the comma is.
    expect(read("a;y\n1,234;0,5\n2,345;1,5\n").x).toEqual([Math.fround(1.234), Math.fround(2.345)]);
    refused("a;y\n1,234;0\n2,345;1\n", 'f: line 2, column 1 (a): "1,234" may have a decimal comma');
    expect(read("a;y\n1,234;0\n2,345;1\n", { decimal: "," }).x[0]).toBe(Math.fround(1.234));
    refused("a;b;y\n1,5;2.5;0\n", 'f: line 2, column 1 (a): "1,5" has a comma, "2.5"');
    refused("a;b;y\n1,5;1.234;0\n", "write all numbers alike");
    refused("a;y\n1.5;0\n", 'f: line 2, column 1 (a): "1.5" has a point', { decimal: ",", header: true });
  });

  const lookalikes: [cell: string, why: string][] = [
    ["1,234", "commas between thousands"],
    ["1,234,567.5", "commas between thousands"],
    ["1.234,5", "commas between thousands"],
    ["12,34,567", "commas between thousands"],
    ["1 234", "thousands separated"],
    ["1'234.5", "thousands separated"],
    ["1\u00a0234", "thousands separated"],
    ["1.234.567", "several decimal points"],
    ["1.2.3", "several decimal points"],
    ["5%", "percent sign"],
    ["12.5 %", "percent sign"],
    ["$5", "currency sign"],
    ["-$1,234.50", "currency sign"],
    ["5,00 €", "currency sign"],
    ["EUR 5", "currency sign"],
    ["(5.00)", "parentheses"],
    ["5-", "minus sign after"],
    ["\u22125", "minus sign that is not a hyphen"],
    ["2024-01-31", "date"],
    ["2024-01-31T12:00:00Z", "date"],
    ["31.12.2024", "date"],
    ["1/2/24", "date"],
    ["12/31/2024 10:00", "date"],
    ["5-Jan-2024", "date"],
    ["Jan 5, 2024", "date"],
    ["12:30", "time"],
    ["0x1F", "not decimal"],
    ["1_000", "underscores"],
    ["inf", "not finite"],
    ["-Infinity", "not finite"],
    ["1.5D3", "exponent"],
    ["1248 CC", "has a unit"],
    ["5.5kg", "has a unit"],
    ["'5'", "single quotes"],
    ["\uff11\uff12", "digits other than"],
  ];
  test.each(lookalikes)("%j is refused, as a feature and as a label, first or later", (cell, why) => {
    const quoted = `"${cell}"`;
    refused(`a,y\n${quoted},0\n${quoted},1\n`, "f: line 2, column 1 (a)");
    refused(`a,y\n${quoted},0\n`, why);
    refused(`a,y\n1,0\n${quoted},1\n`, "f: line 3, column 1 (a)");
    refused(`a,y\n1,${quoted}\n2,${quoted}\n`, "f: line 2, column 2 (y)");
    refused(`a,y\n1,5\n2,${quoted}\n`, why);
  });
  test("labels may look as they like if they are said to be classes; text proper is text", () => {
    expect(read("a,y\n1,2024-01-31\n2,5%\n", { task: "classes" }).names).toEqual(["2024-01-31", "5%"]);
    expect(read("a,y\n18-25,0\n5-star,1\n4x4,0\nA1,1\n3rd,0\n10+,0\n").columns).toHaveLength(6);
  });

  test("cells without a value, as others write them", () => {
    for (const cell of ["", "NA", "N/A", "nan", "NULL", "None", "?", "-", ".", "#N/A", "#DIV/0!", "<NA>"]) {
      refused(`a,y\n1,0\n"${cell}",1\n`, "f: line 3, column 1 (a)");
      refused(`a,y\n1,0\n2,"${cell}"\n`, "f: line 3, column 2 (y)");
    }
  });

  test("plain numbers in any plain form, quoted or not; text and numbers are not mixed", () => {
    expect(read('a,y\n"1e5",0\n+.5,1\n-2.,0\n" 3 ",1\n007,0\n').x).toEqual([1e5, 0.5, -2, 3, 7]);
    refused(
      "a,y\nx,0\n1,1\n",
      'f: line 3, column 1 (a): expected text as in the lines above, got the number "1"',
    );
    refused("a,y\n1e999,0\n", "1e999 is too large for float32");
    refused("a,y\nTrue,0\n1,1\n", "expected text as in the lines above");
  });
});

describe("labels", () => {
  test("numbers among text: one class for one text, whatever comes first", () => {
    expect(read("a,y\n1,1.0\n2,x\n3,1.0\n")).toMatchObject({ y: [0, 1, 0], names: ["1", "x"] });
    expect(read("a,y\n2,x\n1,1.0\n3,1\n")).toMatchObject({ y: [1, 0, 0], names: ["1", "x"] });
    expect(read("a,y\n1,0.5\n2,x\n3,.5\n4,0.50\n").y).toEqual([0, 1, 0, 0]);
  });

  test("True, TRUE and true are one class", () => {
    expect(read("a,y\n1,True\n2,FALSE\n3,true\n4,false\n")).toMatchObject({
      y: [1, 0, 1, 0],
      names: ["FALSE", "True"],
    });
  });

  test("False comes before True, however they are written", () => {
    for (const [yes, no] of [
      ["True", "false"],
      ["TRUE", "False"],
      ["true", "FALSE"],
    ]) {
      const set = read(`a,y\n1,${yes}\n2,${no}\n`);
      expect(set).toMatchObject({ y: [1, 0], names: [no, yes] });
    }
  });

  test("codes keep the zeros in front, and are classes however many there are", () => {
    expect(read("a,y\n1,010\n2,007\n3,123\n4,010\n")).toMatchObject({
      y: [1, 0, 2, 1],
      names: ["007", "010", "123"],
    });
    const codes = Array.from({ length: 30 }, (_, i) => `0${2100 + i}`);
    const text = ["a,y", ...codes.map((code) => `1,${code}`)].join("\n");
    expect(read(text).names).toEqual(codes);
    expect(read(text, { task: "values" })).toMatchObject({ y: codes.map(Number) });
    // Plain zeros and fractions are numbers.
    expect(read("a,y\n1,0\n2,00.5\n3,0.25\n").names).toBeUndefined();
    expect(read("a,y\n1,0\n2,1\n3,0\n").names).toEqual(["0", "1"]);
  });

  test("whole numbers beyond 2^53 are told apart, in order", () => {
    const ids = ["9007199254740993", "9007199254740992", "9007199254740993", "5"];
    const set = read(["a,y", ...ids.map((id) => `1,${id}`)].join("\n"));
    expect(set).toMatchObject({ y: [2, 1, 2, 0], names: ["5", "9007199254740992", "9007199254740993"] });
    const long = "1".repeat(60);
    expect(read(`a,y\n1,${long}\n2,${long.slice(1)}2\n`).names).toHaveLength(2);
    refused(`a,y\n1,${long}\n`, "is too large for float32", { task: "values" });
  });

  test("many different ones", () => {
    const rows = (n: number, label: (i: number) => string | number) =>
      ["a,y", ...Array.from({ length: n }, (_, i) => `1,${label(i)}`)].join("\n");
    expect(
      parseCsv(
        rows(70_000, (i) => i),
        { label: 1 },
      ).labels,
    ).toBeInstanceOf(Float32Array);
    refused(
      rows(70_000, (i) => i),
      "more than 65536 different values",
      { task: "classes" },
    );
    refused(
      rows(70_000, (i) => `id-${i}`),
      "f: line 65538, column 2 (y): more than 65536 different labels",
    );
  });
});

describe("size", () => {
  test("pieces may end anywhere", () => {
    const text = 'a,"b ""x""\r\n2",c\r\n1,"2;\n",3\r"",x\n,"y"\n';
    const whole = [...csvRecords(text, ",", "f")];
    for (let size = 1; size < text.length; size++) {
      const pieces = text.match(new RegExp(`.{1,${size}}`, "gs")) as string[];
      expect([...csvRecords(pieces, ",", "f")], String(size)).toEqual(whole);
    }
  });

  test("text is decoded in pieces, characters between them included", () => {
    const bytes = new Uint8Array(2 ** 24 + 10).fill(0x61);
    bytes.set(new TextEncoder().encode("é\n"), 2 ** 24 - 1);
    const pieces = [...textPieces(bytes, "f")];
    expect(pieces.map((piece) => piece.length)).toEqual([2 ** 24 - 1, 10]);
    bytes[2 ** 24 + 5] = 0xff;
    expect(() => [...textPieces(bytes, "f")]).toThrow("invalid UTF-8 between bytes 16777216 and 16777226");
  });

  test("too many columns and endless lines are refused soon", () => {
    refused(`${"1,".repeat(5_000_000)}0\n`, "f: line 1: has more than 100000 columns");
    const piece = "x".repeat(2 ** 24);
    expect(() => [...csvRecords(['"', piece, piece, piece, piece, piece], ",", "f")]).toThrow(
      "f: line 1: goes on for more than",
    );
  });
});
