/** Downloads as they go, on stderr: a bar on a terminal, a line per file elsewhere. */
import { SingleBar } from "cli-progress";
import type { DownloadProgress } from "../datasets.ts";
import { megabytes } from "./words.ts";

export function downloadProgress(): { update(progress: DownloadProgress): void; stop(): void } {
  let bar: SingleBar | undefined;
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
          bar = new SingleBar({
            format: `${title} [{bar}] {percentage} % of ${megabytes(total)}`,
            barsize: 24,
          });
          bar.start(total, 0);
        } else process.stderr.write(`Downloading ${title} (${megabytes(total)})\n`);
      }
      bar?.update(received);
    },
    stop,
  };
}
