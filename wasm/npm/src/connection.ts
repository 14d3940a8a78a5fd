/**
 * The engine, its frames and the payloads, put together: WebSocket messages in and out, events out, still
 * without a socket, a clock or a promise. The counterpart of `core/src/connection`, and the conformance
 * vectors drive it alike.
 *
 * The rule is the engine's: one mutation, then `next()` until there is nothing more; then `timeout` says
 * when to come back. It never calls the application.
 */

import { Engine, type Now } from "./engine.js";
import type { Refusal } from "./errors.js";
import * as Input from "./inputs.js";
import * as Output from "./outputs.js";
import {
  type Batch,
  type Fields,
  Unreadable,
  batchesOf,
  bytesOf,
  frame,
  id as idOf,
  maybe,
  object,
  parse,
  record,
  recordsOf,
  text as textOf,
  whole,
} from "./protocol.js";
import { Changes, Texts } from "./texts.js";

/** The states of a connection, by the engine's numbers. */
export const STATES = [
  "idle",
  "connecting",
  "connected",
  "reconnecting",
  "offline",
  "closed",
] as const;

/** The state of a connection. Each change is another object. */
export interface State {
  is: (typeof STATES)[number];
  /** Why it came to this, by the number of `Cause` in docs/protocol.md, section 9; 0 at first. */
  cause: number;
  /** While reconnecting: which attempt is next, counted from 1. */
  attempt?: number;
  /** While reconnecting: when it is due, on the clock of `performance.now()`. */
  retryAt?: number;
}

/** Why events are missing, by the engine's numbers. */
const GAP_REASONS = ["", "unprovable", "expired", "epoch", "hole", "overflow"] as const;

/** Why events are missing. */
export type GapReason = Exclude<(typeof GAP_REASONS)[number], "">;

/** Why a room ended, by the engine's numbers. */
const ROOM_FAILURES = ["refused", "unsupported", "closed"] as const;
/** Why a call has no answer, by the engine's numbers. */
const CALL_FAILURES = ["interrupted", "timed_out", "unsupported", "closed"] as const;
/** Why a publish has no answer, by the engine's numbers. */
const PUBLISH_FAILURES = ["uncertain", "dropped", "unsupported", "closed"] as const;

export type RoomFailure = (typeof ROOM_FAILURES)[number];
export type CallFailure = (typeof CALL_FAILURES)[number];
export type PublishFailure = (typeof PUBLISH_FAILURES)[number];

/** How an opening failed, or what a close means, by the engine's numbers. */
export const Failure = {
  network: 0,
  closed: 2,
  unauthorized: 3,
  forbidden: 4,
  rateLimited: 5,
  unavailable: 6,
  subprotocol: 7,
  violation: 8,
} as const;

/** Events that came together. */
export interface Row {
  first: number;
  events: unknown[];
  bytes: Uint8Array | undefined;
  /** About how many bytes they are, for bounds on queues. */
  size: number;
}

/** Who the server takes a client for. */
export interface Identity {
  tenant: string;
  subject: string;
}

/** One thing to do. */
export type Action =
  | { do: "open"; link: number; offer: boolean }
  | { do: "transmit"; link: number; message: string | Uint8Array<ArrayBuffer> }
  | { do: "close"; link: number; inOrder: boolean }
  | { do: "need_token" | "drop_token"; request: number }
  | { do: "state"; state: State }
  | { do: "greeted"; identity: Identity }
  | { do: "joined"; room: number; epoch: string; offset: number }
  | { do: "snapshot"; room: number; data: unknown }
  | {
      do: "gap";
      room: number;
      from: number;
      to: number;
      reason: GapReason;
      /** The place behind it. */
      epoch: string;
      offset: number;
    }
  | { do: "room_failed"; room: number; reason: RoomFailure; refusal: Refusal | undefined }
  | { do: "events"; room: number; epoch: string; row: Row }
  | { do: "answered"; id: number; data: unknown }
  | { do: "refused"; id: number; refusal: Refusal }
  | { do: "call_failed"; id: number; reason: CallFailure }
  | { do: "publish_failed"; id: number; reason: PublishFailure }
  | { do: "event_sent"; id: number }
  | { do: "unreadable"; message: string }
  | { do: "server_error"; refusal: Refusal };

