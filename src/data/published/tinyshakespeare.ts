/**
 * Tiny Shakespeare: 40,000 lines of plays by William Shakespeare (public domain) in one text of ASCII characters, which
 * A. Karpathy put together for language models of characters.
 */

import { charactersOf } from "../../tokenizers/characters.ts";
import type { Dataset } from "../dataset.ts";
import { decodeText } from "../formats/number-lines.ts";
import { textDataset } from "../text-dataset.ts";
import type { DatasetSource } from "./dataset-source.ts";

const FILE = "input.txt";

export const tinyshakespeareSource: DatasetSource<Dataset> = {
  name: "tinyshakespeare",
  title: "Tiny Shakespeare",
  homepage: "https://github.com/karpathy/char-rnn",
  files: [
    {
      name: FILE,
      bytes: 1_115_394,
      sha256: "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    },
  ],
  mirrors: ["https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/"],
  async read(fetchFile) {
    const text = decodeText(await fetchFile(FILE), `tinyshakespeare/${FILE}`);
    return textDataset(text, { name: "tinyshakespeare", characters: charactersOf(text) });
  },
};
