/** The device that takes the place of a lost one: one for all who had that, closed together with it. */
import type { Backend } from "../backend.ts";

export class Replacement {
  /** Opens it, once; undefined where there is no way to. What failed may be tried again. */
  readonly open: (() => Promise<Backend>) | undefined;
  #opened: Promise<Backend> | undefined;

  /** `opened`: called when there is another device, to let go of the lost one. */
  constructor(open: (() => Promise<Backend>) | undefined, opened: () => Promise<void>) {
    if (open === undefined) return;
    this.open = () => {
      this.#opened ??= open().then(
        async (backend) => {
          await opened();
          return backend;
        },
        (reason: unknown) => {
          this.#opened = undefined;
          throw reason;
        },
      );
      return this.#opened;
    };
  }

  async close(): Promise<void> {
    const backend = await this.#opened?.catch(() => undefined);
    await backend?.close();
  }
}