/** Where to begin in a room: with the next event, with past ones, or behind a place that is known. */
export type JoinFrom = "tip" | { history: number } | { epoch: string; offset: number };

/** What a call, publish or event carries: JSON text, bytes, or nothing. */
export type Body = string | Uint8Array | undefined;

interface Link {
  plain: boolean;
  /** What came last, if it was an `error` without an id: the reason of the close that follows. */
  lastError: Refusal | undefined;
  maxFrameBytes: number;
}

interface Pending {
  type: string;
  body: Body;
  room: string | undefined;
}

/** A client connection without I/O. */
export class Connection {
  readonly #engine: Engine;
  readonly #identity: { instance: string; producer: string; client: string };
  readonly #texts = new Texts(() => this.#epochsInUse());
  readonly #who = new Changes();
  readonly #store = new Changes();
  readonly #links = new Map<number, Link>();
  readonly #rooms = new Map<number, string>();
  readonly #pending = new Map<number, Pending>();
  #actions: Action[] = [];
  #at = 0;
  #now: Now = { time: 0, wall: 0 };
  #timeout: number | undefined;
  /** What the next failing room was refused with. */
  #refusal: Refusal | undefined;
  /** Calls and publishes that turned out larger than the server takes. */
  #tooLarge: number[] = [];

  constructor(engine: Engine, identity: { instance: string; producer: string; client: string }) {
    this.#engine = engine;
    this.#identity = identity;
  }

  // ---- Commands ----

  connect(now: Now): void {
    this.#do(Input.Connect, now);
  }

