/** The worker's beginning: lends its session to the page. */
import { expose } from "comlink";
import { Session } from "./session.ts";

expose(new Session());
