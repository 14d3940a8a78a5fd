/**
 * The entry `staywire`: the engine is inside, and there is nothing to wait for.
 *
 * It compiles the engine with the first client, not at import.
 */

import { ClientCore, type ClientOptions } from "./client.js";
import { type Wasm, instantiate } from "./engine.js";
import { MODULE } from "./generated/module.js";
import { decode } from "./inline.js";
import type { EventMap } from "./room.js";

export * from "./api.js";

let wasm: Wasm | undefined;

/** A connection that stays. All clients of a page share one engine's code. */
export class Client<Events extends EventMap = EventMap> extends ClientCore<Events> {
  constructor(url: string | URL, options: ClientOptions = {}) {
    super(url, options, (wasm ??= instantiate(decode(MODULE))));
  }
}