  /** The room's number; 0 if too many are joined. */
  join(name: string, from: JoinFrom, now: Now): number {
    let numbers = [0];
    if (from !== "tip") {
      numbers =
        "history" in from ? [1, from.history] : [2, from.offset, this.#texts.number(from.epoch)];
    }
    const room = this.#tell(Input.Join, now, ...numbers);
    if (room > 0) this.#rooms.set(room, name);
    this.#drain();
    return room;
  }

  leave(room: number, now: Now): void {
    this.#do(Input.Leave, now, room);
    this.#rooms.delete(room);
  }

  roomOverflowed(room: number, epoch: string, offset: number, now: Now): void {
    this.#do(Input.RoomOverflowed, now, room, this.#texts.number(epoch), offset);
  }

  roomCaughtUp(room: number, now: Now): void {
    this.#do(Input.RoomCaughtUp, now, room);
  }

  /** The call's number; 0 if too many are open. */
  call(type: string, body: Body, idempotent: boolean, ends: number | undefined, now: Now): number {
    const id = this.#tell(Input.Call, now, idempotent ? 1 : 0, ends);
    return this.#keep(id, { type, body, room: undefined });
  }

  cancelCall(id: number, now: Now): void {
    this.#pending.delete(id);
    this.#do(Input.CancelCall, now, id);
  }

  /** The publish's number; 0 if the outbox is full. */
  publish(room: string, type: string, body: Body, now: Now): number {
    return this.#keep(this.#tell(Input.Publish, now, size(type, body)), { type, body, room });
  }

  /** The event's number; 0 if the outbox is full. */
  send(type: string, body: Body, now: Now): number {
    const id = this.#tell(Input.SendEvent, now, size(type, body));
    return this.#keep(id, { type, body, room: undefined });
  }

  /** Whether it was taken back before it was sent. */
  withdraw(id: number, now: Now): boolean {
    const withdrawn = this.#tell(Input.Withdraw, now, id) > 0;
    if (withdrawn) this.#pending.delete(id);
    this.#drain();
    return withdrawn;
  }

  close(now: Now): void {
    this.#do(Input.Close, now);
  }

  // ---- Inputs ----

  handleTimeout(now: Now): void {
    this.#do(Input.Timeout, now);
  }

  handleWake(now: Now): void {
    this.#do(Input.Wake, now);
  }

  handleNetworkChanged(now: Now): void {
    this.#do(Input.NetworkChanged, now);
  }

  handleOnline(online: boolean, now: Now): void {
    this.#do(Input.Online, now, online ? 1 : 0);
  }

  handleToken(request: number, ends: number | undefined, now: Now): void {
    this.#do(Input.Token, now, request, ends);
  }

  handleTokenFailed(request: number, now: Now): void {
    this.#do(Input.TokenFailed, now, request);
  }

  handleOpened(link: number, plain: boolean, now: Now): void {
    if (this.hasLink(link)) {
      this.#links.set(link, { plain, lastError: undefined, maxFrameBytes: Infinity });
    }
    this.#do(Input.Opened, now, link, plain ? 0 : 1);
  }

  handleOpenFailed(link: number, kind: number, refusal: Refusal | undefined, now: Now): void {
    if (refusal) this.#actions.push({ do: "server_error", refusal });
    this.#do(Input.OpenFailed, now, link, kind, refusal?.retryAfter);
  }

  /** It closed with this code (RFC 6455, 7.4), or broke without one. */
  handleClosed(link: number, code: number | undefined, now: Now): void {
    const retryAfter = this.#links.get(link)?.lastError?.retryAfter;
    this.#links.delete(link);
    this.#do(Input.Closed, now, link, kindOfClose(code), retryAfter);
  }

  /** Whether this link is still wanted. */
  hasLink(link: number): boolean {
    return this.#tell(Input.HasLink, this.#now, link) > 0;
  }

  handleMessage(link: number, message: string | ArrayBuffer, now: Now): void {
    const known = this.#links.get(link);
    if (!known) return;
    known.lastError = undefined;
    this.#tell(Input.Heard, now, link);
    try {
      if (known.plain) this.#plain(message);
      else if (typeof message === "string") this.#text(link, message, now);
      else for (const batch of recordsOf(message)) this.#batch(link, batch, now, batch.bytes);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      this.#actions.push({ do: "unreadable", message: error.message });
      // A plain link goes on; over another one continuity can't be proven any more.
      if (!known.plain) this.#tell(Input.Violation, now, link);
    }
    this.#drain();
  }

  // ---- Output ----

  /** The next thing to do; `undefined` when there is nothing more for now. */
  next(): Action | undefined {
    const action = this.#actions[this.#at];
    if (action) {
      this.#at += 1;
    } else if (this.#at > 0) {
      this.#actions = [];
      this.#at = 0;
    }
    return action;
  }

  /** When to come back, on the clock of `time`. */
  get timeout(): number | undefined {
    return this.#timeout;
  }

  // ---- What the server said ----

  #plain(message: string | ArrayBuffer): void {
    if (typeof message !== "string")
      throw new Unreadable("it is binary, and plain events are text");
    const event = object(parse(message));
    textOf(event, "type");
    this.#unplaced(event, message.length);
  }

