/**
 * Opens WebSockets, with the browser's constructor or another, and says in the engine's words why one
 * failed.
 *
 * A token is shown in a header where the constructor can set one, else as a ticket fetched by POST and
 * offered as a subprotocol: docs/protocol.md, section 3. It is never in a URL. Nothing here decides
 * whether to try again.
 */

import { Failure, refusalOf } from "./connection.js";
import { type Refusal, StaywireError } from "./errors.js";
import { SUBPROTOCOL, object } from "./protocol.js";

/** The part of WebSocket that is used. */
export interface Socket {
  binaryType: string;
  readonly protocol: string;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
  /** Of Node's `ws`: without a close handshake. */
  terminate?(): void;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
}

/** The browser's `WebSocket`, or one that is built alike. */
export type SocketConstructor = new (
  url: string,
  protocols?: string[],
  options?: { headers: Record<string, string> },
) => Socket;

/** How links are made. */
export interface DialOptions {
  url: string;
  /** Where tickets are fetched. */
  ticketUrl: string;
  WebSocket: SocketConstructor | undefined;
  fetch: typeof fetch | undefined;
  /** Whether the constructor takes headers as its third argument, as Node's `ws` does. */
  headers: boolean;
}

/** What is told of a socket. After `failed` or `closed` comes nothing more. */
export interface SocketEvents {
  opened(plain: boolean): void;
  failed(kind: number, refusal?: Refusal): void;
  message(data: string | ArrayBuffer): void;
  closed(code: number | undefined): void;
}

/** Reads a URL; its scheme becomes one of WebSocket's. */
export function webSocketUrl(text: string | URL): URL {
  const base = (globalThis as { location?: { href: string } }).location?.href;
  let url: URL;
  try {
    url = new URL(text, base);
  } catch {
    throw new StaywireError(
      "bad_url",
      `${String(text)} is not a URL; write it like wss://host/path`,
    );
  }
  url.protocol = url.protocol.replace(/^http/, "ws");
  if (!/^wss?:$/.test(url.protocol)) {
    const why = `the scheme ${url.protocol} can't be dialled; use ws, wss, http or https`;
    throw new StaywireError("bad_url", why);
  }
  if (url.username || url.password) {
    const why = "the URL holds a user or password, which would end up in logs; use a token instead";
    throw new StaywireError("bad_url", why);
  }
  url.hash = "";
  return url;
}

/** Whether a constructor that was passed is Node's `ws`, which can set headers. */
export function takesHeaders(constructor: SocketConstructor | undefined): boolean {
  return typeof (constructor?.prototype as Partial<Socket> | undefined)?.terminate === "function";
}

/** One WebSocket, from dialling to its end. */
export class LinkSocket {
  readonly #events: SocketEvents;
  readonly #fetch = new AbortController();
  #socket: Socket | undefined;
  #open = false;

  constructor(
    options: DialOptions,
    token: string | undefined,
    offer: boolean,
    events: SocketEvents,
  ) {
    this.#events = events;
    void this.#dial(options, token, offer);
  }

  send(message: string | Uint8Array<ArrayBuffer>): void {
    this.#socket?.send(message);
  }

  /** Ends it, or stops opening it; nothing more is told. */
  close(inOrder: boolean): void {
    this.#fetch.abort();
    const socket = this.#release();
    if (!inOrder && socket?.terminate) socket.terminate();
    else socket?.close(1000);
  }

  async #dial(options: DialOptions, token: string | undefined, offer: boolean): Promise<void> {
    const offers = offer ? [SUBPROTOCOL] : [];
    let headers: Record<string, string> | undefined;
    if (token !== undefined && options.headers) {
      headers = { authorization: `Bearer ${token}` };
    } else if (token !== undefined) {
      const ticket = await fetchTicket(options, token, this.#fetch.signal);
      if (this.#fetch.signal.aborted) return;
      if (typeof ticket !== "string") {
        this.#events.failed(ticket.kind, ticket.refusal);
        return;
      }
      offers.push(`staywire.ticket.${ticket}`);
    }
    this.#connect(options, offers, headers, offer);
  }

  #connect(
    { url, WebSocket }: DialOptions,
    offers: string[],
    headers: Record<string, string> | undefined,
    offer: boolean,
  ): void {
    let socket: Socket;
    try {
      if (!WebSocket) throw new Error();
      socket = headers ? new WebSocket(url, offers, { headers }) : new WebSocket(url, offers);
    } catch {
      // Such as a page whose policy forbids it. Told later: whoever made this doesn't hold it yet.
      queueMicrotask(() => {
        if (!this.#fetch.signal.aborted) this.#events.failed(Failure.network);
      });
      return;
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    let why: unknown;
    socket.onopen = () => {
      if (offer && socket.protocol !== SUBPROTOCOL) {
        this.close(true);
        this.#events.failed(Failure.subprotocol);
        return;
      }
      this.#open = true;
      this.#events.opened(!offer);
    };
    socket.onmessage = ({ data }: { data: string | ArrayBuffer }) => this.#events.message(data);
    socket.onerror = ({ message }: { message?: unknown }) => {
      why = message;
    };
    socket.onclose = ({ code }: { code: number }) => {
      this.#release();
      // 1006 stands for an end without a close frame.
      if (this.#open) this.#events.closed(code === 1006 ? undefined : code);
      else this.#events.failed(kindOfFailure(String(why), offer));
    };
  }

  #release(): Socket | undefined {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      // `ws` throws an error that nobody listens to.
      socket.onerror = () => undefined;
    }
    return socket;
  }
}

/** Browsers say nothing of a failed upgrade; Node's `ws` says its status, or that none was picked. */
function kindOfFailure(why: string, offered: boolean): number {
  if (/no subprotocol|invalid subprotocol/i.test(why)) return Failure.subprotocol;
  const status = Number(/response: (\d+)/.exec(why)?.[1] ?? 0);
  if (offered && (status === 400 || status === 426)) return Failure.subprotocol;
  return kindOfStatus(status);
}

function kindOfStatus(status: number): number {
  if (status === 0) return Failure.network;
  if (status === 401) return Failure.unauthorized;
  if (status === 403) return Failure.forbidden;
  if (status === 429) return Failure.rateLimited;
  return status >= 500 ? Failure.unavailable : Failure.violation;
}

async function fetchTicket(
  { ticketUrl, fetch: get = globalThis.fetch }: DialOptions,
  token: string,
  signal: AbortSignal,
): Promise<string | { kind: number; refusal: Refusal | undefined }> {
  let kind: number = Failure.network;
  try {
    const headers = { authorization: `Bearer ${token}` };
    const response = await get(ticketUrl, { method: "POST", headers, cache: "no-store", signal });
    kind = kindOfStatus(response.status);
    const body = object(await response.json());
    if (response.ok && typeof body["ticket"] === "string") return body["ticket"];
    return { kind, refusal: refusalOf(body) };
  } catch {
    return { kind, refusal: undefined };
  }
}
