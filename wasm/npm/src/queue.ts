/**
 * What waits for the application in one room: bounded, and never silently dropped. The counterpart of
 * `core/src/connection/room_queue.rs`.
 *
 * A queue that overflows takes no more until the application has emptied it, and the rest is fetched
 * again from behind the last thing in it: each round brings the application forward, however little fits.
 */

import type { GapReason, Row } from "./connection.js";

/** How much may wait in one queue. */
export interface Bounds {
  events: number;
  bytes: number;
}

/** A place in a room's log. */
export interface Place {
  epoch: string;
  offset: number;
}

/** An event of a room, or of none. */
export interface EventItem<Type extends string = string, Data = unknown> {
  kind: "event";
  /** Its type; empty for an event that isn't an object with one. */
  type: Type;
  /** Its data; bytes for a binary event. */
  data: Data;
  /** Its place in the room's log; absent for one that is not logged. */
  offset: number | undefined;
  /** All of it, as it came. */
  event: unknown;
}

/** Events that will never come. */
export interface GapItem {
  kind: "gap";
  /** The first and last missing offset; 0 where they can't be known. */
  from: number;
  to: number;
  reason: GapReason;
}

/** The room's state as of here: after a join in the middle, or after a gap. */
export interface SnapshotItem {
  kind: "snapshot";
  data: unknown;
}

/** What a room brings. */
export type RoomItem = EventItem | GapItem | SnapshotItem;

type Entry =
  | { kind: "row"; epoch: string; row: Row }
  | { kind: "gap"; gap: GapItem; place: Place }
  | SnapshotItem;

/** What an entry that holds no text counts as. */
const SMALL = 64;

/** What follows when something didn't fit. Nothing is let in meanwhile: it would come twice. */
const enum Pause {
  Off,
  /** The application has not taken everything. */
  Full,
  /** It has, and the connection has not heard of it. */
  CaughtUp,
}

/** The queue of one room. Where a push returns a place, it didn't fit: the room overflowed there. */
export class RoomQueue {
  readonly #bounds: Bounds;
  #entries: Entry[] = [];
  /** The first entry, and of it the next event. */
  #entry = 0;
  #event = 0;
  #events = 0;
  #bytes = 0;
  #last: Place = { epoch: "", offset: 0 };
  #taken: Place = { epoch: "", offset: 0 };
  #pause = Pause.Off;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  /** The room's place in its log, before anything was queued. */
  begin(place: Place): void {
    this.#last = this.#taken = place;
  }

  /** Queues events. */
  push(epoch: string, row: Row): Place | undefined {
    const { events, first, size } = row;
    if (this.#pause !== Pause.Off || events.length === 0) return undefined;
    if (!this.#hasRoom(events.length, size)) return this.#overflow();
    this.#events += events.length;
    this.#bytes += size;
    if (first > 0) this.#last = { epoch, offset: first + events.length - 1 };
    this.#entries.push({ kind: "row", epoch, row });
    return undefined;
  }

  /** Queues a gap, behind which the room stands at `place`. */
  pushGap(gap: GapItem, place: Place): Place | undefined {
    if (this.#pause !== Pause.Off) return undefined;
    const last = this.#isEmpty() ? undefined : this.#entries[this.#entries.length - 1];
    if (last?.kind === "gap") {
      // Neighbours become one.
      const follows = last.gap.to > 0 && gap.from === last.gap.to + 1;
      if (follows || gap.to === 0) {
        last.gap = follows ? { ...last.gap, to: gap.to } : gap;
        last.place = this.#last = place;
        return undefined;
      }
    }
    if (!this.#hasRoom(0, SMALL)) return this.#overflow();
    this.#bytes += SMALL;
    this.#last = place;
    this.#entries.push({ kind: "gap", gap, place });
    return undefined;
  }

  /** Queues the room's state: always let in, since nothing would bring it again. */
  pushSnapshot(data: unknown): void {
    if (this.#pause !== Pause.Off) return;
    const last = this.#isEmpty() ? undefined : this.#entries[this.#entries.length - 1];
    if (last?.kind === "snapshot") last.data = data;
    else this.#entries.push({ kind: "snapshot", data });
  }

  /** The room goes on: what comes from now on is let in. */
  goOn(): void {
    this.#pause = Pause.Off;
  }

  /** The next thing for the application. */
  take(): RoomItem | undefined {
    const entry = this.#entries[this.#entry];
    if (!entry) return undefined;
    if (entry.kind === "row") return this.#takeEvent(entry.epoch, entry.row);
    this.#shift();
    if (entry.kind === "snapshot") return entry;
    this.#bytes -= SMALL;
    this.#taken = entry.place;
    return entry.gap;
  }

  /** Whether the room waits for this to be told, once everything is taken; true once. */
  caughtUp(): boolean {
    const caughtUp = this.#pause === Pause.Full && this.#isEmpty();
    if (caughtUp) this.#pause = Pause.CaughtUp;
    return caughtUp;
  }

  /** The place behind what was taken last. */
  get position(): Place {
    return this.#taken;
  }

  #takeEvent(epoch: string, row: Row): EventItem {
    const offset = row.first > 0 ? row.first + this.#event : undefined;
    const item = eventOf(row.events[this.#event], offset, row.bytes);
    this.#event += 1;
    this.#events -= 1;
    if (offset !== undefined) this.#taken = { epoch, offset };
    if (this.#event === row.events.length) {
      this.#bytes -= row.size;
      this.#shift();
    }
    return item;
  }

  #shift(): void {
    this.#event = 0;
    this.#entry += 1;
    // Not one by one, which would move all that are behind each time.
    if (this.#entry * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#entry);
      this.#entry = 0;
    }
  }

  #isEmpty(): boolean {
    return this.#entry === this.#entries.length;
  }

  /** One thing is always let in, however large, or it could never be delivered. */
  #hasRoom(events: number, bytes: number): boolean {
    const { events: mostEvents, bytes: mostBytes } = this.#bounds;
    const fits = this.#events + events <= mostEvents && this.#bytes + bytes <= mostBytes;
    return fits || this.#isEmpty();
  }

  #overflow(): Place {
    this.#pause = Pause.Full;
    return this.#last;
  }
}

/** An event as the application gets it. */
export function eventOf(
  event: unknown,
  offset: number | undefined,
  bytes: Uint8Array | undefined,
): EventItem {
  // What isn't an object is delivered too, and keeps its place.
  const { type, data } = (event ?? {}) as { type?: unknown; data?: unknown };
  return {
    kind: "event",
    type: typeof type === "string" ? type : "",
    data: bytes ?? data,
    offset,
    event,
  };
}