  #text(link: number, message: string, now: Now): void {
    const value = parse(message);
    if (!Array.isArray(value)) {
      this.#frame(link, object(value), message.length, now);
      return;
    }
    const batches = batchesOf(value);
    const events = batches.reduce((sum, batch) => sum + batch.events.length, 0);
    const each = message.length / events;
    for (const batch of batches) {
      if (batch.subscription > 0) {
        this.#batch(link, batch, now, undefined, each);
      } else {
        for (const one of batch.events) this.#frame(link, object(one), each, now);
      }
    }
  }

  #batch(link: number, batch: Batch, now: Now, bytes?: Uint8Array, each = 0): void {
    const { subscription, first, events } = batch;
    const skip = this.#tell(Input.Data, now, link, subscription, first, events.length);
    if (skip < 0) {
      this.#drain();
      return;
    }
    const room = this.#engine.number(0);
    // A gap before these events is said here.
    this.#drain();
    const rest = skip > 0 ? events.slice(skip) : events;
    const row = {
      first: first > 0 ? first + skip : 0,
      events: rest,
      bytes,
      size: each * rest.length + (bytes?.length ?? 0),
    };
    const epoch = first > 0 ? this.#place(room).epoch : "";
    this.#actions.push({ do: "events", room, epoch, row });
  }

  #frame(link: number, message: Fields, size: number, now: Now): void {
    const type = textOf(message, "type");
    if ("room" in message) textOf(message, "room");
    const data = (): Fields => object(message["data"]);
    switch (type) {
      case "welcome":
        this.#welcome(link, data(), now);
        break;
      case "joined":
      case "resumed":
      case "epoch":
        this.#bound(link, data(), now);
        break;
      case "gap": {
        const gap = data();
        // Whatever word is unknown: the server no longer keeps the events.
        const reason = GAP_REASONS.indexOf(textOf(gap, "reason") as GapReason);
        whole(gap, "from");
        const to = whole(gap, "to");
        this.#tell(Input.Gap, now, link, idOf(gap, "subscription"), to, reason > 0 ? reason : 2);
        break;
      }
      case "refused": {
        const refused = data();
        const subscription = idOf(refused, "subscription");
        this.#refusal = refusalOf(refused);
        this.#tell(Input.Refused, now, link, subscription, this.#refusal.retryAfter);
        this.#drain();
        this.#refusal = undefined;
        break;
      }
      case "goaway":
        this.#tell(Input.Goaway, now, link, whole(data(), "reconnect_after_ms"));
        break;
      case "ping":
        this.#tell(Input.Ping, now, link);
        break;
      case "pong":
        break;
      case "reply": {
        const id = idOf(message, "id");
        if (this.#answers(link, id, now)) {
          this.#actions.push({ do: "answered", id, data: message["data"] ?? null });
        }
        break;
      }
      case "error":
        this.#error(link, message, now);
        break;
      default:
        this.#unplaced(message, size);
    }
    this.#drain();
  }

  #welcome(link: number, data: Fields, now: Now): void {
    const identity = { tenant: textOf(data, "tenant"), subject: textOf(data, "subject") };
    const store = textOf(data, "store");
    const window = whole(data, "dedup_window_ms");
    const heartbeat = (data["heartbeat"] ?? undefined) && object(data["heartbeat"]);
    const known = this.#links.get(link);
    if (known) known.maxFrameBytes = maybe(data, "max_frame_bytes") ?? Infinity;
    this.#actions.push({ do: "greeted", identity });
    this.#tell(
      Input.Welcome,
      now,
      link,
      heartbeat && Math.max(1, whole(heartbeat, "interval_ms")),
      heartbeat && Math.max(1, whole(heartbeat, "timeout_ms")),
      maybe(data, "token_expires_in_ms"),
      // A tenant has no spaces.
      this.#who.number(`${identity.tenant} ${identity.subject}`),
      this.#store.number(store),
      window,
      maybe(data, "dedup_entries") ?? 1024,
    );
  }

  #bound(link: number, data: Fields, now: Now): void {
    textOf(data, "room");
    const before = this.#actions.length;
    this.#tell(
      Input.Bound,
      now,
      link,
      idOf(data, "subscription"),
      this.#texts.number(textOf(data, "epoch")),
      whole(data, "offset"),
      whole(data, "tip"),
    );
    this.#drain();
    if (data["snapshot"] === undefined) return;
    // A snapshot says where the room stands after a join or a gap; else it is known already.
    for (const action of this.#actions.slice(before)) {
      if ((action.do === "joined" || action.do === "gap") && action.room > 0) {
        this.#actions.push({ do: "snapshot", room: action.room, data: data["snapshot"] });
        return;
      }
    }
  }

  #error(link: number, message: Fields, now: Now): void {
    const refusal = refusalOf(object(message["data"]));
    if (message["id"] === undefined || message["id"] === null) {
      const known = this.#links.get(link);
      if (known) known.lastError = refusal;
      this.#actions.push({ do: "server_error", refusal });
      return;
    }
    const id = idOf(message, "id");
    if (this.#answers(link, id, now)) this.#actions.push({ do: "refused", id, refusal });
  }

  #answers(link: number, id: number, now: Now): boolean {
    const waited = this.#tell(Input.Reply, now, link, id) > 0;
    if (waited) this.#pending.delete(id);
    return waited;
  }

  /** An event of no room. */
  #unplaced(event: Fields, size: number): void {
    const row = { first: 0, events: [event], bytes: undefined, size };
    this.#actions.push({ do: "events", room: 0, epoch: "", row });
  }

  // ---- What the engine asks for ----

  #tell(input: number, now: Now, ...numbers: (number | undefined)[]): number {
    this.#now = now;
    return this.#engine.tell(input, now, ...numbers);
  }

  #do(input: number, now: Now, ...numbers: (number | undefined)[]): void {
    this.#tell(input, now, ...numbers);
    this.#drain();
  }

  #drain(): void {
    for (;;) {
      const kind = this.#engine.poll();
      if (kind > Output.Timeout) {
        this.#perform(kind);
        continue;
      }
      this.#timeout = kind === Output.Timeout ? this.#engine.number(0) : undefined;
      const id = this.#tooLarge.pop();
      if (id === undefined) return;
      this.#pending.delete(id);
      this.#tell(Input.Abandon, this.#now, id);
    }
  }

  #perform(kind: number): void {
    // All are read before anything is asked, which would change them.
    const number = (index: number): number => this.#engine.number(index);
    const [a, b, c, d] = [number(0), number(1), number(2), number(3)];
    switch (kind) {
      case Output.Open:
        this.#actions.push({ do: "open", link: a, offer: b > 0 });
        break;
      case Output.Close:
        this.#links.delete(a);
        this.#actions.push({ do: "close", link: a, inOrder: b > 0 });
        break;
      case Output.NeedToken:
        this.#actions.push({ do: "need_token", request: a });
        break;
      case Output.DropToken:
        this.#actions.push({ do: "drop_token", request: a });
        break;
      case Output.StateChanged: {
        const state: State = { is: STATES[a] ?? "closed", cause: b };
        if (state.is === "reconnecting") {
          state.attempt = c;
          state.retryAt = d;
        }
        this.#actions.push({ do: "state", state });
        break;
      }
      case Output.Joined:
        this.#actions.push({ do: "joined", room: a, offset: b, epoch: this.#texts.text(c) });
        break;
      case Output.RoomFailed: {
        const reason = ROOM_FAILURES[b] ?? "closed";
        this.#actions.push({ do: "room_failed", room: a, reason, refusal: this.#refusal });
        this.#refusal = undefined;
        this.#rooms.delete(a);
        break;
      }
      case Output.Gap: {
        const place = a > 0 ? this.#place(a) : { epoch: "", offset: 0 };
        const reason = GAP_REASONS[d] || "hole";
        // The room may be further already, by the events that this gap comes before.
        const offset = c > 0 ? c : place.offset;
        this.#actions.push({ do: "gap", room: a, from: b, to: c, reason, ...place, offset });
        break;
      }
      case Output.CallFailed:
        this.#pending.delete(a);
        this.#actions.push({ do: "call_failed", id: a, reason: CALL_FAILURES[b] ?? "closed" });
        break;
      case Output.PublishFailed:
        this.#pending.delete(a);
        this.#actions.push({
          do: "publish_failed",
          id: a,
          reason: PUBLISH_FAILURES[b] ?? "closed",
        });
        break;
      default:
        this.#message(kind, a, b, c);
    }
  }

  #message(kind: number, link: number, id: number, sequence: number): void {
    let message: string;
    switch (kind) {
      case Output.Hello: {
        const rooms: unknown[] = [];
        for (let left = id; left > 0; left -= 1) {
          this.#engine.poll();
          rooms.push(this.#joinData());
        }
        message = frame("hello", JSON.stringify({ ...this.#identity, rooms }));
        break;
      }
      case Output.Subscribe:
        message = frame("join", JSON.stringify(this.#joinData()));
        break;
      case Output.Leave:
        message = frame("leave", JSON.stringify({ subscription: id }));
        break;
      case Output.Ping:
        message = frame("ping");
        break;
      case Output.Pong:
        message = frame("pong");
        break;
      default: {
        const pending = this.#pending.get(id);
        if (pending) this.#asked(kind, link, id, sequence, pending);
        return;
      }
    }
    this.#actions.push({ do: "transmit", link, message });
  }

  /** Sends what carries a payload, unless the server would end the link over its size. */
  #asked(kind: number, link: number, id: number, sequence: number, pending: Pending): void {
    const { type, body, room } = pending;
    const json = typeof body === "string" ? body : undefined;
    if (kind === Output.Event) {
      this.#pending.delete(id);
      this.#actions.push({ do: "event_sent", id });
      this.#actions.push({ do: "transmit", link, message: frame(type, json) });
      return;
    }
    let message: string | Uint8Array<ArrayBuffer> = frame(type, json, id);
    if (kind === Output.Publish) {
      const event = frame(type, json);
      message = frame("publish", `{"sequence":${sequence},"event":${event}}`, id, room);
      if (body instanceof Uint8Array) message = record(message, body);
    }
    const size = typeof message === "string" ? bytesOf(message) : message.length;
    const most = this.#links.get(link)?.maxFrameBytes ?? Infinity;
    if (size <= most) {
      this.#actions.push({ do: "transmit", link, message });
      return;
    }
    this.#tooLarge.push(id);
    const why = `it makes a frame of ${size} bytes, and the server takes ${most} at most; send less`;
    const refusal = { code: "too_large", message: why, retryAfter: undefined };
    this.#actions.push({ do: "refused", id, refusal });
  }

  /** The data of the join that the engine asked for last. */
  #joinData(): unknown {
    const number = (index: number): number => this.#engine.number(index);
    const data: Fields = { subscription: number(1), room: this.#rooms.get(number(2)) };
    const [begin, at] = [number(3), number(4)];
    if (begin === 1) data["history"] = at;
    if (begin === 2) {
      data["epoch"] = this.#texts.text(number(5));
      data["offset"] = at;
    }
    return data;
  }

  /** Where a room stands. */
  #place(room: number): { epoch: string; offset: number } {
    const offset = this.#tell(Input.Position, this.#now, room);
    return { epoch: offset < 0 ? "" : this.#texts.text(this.#engine.number(0)), offset };
  }

  #epochsInUse(): Set<number> {
    const inUse = new Set<number>();
    for (const room of this.#rooms.keys()) {
      if (this.#tell(Input.Position, this.#now, room) >= 0) inUse.add(this.#engine.number(0));
    }
    return inUse;
  }

  #keep(id: number, pending: Pending): number {
    if (id > 0) this.#pending.set(id, pending);
    this.#drain();
    return id;
  }
}

function size(type: string, body: Body): number {
  const bytes = typeof body === "string" ? bytesOf(body) : (body?.length ?? 0);
  return bytesOf(type) + bytes;
}

/** Reads a refusal. */
export function refusalOf(data: Fields): Refusal {
  return {
    code: textOf(data, "code"),
    message: textOf(data, "message"),
    retryAfter: maybe(data, "retry_after_ms"),
  };
}

/** What a close code means. The codes from 4000 on are the server's: docs/protocol.md, section 4. */
function kindOfClose(code: number | undefined): number {
  switch (code) {
    case undefined:
      return Failure.network;
    case 4400:
    case 4404:
    case 4405:
    case 4413:
    case 4440:
      return Failure.violation;
    case 4401:
    case 4441:
    case 4442:
    case 4443:
      return Failure.unauthorized;
    case 4403:
    case 4444:
    case 4445:
    case 4446:
    case 4447:
      return Failure.forbidden;
    case 4429:
    case 4449:
    case 4450:
      return Failure.rateLimited;
    case 1001:
    case 1012:
    case 1013:
    case 4453:
    case 4454:
    case 4503:
      return Failure.unavailable;
    default:
      return Failure.closed;
  }
}
