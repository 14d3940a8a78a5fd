/**
 * The engine in WebAssembly, and the two clocks that it is told.
 *
 * The module imports nothing and calls nothing: it is told numbers and asked for numbers, so that no
 * code of the application can run inside it. This never loads the module; the entries do.
 */

/** The module's exports; `wasm/src/face.rs` is their reference. */
export interface Wasm {
  create(seed: number, ...settings: (number | undefined)[]): number;
  free(client: number): void;
  tell(
    client: number,
    input: number,
    time: number,
    wall: number,
    ...numbers: (number | undefined)[]
  ): number;
  poll(client: number): number;
  number(client: number, index: number): number;
}

/** Both clocks, in milliseconds: one that never goes back, and the time of day. */
export interface Now {
  time: number;
  wall: number;
}

/** Makes the module's code an engine; it compiles in about a millisecond. */
export function instantiate(module: BufferSource | WebAssembly.Module): Wasm {
  const compiled = module instanceof WebAssembly.Module ? module : new WebAssembly.Module(module);
  return new WebAssembly.Instance(compiled).exports as unknown as Wasm;
}

/** What can be set, in the order in which the engine takes it. Spans are in milliseconds. */
const SETTINGS = [
  "backoffBase",
  "backoffCap",
  "giveUpAfter",
  "heartbeatInterval",
  "heartbeatTimeout",
  "plainHeartbeat",
  "connectDeadline",
  "tokenDeadline",
  "refreshMargin",
  "retireAfter",
  "probeDeadline",
  "stableAfter",
  "maxCalls",
  "maxRooms",
  "outboxEntries",
  "outboxBytes",
  "outboxDropsOldest",
] as const;

/** What can be set; what is left out has the engine's default. Spans are in milliseconds. */
export type Settings = {
  [Name in (typeof SETTINGS)[number]]?: Name extends "plainHeartbeat" | "outboxDropsOldest"
    ? boolean
    : number;
};

/** The protocols, by the engine's numbers. */
export const PROTOCOLS = ["auto", "plain", "staywire.v1"] as const;

/** Which protocol to speak. */
export type Protocol = (typeof PROTOCOLS)[number];

/** Where tokens come from, by the engine's numbers. */
export const Credentials = { none: 0, fixed: 1, provider: 2 } as const;

/** One engine: a client's whole behaviour. */
export class Engine {
  readonly #wasm: Wasm;
  readonly #id: number;

  constructor(
    wasm: Wasm,
    seed: number,
    protocol: Protocol,
    credentials: number,
    settings: Settings = {},
  ) {
    this.#wasm = wasm;
    const values = SETTINGS.map((name) => settings[name] as number | undefined);
    this.#id = wasm.create(seed, PROTOCOLS.indexOf(protocol), credentials, ...values) >>> 0;
  }

  /** Tells it something; `inputs.ts` says what there is. */
  tell(input: number, now: Now, ...numbers: (number | undefined)[]): number {
    return this.#wasm.tell(this.#id, input, now.time, now.wall, ...numbers);
  }

  /** The next thing to do; `outputs.ts` says what there is. */
  poll(): number {
    return this.#wasm.poll(this.#id);
  }

  /** One of the numbers that came with what was said last. */
  number(index: number): number {
    return this.#wasm.number(this.#id, index);
  }
}
