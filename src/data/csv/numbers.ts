/**
 * Numbers as people write them in tables: with a decimal point or a decimal comma. Everything else that looks like a number
 * or a date (thousands separators, percent signs, currencies, hexadecimal) is told apart from text, because text would
 * silently become classes or one-hot columns.
 */

import { FormatError } from "../../validation/errors.ts";
import { expectFormat } from "../../validation/expect.ts";
import { quote } from "../../validation/printable.ts";

const POINT = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const COMMA = /^[+-]?(?:\d+,\d*|,\d+)(?:[eE][+-]?\d+)?$/;
/** A comma that may also separate thousands. */
const THOUSANDS = /^[+-]?[1-9]\d{0,2},\d{3}$/;

/** How pandas, R, spreadsheets and people mark a missing value. */
export const MISSING =
  /^(?:|na|n\.?\/?a\.?|<na>|nan|-nan|nat|null|nil|none|missing|\?|-{1,3}|\.|#n\/a(?: n\/a)?|#na|-?1\.#(?:ind|qnan)|#(?:div\/0!|ref!|value!|name\?|num!|null!))$/i;

const MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\\.?";
const DIGITS = "\\d[\\d.,'’ \\u00a0\\u202f]*";
const CURRENCY = "(?:\\p{Sc}|USD|EUR|GBP|CHF|JPY|CNY|INR|Rs\\.?)";
const UNIT =
  "(?:[kmµ]?g|lbs?|oz|[ckmµ]m|ft|mi|ms|sec|mins?|hrs?|[kmgt]b|[kmg]?hz|kwh?|[km]v|mah|°[cf]?|cc|b?hp|kmpl|mpg|rpm|px|km/h|mph)";
const LOOKALIKES: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/^[+-]?(?:inf|infinity)$/i, "is not finite"],
  [new RegExp(`^[+-]?(?:[.,]?${DIGITS})\\s*[%‰]$`, "u"), "has a percent sign"],
  [new RegExp(`^[+-]?\\s*${CURRENCY}\\s*[+-]?[.,]?${DIGITS}[kmb]?$`, "iu"), "has a currency sign"],
  [new RegExp(`^[+-]?[.,]?${DIGITS}\\s*${CURRENCY}$`, "iu"), "has a currency sign"],
  [new RegExp(`^\\(\\s*${CURRENCY}?\\s*${DIGITS}\\)$`, "iu"), "is a number in parentheses"],
  [new RegExp(`^${DIGITS}-$`, "u"), "has its minus sign after it"],
  [/^[\u2212\u2013\u2014]\s*[\d.,]+$/, "has a minus sign that is not a hyphen"],
  [/^[+-]\s+[\d.,]+$/, "has a blank after its sign"],
  [/^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T ].*)?$/, "is a date"],
  [/^\d{1,2}[-/.]\d{1,2}[-/.]\d{2}(?:\d{2})?(?: .*)?$/, "is a date"],
  [new RegExp(`^\\d{1,2}[-. /]*${MONTH}[-. ,/]*(?:\\d{2}|\\d{4})$`, "i"), "is a date"],
  [new RegExp(`^${MONTH}\\s*\\d{1,2}(?:st|nd|rd|th)?,?\\s*\\d{4}$`, "i"), "is a date"],
  [/^\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\s*[ap]\.?m\.?)?$/i, "is a time"],
  [/^[+-]?0[xob][\da-f]+(?:\.[\da-f]*)?(?:p[+-]?\d+)?$/i, "is not decimal"],
  [/^[+-]?\d+(?:_\d+)+(?:\.\d*)?$/, "has underscores"],
  [/^[+-]?\d+(?:\.\d+){2,}(?:,\d*)?$/, "has several decimal points"],
  [/^[+-]?(?=[\d.]*,)\d+(?:[.,]\d+)+$/, "has a decimal comma, or commas between thousands"],
  [/^[+-]?,\d+$/, "has a decimal comma"],
  [/^[+-]?\d{1,3}(?:['’ \u00a0\u202f]\d{3})+(?:[.,]\d*)?$/, "has its thousands separated"],
  [new RegExp(`^[+-]?${DIGITS}${UNIT}$`, "iu"), "has a unit"],
  [/^'[+-]?[\d.,]+'$/, "is in single quotes"],
  [/^[+-]?\d+(?:[.,]\d+)?[dD][+-]?\d+$/, "has an exponent that is not written with e"],
  [/^[+-]?(?=.*[^\x20-\x7e])\p{Nd}+(?:[.,٫]\p{Nd}+)?$/u, "has digits other than 0 to 9"],
];

/** Why a text that looks like a number or a date is not a plain number; undefined for any other text. */
export function lookalike(text: string): string | undefined {
  return LOOKALIKES.find(([pattern]) => pattern.test(text))?.[1];
}

/** Whether a cell is a number, or would be if it were written plainly. */
export const isNumeric = (text: string): boolean =>
  POINT.test(text) || COMMA.test(text) || lookalike(text) !== undefined;

interface Example {
  readonly text: string;
  readonly where: string;
}

/** Parses the numbers of one file, and checks that all of them use the same decimal sign. */
export class NumberStyle {
  readonly #isCommaAllowed: boolean;
  #point: Example | undefined;
  #comma: Example | undefined;
  /** Whether some comma can't separate thousands. */
  #isCertain = false;

  /** Without `decimal`, decimal commas are allowed unless commas delimit the cells. */
  constructor(
    readonly decimal: "." | "," | undefined,
    delimiter: string,
  ) {
    this.#isCommaAllowed = decimal === "," || (decimal === undefined && delimiter !== ",");
  }

  /** The number in a cell, infinite if it is too large for a float64; undefined for anything else. Throws FormatError. */
  parse(text: string, where: () => string): number | undefined {
    if (POINT.test(text)) {
      if (!text.includes(".")) return Number(text);
      if (this.decimal === ",")
        throw new FormatError(`${where()}: ${quote(text)} has a point, where the decimal sign is a comma`);
      this.#point ??= { text, where: where() };
      return Number(text);
    }
    if (!this.#isCommaAllowed || !COMMA.test(text)) return undefined;
    this.#comma ??= { text, where: where() };
    this.#isCertain ||= !THOUSANDS.test(text);
    return Number(text.replace(",", "."));
  }

  /** Throws FormatError where the numbers parsed so far can be read in two ways. */
  check(): void {
    const [point, comma] = [this.#point, this.#comma];
    if (comma === undefined || this.decimal !== undefined) return;
    const begin = `${comma.where}: ${quote(comma.text)}`;
    if (point !== undefined) {
      throw new FormatError(
        `${begin} has a comma, ${quote(point.text)} (${point.where}) a point; ` +
          "write all numbers alike, or say which is the decimal sign with `decimal`",
      );
    }
    expectFormat(
      this.#isCertain,
      `${begin} may have a decimal comma or a comma between thousands; say \`decimal: ","\`, or remove the commas`,
    );
  }
}
