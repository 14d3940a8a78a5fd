/**
 * The API: who waits for what, and the driver that gives the connection its sockets and clocks.
 *
 * It decides nothing: it performs what the connection asks for and reports what happened. The
 * application's code runs after all that is done, never in the middle of it. Importing this connects
 * nothing and needs no browser.
 */

import { Answer, type AskOptions } from "./answer.js";
import {
  type Action,
  type Body,
  Connection,
  type Identity,
  type JoinFrom,
  type State,
} from "./connection.js";
import {
  Credentials,
  Engine,
  type Now,
  type Protocol,
  type Settings,
  type Wasm,
} from "./engine.js";
import { type Code, type Refusal, RefusedError, StaywireError, errorOf } from "./errors.js";
import { Listeners, guarded } from "./listeners.js";
import { listenToPlatform } from "./platform.js";
import { type Bounds, type EventItem, type GapItem, eventOf } from "./queue.js";
import { END, type EventMap, type EventOf, FILL, type Off, Room } from "./room.js";
import {
  type DialOptions,
  LinkSocket,
  type SocketConstructor,
  takesHeaders,
  webSocketUrl,
} from "./socket.js";
import { type TokenSource, credentialOf } from "./token.js";

/** How a client is made. */
export interface ClientOptions {
  /** A token, or what gives one. Without it none is sent. */
  token?: TokenSource;
  /**
   * Which protocol to speak; `staywire.v1` if left out. A browser says nothing of why an upgrade failed, so
   * `auto` can mistake an outage for a server that knows plain frames alone.
   */
  protocol?: Protocol;
  /** The constructor of WebSockets, where the platform has none or another is wanted. */
  WebSocket?: SocketConstructor;
  /** Whether that takes headers as its third argument; known of `ws`. Else a token becomes a ticket. */
  headers?: boolean;
  /** Where tickets are fetched; `/auth/ticket` of the same host if left out. */
  ticketUrl?: string | URL;
  /** What fetches them, where the platform's own isn't wanted. */
  fetch?: typeof fetch;
  /** Most that waits in one room's queue; 4,096 events and 4 MiB if left out. */
  queue?: Partial<Bounds>;
  /** The engine's settings. */
  settings?: Settings;
}

/** What belongs to no room. */
export type ClientItem =
  /** All events of a plain server, and frames of unknown types. */
  | EventItem
  /** Events that are lost, where nothing can be proven. */
  | GapItem
  /** The server refused the connection or an event, or said why it ends the connection. */
  | { kind: "refused"; error: RefusedError }
  /** The server sent what can't be read. */
  | { kind: "unreadable"; error: StaywireError }
  /** The token provider failed; it is asked again. */
  | { kind: "token_failed"; error: unknown };

/** How a room is joined. */
export interface JoinOptions {
  /** Where to begin: with the next event if left out. */
  from?: JoinFrom;
  /** Gives the join up. Once joined, `room.leave()` ends it. */
  signal?: AbortSignal;
}

/** How a call is made. */
export interface CallOptions {
  /** Whether it may be sent again after a lost link; if not, it ends as `interrupted` then. */
  idempotent?: boolean;
  /** How long to wait for the answer, in milliseconds; 30,000 if left out. */
  timeout?: number;
  /** Forgets the answer; the server may still act. */
  signal?: AbortSignal;
}

/** How an event is published or sent. */
export interface SendOptions {
  /** Takes it back if it was never sent. */
  signal?: AbortSignal;
}

/** The place of an event that was published. */
export interface Published {
  epoch: string;
  offset: number;
}

