/**
 * The page calls its worker as if it were an object of its own, and hears of events from it: one message for a call, its
 * answer, or an event. What is said is copied; of an error only its words arrive, in an Error.
 */
import { messageOf } from "./words.ts";

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

/** An object whose methods the worker carries out, however many at a time. */
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

/** The worker's side: lends the methods of what `make` gives to the page. `make` gets what sends events there. */
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
