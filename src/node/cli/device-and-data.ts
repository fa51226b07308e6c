/** Opens a device for a command, alone or while data are being loaded, and closes it however the command ends. */
import type { Backend } from "../../runtime/backend.ts";
import { type OpenOptions, openDevice } from "../device/open-device.ts";

export async function withDevice<Result>(
  options: OpenOptions,
  work: (backend: Backend) => Promise<Result>,
): Promise<Result> {
  const backend = await openDevice(options);
  try {
    return await work(backend);
  } finally {
    await backend.close();
  }
}

/**
 * Runs `work` on a device and data, which are opened and loaded at the same time. Loading is aborted when the device can't be
 * opened. Throws the reason of `stop` where that was aborted meanwhile.
 */
export async function withDeviceAndData<Data, Result>(
  options: OpenOptions,
  stop: AbortSignal,
  load: (signal: AbortSignal) => Promise<Data>,
  work: (backend: Backend, data: Data) => Promise<Result>,
): Promise<Result> {
  const failed = new AbortController();
  const opening = openDevice(options);
  opening.catch((reason: unknown) => failed.abort(reason));
  const loading = load(AbortSignal.any([stop, failed.signal]));
  const [opened, loaded] = await Promise.allSettled([opening, loading]);
  try {
    stop.throwIfAborted();
    if (opened.status === "rejected") throw opened.reason;
    if (loaded.status === "rejected") throw loaded.reason;
    return await work(opened.value, loaded.value);
  } finally {
    if (opened.status === "fulfilled") await opened.value.close();
  }
}