interface Waiter {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** What a number of the connection's stands for while somebody waits. */
interface Joining extends Waiter {
  room: Room;
}

/** A client whatever its events are: a map stands where it is read and where it is given. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyClient = ClientCore<any>;

/** The longest that a timer can be set for; after it the engine is asked again. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** A connection that stays. */
export class ClientCore<Events extends EventMap = EventMap> {
  readonly #connection: Connection;
  readonly #dial: DialOptions;
  readonly #source: TokenSource | undefined;
  readonly #bounds: Bounds;
  readonly #links = new Map<number, LinkSocket>();
  readonly #rooms = new Map<number, Room>();
  readonly #joining = new Map<number, Joining>();
  readonly #waiters = new Map<number, Waiter>();
  readonly #listeners = new Listeners<ClientItem>();
  readonly #stateListeners = new Set<(state: State) => void>();
  #state: State = { is: "idle", cause: 0 };
  #identity: Identity | undefined;
  #token: string | undefined;
  #asked: { request: number; abort: AbortController } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt: number | undefined;
  #endPlatform: (() => void) | undefined;
  /** The application's code that is to run once nothing else does. */
  #later: (() => void)[] = [];
  #performing = false;

  protected constructor(url: string | URL, options: ClientOptions, wasm: Wasm) {
    const dialled = webSocketUrl(url);
    const tickets = new URL(options.ticketUrl ?? "/auth/ticket", dialled);
    tickets.protocol = tickets.protocol.replace(/^ws/, "http");
    const { WebSocket } = globalThis as { WebSocket?: unknown };
    const constructor = options.WebSocket ?? (WebSocket as SocketConstructor | undefined);
    this.#dial = {
      url: dialled.href,
      ticketUrl: tickets.href,
      WebSocket: constructor,
      fetch: options.fetch,
      headers: options.headers ?? takesHeaders(options.WebSocket),
    };
    this.#source = options.token;
    // The engine asks for one that may change; a fixed one it takes as given.
    if (this.#source !== undefined && typeof this.#source !== "function") {
      this.#token = credentialOf(this.#source).token;
    }
    this.#bounds = { events: 4096, bytes: 2 ** 22, ...options.queue };
    const source = this.#source === undefined ? "none" : "fixed";
    const mode = Credentials[typeof this.#source === "function" ? "provider" : source];
    const seed = new DataView(random(8).buffer).getFloat64(0);
    const protocol = options.protocol ?? "staywire.v1";
    const engine = new Engine(wasm, seed, protocol, mode, options.settings);
    // Both names must be unguessable.
    const [instance, producer] = [hex(random(16)), hex(random(16))];
    this.#connection = new Connection(engine, { instance, producer, client: "staywire-npm/0.1.0" });
  }

  /**
   * Connects, and resolves when the connection is up for the first time. It keeps trying until then. A
   * rejection is final: the client is closed, for the cause in `state`.
   */
  connect(): Promise<void> {
    if (!this.#dial.WebSocket) {
      const why = "this platform has no WebSocket; pass one in the options, such as that of `ws`";
      return Promise.reject(new StaywireError("no_websocket", why));
    }
    if (this.#state.is === "closed") return Promise.reject(errorOf("closed"));
    this.#endPlatform ??= listenToPlatform({
      wake: () => this.wake(),
      online: (online) => this.setOnline(online),
      networkChanged: () => this.networkChanged(),
    });
    this.#change((now) => this.#connection.connect(now));
    return new Promise((resolve, reject) => {
      let off: Off | undefined = undefined;
      const look = ({ is }: State): void => {
        if (is !== "connected" && is !== "closed") return;
        off?.();
        if (is === "connected") resolve();
        else reject(errorOf("closed"));
      };
      off = this.onStateChange(look);
      look(this.#state);
    });
  }

  /** The state of the connection; each change is another object. */
  get state(): State {
    return this.#state;
  }

  /** Listens to changes of the state; returns what ends it. */
  onStateChange(listener: (state: State) => void): Off {
    // A function may listen twice.
    const own = (state: State): void => listener(state);
    this.#stateListeners.add(own);
    return () => void this.#stateListeners.delete(own);
  }

  /** Who the server takes this client for, once it has greeted it; the same for good. */
  get identity(): Identity | undefined {
    return this.#identity;
  }

