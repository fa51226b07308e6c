/**
 * Calls from the page to its worker, as methods of an object, and events from the worker. Each call, answer and event is one
 * message. Arguments and results are copied; of an error only the message arrives, in a new Error.
 */
import { messageOf } from "./format.ts";

interface Call {
  readonly id: number;
  readonly method: PropertyKey;
  readonly args: readonly unknown[];
}

/** `value` or `failure`. */
interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly failure?: string;
}

type Message<Event> = Answer | { readonly event: Event };

/** An object whose methods the worker executes, any number at a time. */
export function callWorker<Api extends object, Event>(worker: Worker, onEvent: (event: Event) => void): Api {
  const waiting = new Map<number, (answer: Answer) => void>();
  let calls = 0;
  worker.addEventListener("message", ({ data }: MessageEvent<Message<Event>>) => {
    if ("event" in data) return onEvent(data.event);
    waiting.get(data.id)?.(data);
    waiting.delete(data.id);
  });
  const call = (method: PropertyKey, args: readonly unknown[]) =>
    new Promise((resolve, reject) => {
      const id = ++calls;
      waiting.set(id, ({ value, failure }) => {
        if (failure === undefined) resolve(value);
        else reject(new Error(failure));
      });
      worker.postMessage({ id, method, args } satisfies Call);
    });
  const methods = {
    get:
      (_: object, method: PropertyKey) =>
      (...args: unknown[]) =>
        call(method, args),
  };
  return new Proxy({}, methods) as Api;
}

/** The worker's side: executes the page's calls on the object that `make` returns. `make` gets a function that sends events. */
export function serveCalls<Event>(make: (emit: (event: Event) => void) => object): void {
  const say = (message: Message<Event>) => postMessage(message);
  const api = make((event) => say({ event })) as Record<
    PropertyKey,
    (...args: readonly unknown[]) => unknown
  >;
  addEventListener("message", async ({ data: { id, method, args } }: MessageEvent<Call>) => {
    try {
      say({ id, value: await api[method]?.(...args) });
    } catch (error) {
      say({ id, failure: messageOf(error) });
    }
  });
}
