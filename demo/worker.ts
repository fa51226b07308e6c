/** The entry of the worker: makes its session available to the page. */

import type { SessionEvent } from "./protocol.ts";
import { Session } from "./session.ts";
import { serveCalls } from "./worker-calls.ts";

serveCalls<SessionEvent>((emit) => new Session(emit));
