/**
 * The entry `staywire/slim`: the engine is a file of its own, `staywire/staywire.wasm`, which `load()` is told
 * of before the first client is made.
 */

import { ClientCore, type ClientOptions } from "./client.js";
import { type Wasm, instantiate } from "./engine.js";
import { StaywireError } from "./errors.js";
import type { EventMap } from "./room.js";

export * from "./api.js";

let wasm: Wasm | undefined;

/** Loads the engine from where it is served, from a response, or from its bytes. Once is enough. */
export async function load(
  source: string | URL | Response | BufferSource | WebAssembly.Module,
): Promise<void> {
  if (wasm) return;
  const byUrl = typeof source === "string" || source instanceof URL;
  const from = byUrl ? await fetch(source) : source;
  if (!(from instanceof Response)) {
    wasm = instantiate(from);
    return;
  }
  if (!from.ok) {
    const why = `the engine can't be loaded from ${from.url}: status ${from.status}`;
    throw new StaywireError("not_loaded", why);
  }
  wasm = instantiate(await from.arrayBuffer());
}

/** A connection that stays. */
export class Client<Events extends EventMap = EventMap> extends ClientCore<Events> {
  constructor(url: string | URL, options: ClientOptions = {}) {
    if (!wasm) {
      throw new StaywireError("not_loaded", "await load(…) before the first client is made");
    }
    super(url, options, wasm);
  }
}
