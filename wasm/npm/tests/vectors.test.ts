/**
 * Runs the conformance vectors of `core/vectors`: frames in, messages and events out. Their README says how they
 * are read. The Rust client runs the same files.
 */

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

import { type Action, Connection, type JoinFrom } from "../src/connection.js";
import { Credentials, Engine, type Protocol, instantiate } from "../src/engine.js";
import { eventOf } from "../src/queue.js";
import { MODULE } from "../src/generated/module.js";
import { decode } from "../src/inline.js";

const FOLDER = fileURLToPath(new URL("../../../core/vectors", import.meta.url));

interface Told {
  link: number;
  subprotocol: string | null;
  code: number | null;
  frame: unknown;
  hex?: string;
  ms: number;
  room: string;
  history?: number;
  epoch?: string;
  offset?: number;
  method: string;
  data: unknown;
  idempotent?: boolean;
  event: string;
}

type Step = Record<string, unknown> & { out: unknown[] };

interface Vector {
  about: string;
  protocol: Protocol;
  steps: Step[];
}

/** The vectors name what Rust calls these. */
function named(reason: string): string {
  return reason
    .split("_")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("");
}

class Runner {
  readonly #connection: Connection;
  readonly #rooms = new Map<number, string>();
  #now = { time: 0, wall: 1_700_000_000_000 };

  constructor(protocol: Protocol) {
    const engine = new Engine(instantiate(decode(MODULE)), 1, protocol, Credentials.none);
    const identity = { instance: "instance", producer: "producer", client: "test" };
    this.#connection = new Connection(engine, identity);
  }

  step(step: Step): unknown[] {
    const entry = Object.entries(step).find(([key]) => key !== "out" && key !== "about");
    if (!entry) throw new Error("a step does something");
    const [kind, told] = entry as [string, Told];
    const connection = this.#connection;
    const now = this.#now;
    switch (kind) {
      case "connect":
        connection.connect(now);
        break;
      case "close":
        connection.close(now);
        break;
      case "opened":
        connection.handleOpened(told.link, told.subprotocol === null, now);
        break;
      case "closed":
        connection.handleClosed(told.link, told.code ?? undefined, now);
        break;
      case "text": {
        const text = typeof told.frame === "string" ? told.frame : JSON.stringify(told.frame);
        connection.handleMessage(told.link, text, now);
        break;
      }
      case "binary": {
        const bytes = Uint8Array.from(Buffer.from(told.hex ?? "", "hex"));
        connection.handleMessage(told.link, bytes.buffer, now);
        break;
      }
      case "pass":
        return this.#pass(told.ms);
      case "join": {
        const room = connection.join(told.room, fromOf(told), now);
        this.#rooms.set(room, told.room);
        break;
      }
      case "leave": {
        const room = [...this.#rooms].find(([, name]) => name === told.room);
        connection.leave(room?.[0] ?? 0, now);
        break;
      }
      case "call": {
        const body = JSON.stringify(told.data);
        connection.call(told.method, body, told.idempotent ?? false, undefined, now);
        break;
      }
      case "publish": {
        const body =
          told.hex === undefined
            ? JSON.stringify(told.data)
            : Uint8Array.from(Buffer.from(told.hex, "hex"));
        connection.publish(told.room, told.event, body, now);
        break;
      }
      case "send":
        connection.send(told.event, JSON.stringify(told.data), now);
        break;
      default:
        throw new Error(`unknown step ${kind}`);
    }
    return this.#drain();
  }

  #pass(ms: number): unknown[] {
    const end = this.#now.time + ms;
    const out: unknown[] = [];
    for (;;) {
      const wake = this.#connection.timeout;
      const due = wake !== undefined && wake <= end;
      const to = due ? wake : end;
      this.#now = { time: to, wall: this.#now.wall + to - this.#now.time };
      if (!due) return out;
      this.#connection.handleTimeout(this.#now);
      out.push(...this.#drain());
    }
  }

  #drain(): unknown[] {
    const out: unknown[] = [];
    for (let action = this.#connection.next(); action; action = this.#connection.next()) {
      out.push(...this.#written(action));
    }
    return out;
  }

  #written(action: Action): unknown[] {
    switch (action.do) {
      case "open":
        return [{ open: { link: action.link, offer: action.offer } }];
      case "close":
        return [{ close: { link: action.link, in_order: action.inOrder } }];
      case "transmit": {
        const { link, message } = action;
        if (typeof message !== "string") {
          return [{ send: { link, hex: Buffer.from(message).toString("hex") } }];
        }
        const frame = JSON.parse(message) as { data?: { client?: string } };
        // Each implementation names itself.
        if (frame.data && typeof frame.data === "object") delete frame.data.client;
        return [{ send: { link, frame } }];
      }
      // What a client makes of its own name is its own affair.
      case "need_token":
      case "drop_token":
      case "greeted":
        return [];
      case "state":
        return [{ state: { is: action.state.is, cause: action.state.cause } }];
      case "joined": {
        const { epoch, offset } = action;
        return [{ joined: { room: this.#room(action.room), epoch, offset } }];
      }
      case "snapshot":
        return [{ snapshot: { room: this.#room(action.room), data: action.data } }];
      case "gap": {
        const { from, to, reason } = action;
        return [{ gap: { room: this.#room(action.room), from, to, reason } }];
      }
      case "room_failed": {
        const room = this.#room(action.room);
        const code = action.refusal?.code ?? null;
        return [{ room_failed: { room, reason: named(action.reason), code } }];
      }
      case "events": {
        const { first, events, bytes } = action.row;
        return events.map((event, index) => {
          const item = eventOf(event, first > 0 ? first + index : undefined, bytes);
          const written = {
            room: this.#room(action.room),
            offset: item.offset ?? null,
            type: item.type,
          };
          return bytes
            ? { event: { ...written, hex: Buffer.from(bytes).toString("hex") } }
            : { event: { ...written, data: item.data } };
        });
      }
      case "answered":
        return [{ reply: { id: action.id, data: action.data } }];
      case "refused": {
        const { code, retryAfter } = action.refusal;
        return [{ refused: { id: action.id, code, retry_after_ms: retryAfter ?? null } }];
      }
      case "call_failed":
        return [{ call_failed: { id: action.id, reason: named(action.reason) } }];
      case "publish_failed":
        return [{ publish_failed: { id: action.id, reason: named(action.reason) } }];
      case "event_sent":
        return [{ event_sent: { id: action.id } }];
      case "unreadable":
        // The words are each implementation's own.
        return [{ unreadable: {} }];
      case "server_error":
        return [{ server_error: { code: action.refusal.code } }];
    }
  }

  #room(id: number): string | null {
    return id === 0 ? null : (this.#rooms.get(id) ?? "?");
  }
}

function fromOf({ history, epoch, offset }: Told): JoinFrom {
  if (history !== undefined) return { history };
  return epoch !== undefined && offset !== undefined ? { epoch, offset } : "tip";
}

const files = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));

test("the vectors are there", () => expect(files.length).toBeGreaterThanOrEqual(11));

describe.each(files)("%s", (file) => {
  const vector = JSON.parse(readFileSync(join(FOLDER, file), "utf8")) as Vector;
  test(vector.about, () => {
    const runner = new Runner(vector.protocol);
    for (const [index, step] of vector.steps.entries()) {
      expect(runner.step(step), `step ${index}`).toEqual(step.out);
    }
  });
});