  /**
   * Joins a room, and resolves when the server has said where in its log: from then on every event arrives once
   * and in order, or a gap says which didn't. It waits for a connection where there is none.
   */
  join(name: string, { from = "tip", signal }: JoinOptions = {}): Promise<Room<Events>> {
    return this.#request(signal, (waiter) => {
      const id = this.#connection.join(name, from, clock());
      if (id === 0) return this.#refuse("too_many_rooms");
      const room = new Room(name, id, this.#bounds, {
        leave: () => this.#leave(id),
        caughtUp: () => this.#caughtUp(id),
      });
      this.#rooms.set(id, room);
      this.#joining.set(id, { ...waiter, room });
      this.#perform();
      return () => {
        this.#joining.delete(id);
        this.#leave(id);
      };
    });
  }

  /** Listens to events of a type that belong to no room; returns what ends it. */
  on<Type extends string>(type: Type, listener: (event: EventOf<Events, Type>) => void): Off {
    return this.#listeners.add(type, listener as (item: ClientItem) => void);
  }

  /** Listens to all that belongs to no room: events, gaps, refusals; returns what ends it. */
  listen(listener: (item: ClientItem) => void): Off {
    return this.#listeners.add(undefined, listener);
  }

  /** Calls a method of the server. It ends once: with the answer, a refusal, or why neither can come. */
  call<Reply = unknown>(method: string, data?: unknown, options: CallOptions = {}): Promise<Reply> {
    const { idempotent = false, timeout = 30_000, signal } = options;
    return this.#request(signal, (waiter) => {
      const body = json(data);
      const id = this.#ask(waiter, (now) =>
        this.#connection.call(method, body, idempotent, now.time + timeout, now),
      );
      if (id === 0) return this.#refuse("too_many_calls");
      return () => {
        this.#waiters.delete(id);
        this.#change((now) => this.#connection.cancelCall(id, now));
      };
    });
  }

  /**
   * Publishes an event in a room, and resolves when the server has it. The outbox keeps it over lost links,
   * sends it in order and again until the server answers; the server appends it once. Bytes make it a
   * binary event.
   */
  publish(room: string, type: string, data?: unknown, options?: SendOptions): Promise<Published> {
    return this.#send(options, data, (body, now) =>
      this.#connection.publish(room, type, body, now),
    );
  }

  /**
   * Sends an event that the server doesn't answer, and resolves when it was handed to an open link: at most
   * once. This is the way to talk to a plain server.
   */
  send(type: string, data?: unknown, options?: SendOptions): Promise<void> {
    return this.#send(options, data, (body, now) => this.#connection.send(type, body, now));
  }

  /** Asks the AI, and streams its answer: every token once and in order, over lost links too. */
  ask(prompt: string, options?: AskOptions): Answer {
    return new Answer(this, prompt, options);
  }

  /** Tells that the machine woke up, where the platform doesn't say so by itself. */
  wake(): void {
    this.#change((now) => this.#connection.handleWake(now));
  }

  /** Tells that the way to the network changed: another link is made beside the old one. */
  networkChanged(): void {
    this.#change((now) => this.#connection.handleNetworkChanged(now));
  }

  /** Tells whether there is a network; without one nothing is tried. */
  setOnline(online: boolean): void {
    this.#change((now) => this.#connection.handleOnline(online, now));
  }

  /** Closes for good: rooms end, calls and publishes fail. Idempotent. */
  close(): void {
    this.#change((now) => this.#connection.close(now));
  }

  // ---- Requests ----

  #request<T>(signal: AbortSignal | undefined, begin: (waiter: Waiter) => () => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      signal?.throwIfAborted();
      const ended = new AbortController();
      const cancel = begin({
        resolve: (value) => {
          ended.abort();
          resolve(value as T);
        },
        reject: (error) => {
          ended.abort();
          reject(error);
        },
      });
      const abort = (): void => {
        ended.abort();
        cancel();
        reject(signal?.reason as Error);
      };
      // One that has ended already listens to nothing.
      signal?.addEventListener("abort", abort, { signal: ended.signal });
    });
  }

  #send<T>(
    options: SendOptions | undefined,
    data: unknown,
    begin: (body: Body, now: Now) => number,
  ): Promise<T> {
    return this.#request(options?.signal, (waiter) => {
      const body = bytesIn(data) ?? json(data);
      const id = this.#ask(waiter, (now) => begin(body, now));
      if (id === 0) return this.#refuse("outbox_full");
      return () => {
        this.#waiters.delete(id);
        this.#change((now) => this.#connection.withdraw(id, now));
      };
    });
  }

  /** The waiter is there before what the connection does about it is performed. */
  #ask(waiter: Waiter, begin: (now: Now) => number): number {
    const id = begin(clock());
    if (id > 0) this.#waiters.set(id, waiter);
    this.#perform();
    return id;
  }

  #refuse(code: Code): never {
    throw errorOf(this.#state.is === "closed" ? "closed" : code);
  }

  #leave(id: number): void {
    this.#rooms.delete(id);
    this.#change((now) => this.#connection.leave(id, now));
  }

  #caughtUp(id: number): void {
    this.#rooms.get(id)?.[FILL]((queue) => queue.goOn());
    this.#change((now) => this.#connection.roomCaughtUp(id, now));
  }

  // ---- The driver ----

  /** One mutation, and all that follows from it. */
  #change<T>(mutate: (now: Now) => T): T {
    const result = mutate(clock());
    this.#perform();
    return result;
  }

  #perform(): void {
    // Whoever is at it goes on with what was added.
    if (this.#performing) return;
    this.#performing = true;
    try {
      for (let action = this.#connection.next(); action; action = this.#connection.next()) {
        this.#act(action);
      }
    } finally {
      this.#performing = false;
    }
    this.#setTimer();
    // The application's code may come back in from here, and change the list.
    for (let callback = this.#later.shift(); callback; callback = this.#later.shift()) {
      guarded(callback);
    }
  }

  #setTimer(): void {
    const at = this.#connection.timeout;
    if (at === this.#timerAt) return;
    this.#timerAt = at;
    clearTimeout(this.#timer);
    if (at === undefined) return;
    const wait = Math.min(Math.max(0, at - clock().time), LONGEST_TIMER);
    this.#timer = setTimeout(() => {
      this.#timerAt = undefined;
      this.#change((now) => this.#connection.handleTimeout(now));
    }, wait);
  }

  #act(action: Action): void {
    switch (action.do) {
      case "open":
        this.#open(action.link, action.offer);
        break;
      case "transmit":
        this.#links.get(action.link)?.send(action.message);
        break;
      case "close":
        this.#links.get(action.link)?.close(action.inOrder);
        this.#links.delete(action.link);
        break;
      case "need_token":
        this.#askForToken(action.request);
        break;
      case "drop_token":
        if (this.#asked?.request === action.request) this.#asked.abort.abort();
        break;
      default:
        this.#notice(action);
    }
  }

  #open(link: number, offer: boolean): void {
    const input = (tell: (now: Now) => void): void => this.#change(tell);
    const socket = new LinkSocket(this.#dial, this.#token, offer, {
      opened: (plain) => input((now) => this.#connection.handleOpened(link, plain, now)),
      failed: (kind, refusal) => {
        this.#links.delete(link);
        input((now) => this.#connection.handleOpenFailed(link, kind, refusal, now));
      },
      message: (data) => input((now) => this.#connection.handleMessage(link, data, now)),
      closed: (code) => {
        this.#links.delete(link);
        input((now) => this.#connection.handleClosed(link, code, now));
      },
    });
    this.#links.set(link, socket);
  }

  #askForToken(request: number): void {
    const abort = new AbortController();
    this.#asked = { request, abort };
    const source = this.#source;
    this.#later.push(() => {
      const { signal } = abort;
      // A provider that throws at once fails like one that throws later.
      Promise.resolve()
        .then(() => (typeof source === "function" ? source({ signal }) : (source ?? "")))
        .then(credentialOf)
        .then(
          ({ token, ends }) => {
            if (signal.aborted) return;
            this.#token = token;
            this.#change((now) => this.#connection.handleToken(request, ends, now));
          },
          (error: unknown) => {
            if (signal.aborted) return;
            this.#listeners.tell({ kind: "token_failed", error });
            this.#change((now) => this.#connection.handleTokenFailed(request, now));
          },
        );
    });
  }

  #notice(action: Action): void {
    switch (action.do) {
      case "state":
        this.#changeState(action.state);
        break;
      case "greeted":
        // A later link with another identity closes the client.
        this.#identity ??= action.identity;
        break;
      case "joined": {
        const { room: id, epoch, offset } = action;
        this.#rooms.get(id)?.[FILL]((queue) => queue.begin({ epoch, offset }));
        const joining = this.#joining.get(id);
        this.#joining.delete(id);
        joining?.resolve(joining.room);
        break;
      }
      case "snapshot":
        this.#rooms.get(action.room)?.[FILL]((queue) => queue.pushSnapshot(action.data));
        break;
      case "events": {
        const { room, epoch, row } = action;
        if (room > 0) {
          this.#fill(room, (queue) => queue.push(epoch, row));
        } else {
          for (const event of row.events) this.#tell(eventOf(event, undefined, row.bytes));
        }
        break;
      }
      case "gap": {
        const { room, from, to, reason, epoch, offset } = action;
        const gap: GapItem = { kind: "gap", from, to, reason };
        if (room > 0) this.#fill(room, (queue) => queue.pushGap(gap, { epoch, offset }));
        else this.#tell(gap);
        break;
      }
      case "room_failed":
        this.#roomFailed(action.room, failure(action.reason, action.refusal));
        break;
      case "answered":
        this.#settle(action.id)?.resolve(action.data);
        break;
      case "event_sent":
        this.#settle(action.id)?.resolve(undefined);
        break;
      case "refused":
        this.#settle(action.id)?.reject(failure("refused", action.refusal));
        break;
      case "call_failed":
      case "publish_failed":
        this.#settle(action.id)?.reject(errorOf(action.reason));
        break;
      case "unreadable":
        this.#tell({ kind: "unreadable", error: new StaywireError("unreadable", action.message) });
        break;
      case "server_error":
        this.#tell({ kind: "refused", error: new RefusedError(action.refusal) });
        break;
    }
  }

  #changeState(state: State): void {
    this.#state = state;
    if (state.is === "closed") {
      this.#endPlatform?.();
      this.#asked?.abort.abort();
    }
    for (const listener of this.#stateListeners) this.#later.push(() => listener(state));
  }

  /** Queues something of a room, which goes back to the place returned if it didn't fit. */
  #fill(id: number, push: Parameters<(typeof Room.prototype)[typeof FILL]>[0]): void {
    const place = this.#rooms.get(id)?.[FILL](push) as
      { epoch: string; offset: number } | undefined;
    if (place) this.#connection.roomOverflowed(id, place.epoch, place.offset, clock());
  }

  #roomFailed(id: number, error: StaywireError): void {
    const joining = this.#joining.get(id);
    this.#joining.delete(id);
    joining?.reject(error);
    this.#rooms.get(id)?.[END](error);
    this.#rooms.delete(id);
  }

  #settle(id: number): Waiter | undefined {
    const waiter = this.#waiters.get(id);
    this.#waiters.delete(id);
    return waiter;
  }

  #tell(item: ClientItem): void {
    this.#later.push(() => this.#listeners.tell(item));
  }
}

/** A refusal as an error; one that means "too late to tell" is the same as our own. */
function failure(code: Code | "refused", refusal: Refusal | undefined): StaywireError {
  if (code !== "refused") return errorOf(code);
  if (!refusal) return errorOf("closed");
  return refusal.code === "uncertain" ? errorOf("uncertain") : new RefusedError(refusal);
}

function json(data: unknown): string | undefined {
  // `undefined` for what JSON has no word for, such as a function.
  return JSON.stringify(data);
}

function bytesIn(data: unknown): Uint8Array | undefined {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (!ArrayBuffer.isView(data)) return undefined;
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function clock(): Now {
  return { time: Math.floor(performance.now()), wall: Date.now() };
}

function random(bytes: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(bytes));
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
