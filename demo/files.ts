/** Files and links: saving and loading weights, downloading history and charts, copying the link to a run. */
import { byId, download, nextTask, say } from "./dom.ts";
import { messageOf } from "./format.ts";

export interface FileSources {
  /** Name without extension. */
  name(): string;
  /** The table in pieces. */
  csv(): Iterable<string>;
  png(): Promise<Blob | undefined>;
  save(): Promise<Uint8Array>;
  /** Returns the message to show. */
  load(bytes: Uint8Array, name: string): Promise<string>;
}

export function connectFiles(sources: FileSources): void {
  const note = (text: string) => say(byId("weights-note"), text);
  byId("csv").addEventListener("click", async () => {
    const pieces: string[] = [];
    for (const piece of sources.csv()) {
      pieces.push(piece);
      await nextTask();
    }
    download(new Blob(pieces, { type: "text/csv" }), `${sources.name()}.csv`);
  });
  byId("png").addEventListener("click", async () => {
    const picture = await sources.png();
    if (picture !== undefined) download(picture, `${sources.name()}.png`);
  });
  byId("save").addEventListener("click", async () => {
    try {
      const bytes = await sources.save();
      const name = `${sources.name()}.safetensors`;
      download(new Blob([bytes as Uint8Array<ArrayBuffer>], { type: "application/octet-stream" }), name);
      note(`Saved as ${name}. To evaluate it on the command line: weft eval ${name}`);
    } catch (error) {
      note(messageOf(error));
    }
  });
  const input = byId<HTMLInputElement>("load");
  input.addEventListener("change", async () => {
    const file = input.files?.[0];
    if (file === undefined) return;
    note(`Reading ${file.name}…`);
    try {
      note(await sources.load(new Uint8Array(await file.arrayBuffer()), file.name));
    } catch (error) {
      note(messageOf(error));
    }
    // The same file may be chosen again.
    input.value = "";
  });
  byId("link").addEventListener("click", async () => {
    const done = await navigator.clipboard?.writeText(location.href).then(
      () => true,
      () => false,
    );
    say(byId("form-note"), done ? "Link copied." : "The link is in the address bar.");
  });
}

/** Weights can be saved at any time once there is a run; they are loaded only while nothing trains. */
export function allowFiles(save: boolean, load: boolean): void {
  byId<HTMLButtonElement>("save").disabled = !save;
  byId<HTMLInputElement>("load").disabled = !load;
  byId("load-label").classList.toggle("disabled", !load);
}
