/** Downloads as they go, on stderr: a bar on a terminal, a line per file elsewhere. */
import { printable } from "../../../common/printable.ts";
import type { DownloadProgress } from "../../datasets.ts";
import { megabytes } from "./format.ts";
import { aside, type Bar, openBar } from "./terminal.ts";

export function downloadProgress(): { update(progress: DownloadProgress): void; stop(): void } {
  let bar: Bar | undefined;
  let file = "";
  const stop = () => {
    bar?.stop();
    bar = undefined;
  };
  return {
    update({ dataset, file: name, received, total }) {
      if (file !== name) {
        stop();
        file = name;
        const title = `${dataset}/${name}`;
        if (process.stderr.isTTY) {
          const format = `${printable(title)} [{bar}] {percentage} % of ${megabytes(total)}`;
          bar = openBar({ format, barsize: 24, total, value: 0 });
        } else aside(`Downloading ${title} (${megabytes(total)})`);
      }
      bar?.update(received);
    },
    stop,
  };
}
