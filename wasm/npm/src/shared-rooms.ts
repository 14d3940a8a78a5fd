/**
 * Rooms that several components look at: joined once, left when nobody looks any more.
 *
 * It knows nothing of React but that a component may go and come back within a moment, as in StrictMode:
 * a room is left a moment after the last look.
 */

import type { AnyClient } from "./client.js";
import type { JoinFrom } from "./connection.js";
import type { StaywireError } from "./errors.js";
import { Listeners } from "./listeners.js";
import type { EventItem, GapItem, RoomItem } from "./queue.js";
import type { Off, Room } from "./room.js";

/** A room as a component sees it; each change is another object. */
export interface RoomView {
  status: "joining" | "joined" | "ended";
  /** The latest events and gaps, oldest first. */
  items: readonly (EventItem | GapItem)[];
  /** The room's state, as it was when it was last told; the items after it came later. */
  snapshot: unknown;
  /** Why the room ended. */
  error: StaywireError | undefined;
}

/** How much a view keeps, and where it begins. */
export interface RoomViewOptions {
  from?: JoinFrom;
  /** Most items that are kept; 200 if left out. */
  limit?: number;
}

/** What a component sees before there is anything. */
export const JOINING: RoomView = {
  status: "joining",
  items: [],
  snapshot: undefined,
  error: undefined,
};

/** How long a room is kept without anybody, in milliseconds. */
const LINGER = 100;

/** One room. */
export class SharedRoom {
  readonly #listeners = new Listeners<RoomItem>();
  readonly #watchers = new Set<() => void>();
  readonly #limit: number;
  readonly #abort = new AbortController();
  readonly #forget: () => void;
  #view = JOINING;
  #room: Room | undefined;
  #items: (EventItem | GapItem)[] = [];
  #next: Partial<RoomView> = {};
  #scheduled = false;
  #looks = 0;
  #leaving: ReturnType<typeof setTimeout> | undefined;

  constructor(client: AnyClient, name: string, options: RoomViewOptions, forget: () => void) {
    this.#limit = options.limit ?? 200;
    this.#forget = forget;
    const { signal } = this.#abort;
    const join = options.from === undefined ? { signal } : { signal, from: options.from };
    client.join(name, join).then(
      (room: Room) => void this.#read(room),
      (error: unknown) => {
        this.#change({ status: "ended", error: error as StaywireError });
        // Who looks again later, asks again.
        this.#forget();
      },
    );
  }

  /** What there is to see. */
  get view(): RoomView {
    return this.#view;
  }

  /** Is told after each change of the view, at most once a frame. */
  watch(watcher: () => void): Off {
    return this.#look(() => {
      this.#watchers.add(watcher);
      return () => this.#watchers.delete(watcher);
    });
  }

  /** Is told of every event of a type at once. */
  on(type: string, listener: (item: RoomItem) => void): Off {
    return this.#look(() => this.#listeners.add(type, listener));
  }

  #look(begin: () => () => void): Off {
    clearTimeout(this.#leaving);
    this.#looks += 1;
    let end: (() => void) | undefined = begin();
    return () => {
      if (!end) return;
      end();
      end = undefined;
      this.#looks -= 1;
      if (this.#looks === 0) this.#leaving = setTimeout(() => this.#leave(), LINGER);
    };
  }

  #leave(): void {
    this.#forget();
    this.#abort.abort();
    this.#room?.leave();
  }

  async #read(room: Room): Promise<void> {
    this.#room = room;
    this.#change({ status: "joined" });
    for await (const item of room) {
      this.#listeners.tell(item);
      if (item.kind === "snapshot") {
        this.#items = [];
        this.#change({ snapshot: item.data });
      } else {
        this.#items.push(item);
        // Twice as many before they are cut, so that not every event moves all of them.
        if (this.#items.length >= this.#limit * 2) this.#items = this.#items.slice(-this.#limit);
        this.#change({});
      }
    }
    this.#change({ status: "ended", error: room.error });
    this.#forget();
  }

  #change(next: Partial<RoomView>): void {
    Object.assign(this.#next, next);
    if (this.#scheduled) return;
    this.#scheduled = true;
    onFrame(() => {
      this.#scheduled = false;
      this.#view = { ...this.#view, ...this.#next, items: this.#items.slice(-this.#limit) };
      this.#next = {};
      for (const watcher of [...this.#watchers]) watcher();
    });
  }
}

/** The rooms of each client, by name and options. */
const shared = new WeakMap<AnyClient, Map<string, SharedRoom>>();

/** The room that everybody looks at who asks for it in the same way. */
export function sharedRoom(client: AnyClient, name: string, options: RoomViewOptions): SharedRoom {
  const rooms = shared.get(client) ?? new Map<string, SharedRoom>();
  shared.set(client, rooms);
  const key = JSON.stringify([name, options.from, options.limit]);
  const known = rooms.get(key);
  if (known) return known;
  const room = new SharedRoom(client, name, options, () => {
    if (rooms.get(key) === room) rooms.delete(key);
  });
  rooms.set(key, room);
  return room;
}

/** Once before the next picture; a hidden page has none, and a server never has. */
export function onFrame(callback: () => void): void {
  const { document } = globalThis as { document?: Document };
  if (document?.visibilityState === "visible" && typeof requestAnimationFrame === "function") {
    requestAnimationFrame(callback);
  } else {
    setTimeout(callback, 16);
  }
}
