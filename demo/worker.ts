/** The worker's beginning: lends its session to the page. */
import { serveCalls } from "./calls.ts";
import type { SessionEvent } from "./protocol.ts";
import { Session } from "./session.ts";

serveCalls<SessionEvent>((emit) => new Session(emit));
