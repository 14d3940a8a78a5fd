/**
 * A room, as the application sees it: an async iterable of events, gaps and states, each once and in order.
 *
 * It owns the room's queue and who waits at it, and knows nothing of links and frames.
 */

import { type StaywireError, errorOf } from "./errors.js";
import { Listeners } from "./listeners.js";
import { type Bounds, type EventItem, type Place, type RoomItem, RoomQueue } from "./queue.js";

/** The data of events, by type: the application's own, or `StaywireEvents`. */
export type EventMap = object;

/** An event of a type that a map may know. */
export type EventOf<Events extends EventMap, Type extends string> = EventItem<
  Type,
  Type extends keyof Events ? Events[Type] : unknown
>;

/** Ends what was begun; idempotent. */
export type Off = () => void;

/** What a room needs of its client. */
export interface RoomHost {
  leave(room: number): void;
  caughtUp(room: number): void;
}

/** What the client does with a room, and the application doesn't. */
export const FILL: unique symbol = Symbol("fill");
/** Ends a room. */
export const END: unique symbol = Symbol("end");

/**
 * A room that is joined. `for await (const item of room)` reads it; breaking off leaves it.
 *
 * An application that reads slower than the room writes misses nothing: what no longer fits its queue is
 * fetched from the server once the queue is empty, or a gap is said where the server no longer has it.
 */
export class Room<Events extends EventMap = EventMap> implements AsyncIterableIterator<
  RoomItem,
  undefined
> {
  readonly #id: number;
  readonly #host: RoomHost;
  readonly #queue: RoomQueue;
  readonly #waiting: ((result: IteratorResult<RoomItem, undefined>) => void)[] = [];
  readonly #listeners = new Listeners<RoomItem>();
  #listens = false;
  #ended = false;
  #error: StaywireError | undefined;

  constructor(
    /** The name that it was joined by. */
    readonly name: string,
    id: number,
    bounds: Bounds,
    host: RoomHost,
  ) {
    this.#id = id;
    this.#queue = new RoomQueue(bounds);
    this.#host = host;
  }

  /** The next event, gap or state; done once the room has ended, for the reason in `error`. */
  next(): Promise<IteratorResult<RoomItem, undefined>> {
    if (this.#listens) return Promise.reject(errorOf("read_twice"));
    return this.#next();
  }

  /** Leaves the room: this is what breaking out of a loop does. */
  return(): Promise<IteratorResult<RoomItem, undefined>> {
    this.leave();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Listens to events of a type, instead of iterating. Returns what ends it. */
  on<Type extends string>(type: Type, listener: (event: EventOf<Events, Type>) => void): Off {
    return this.#listen(type, listener as (item: RoomItem) => void);
  }

  /** Listens to everything, instead of iterating. Returns what ends it. */
  listen(listener: (item: RoomItem) => void): Off {
    return this.#listen(undefined, listener);
  }

  /** Leaves the room. What waits in it is dropped. Idempotent. */
  leave(): void {
    if (!this.#ended) this.#host.leave(this.#id);
    this[END](undefined);
  }

  /** The place of the last event that was taken, to join from in a later run. */
  get position(): Place {
    return this.#queue.position;
  }

  /** Why the room ended; absent while it has not, and when it was left. */
  get error(): StaywireError | undefined {
    return this.#error;
  }

  /** Changes the queue, and wakes who waits for it. */
  [FILL]<T>(change: (queue: RoomQueue) => T): T {
    const changed = change(this.#queue);
    this.#serve();
    return changed;
  }

  [END](error: StaywireError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#serve();
  }

  #next(): Promise<IteratorResult<RoomItem, undefined>> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#serve();
    });
  }

  #serve(): void {
    while (this.#waiting.length > 0) {
      // A room that failed still has what came before.
      const left = this.#ended && !this.#error;
      const value = left ? undefined : this.#queue.take();
      if (value) this.#waiting.shift()?.({ done: false, value });
      else if (this.#ended) this.#waiting.shift()?.({ done: true, value: undefined });
      else break;
    }
    if (!this.#ended && this.#waiting.length > 0 && this.#queue.caughtUp()) {
      this.#host.caughtUp(this.#id);
    }
  }

  #listen(type: string | undefined, listener: (item: RoomItem) => void): Off {
    const off = this.#listeners.add(type, listener);
    if (!this.#listens) {
      this.#listens = true;
      void this.#pump();
    }
    return off;
  }

  async #pump(): Promise<void> {
    for (;;) {
      const { done, value } = await this.#next();
      if (done) return;
      this.#listeners.tell(value);
    }
  }
}
