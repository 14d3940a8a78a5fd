/** The client against the real server, over Node's `ws`, and through a proxy that cuts it. */

import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import WebSocket from "ws";

import {
  Client,
  type ClientOptions,
  RefusedError,
  type Room,
  type RoomItem,
  type SocketConstructor,
  StaywireError,
} from "../src/index.js";
import { Proxy, Server, until } from "./support.js";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server.stop());

const Ws = WebSocket as unknown as SocketConstructor;

function client(options: ClientOptions = {}, port = server.port): Client {
  const made = new Client(`ws://127.0.0.1:${port}/ws/ai/chat`, { WebSocket: Ws, ...options });
  onTestFinished(() => made.close());
  return made;
}

async function connected(user: string, port = server.port): Promise<Client> {
  // Links that are cut at once and again would wait ever longer.
  const settings = { backoffCap: 50 };
  const made = client({ token: await server.token(user), settings }, port);
  await made.connect();
  return made;
}

async function proxy(): Promise<Proxy> {
  const made = await Proxy.start(server.port);
  onTestFinished(() => made.stop());
  return made;
}

async function event(room: Room): Promise<unknown> {
  const { value } = await room.next();
  return value?.kind === "event" ? value.data : value;
}

test("an application's first steps", async () => {
  const ada = await connected("ada");
  expect(ada.state).toMatchObject({ is: "connected", cause: 101 });
  expect(ada.identity).toEqual({ tenant: "acme", subject: "ada" });
  const room = await ada.join("chat:first");
  const { epoch, offset } = await ada.publish("chat:first", "cursor", { x: 1 });
  expect(offset).toBe(1);
  const { value } = await room.next();
  expect(value).toMatchObject({ kind: "event", type: "cursor", data: { x: 1 }, offset: 1 });
  expect(room.position).toEqual({ epoch, offset: 1 });
  const sent = await ada.call<{ offset: number }>("chat.send", { room: "chat:first", text: "hi" });
  expect(sent.offset).toBe(2);
  expect(await event(room)).toMatchObject({ user: "ada", text: "hi" });
});

test("bytes arrive as bytes, in their place", async () => {
  const ada = await connected("ada");
  const room = await ada.join("chat:bytes");
  await ada.publish("chat:bytes", "before");
  await ada.publish("chat:bytes", "image", new Uint8Array([0, 255, 7]));
  await ada.publish("chat:bytes", "after");
  expect(await event(room)).toBeUndefined();
  expect(await event(room)).toEqual(new Uint8Array([0, 255, 7]));
  expect((await room.next()).value).toMatchObject({ type: "after", offset: 3 });
});

test("past events come first, and a known place is gone on from", async () => {
  const ada = await connected("ada");
  for (let n = 1; n <= 5; n += 1) await ada.publish("chat:past", "n", n);
  const last = await ada.join("chat:past", { from: { history: 2 } });
  expect([await event(last), await event(last)]).toEqual([4, 5]);
  const { epoch } = last.position;
  const later = await ada.join("chat:past", { from: { epoch, offset: 3 } });
  expect([await event(later), await event(later)]).toEqual([4, 5]);
});

test("what the server refuses is an error with its code", async () => {
  const ada = client({ token: await server.token("ada"), settings: { maxCalls: 1 } });
  await ada.connect();
  const refused = await ada.join("user:bob").catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(RefusedError);
  expect(refused).toMatchObject({ code: "forbidden" });
  await expect(ada.call("no.such.method")).rejects.toMatchObject({ code: "not_found" });
  const large = "x".repeat(2 ** 21);
  for (let times = 0; times < 2; times += 1) {
    const call = ada.call("chat.send", { text: large });
    await expect(call).rejects.toMatchObject({ code: "too_large" });
  }
  expect(ada.state.is).toBe("connected");
});

test("a signal gives up what waits, and leaves nothing behind", async () => {
  // A call that was given up makes way for the next.
  const settings = { maxCalls: 2 };
  const lost = client({ token: await server.token("ada"), settings });
  const abort = new AbortController();
  const { signal } = abort;
  const waiting = [
    lost.join("chat:1", { signal }),
    lost.call("chat.send", {}, { signal }),
    lost.publish("chat:1", "never", 1, { signal }),
    lost.ask("?", { signal }).complete,
  ].map((promise) => promise.catch((error: unknown) => error));
  abort.abort(new Error("enough"));
  for (const error of await Promise.all(waiting)) expect(error).toEqual(new Error("enough"));
  await expect(lost.call("x", {}, { signal })).rejects.toThrow("enough");
  await lost.connect();
  const calls = [lost.call("chat.typing", { room: "chat:1", typing: true }), lost.call("x")];
  await expect(lost.call("x")).rejects.toMatchObject({ code: "too_many_calls" });
  expect(await calls[0]).toEqual({});
  await expect(calls[1]).rejects.toMatchObject({ code: "not_found" });
  const room = await lost.join("chat:1", { from: { history: 10 } });
  await lost.publish("chat:1", "first", 1);
  expect((await room.next()).value).toMatchObject({ type: "first", offset: 1 });
});

test("a call that takes too long says so", async () => {
  const lost = client();
  await expect(lost.call("x", {}, { timeout: 20 })).rejects.toMatchObject({ code: "timed_out" });
});

test("a closed client fails everything that waits, and everything after", async () => {
  const ada = await connected("ada");
  const room = await ada.join("chat:closed");
  const next = room.next();
  const call = ada.call("ai.ask", { prompt: "?" });
  ada.close();
  // It was sent, and may have taken effect.
  await expect(call).rejects.toMatchObject({ code: "interrupted" });
  expect(await next).toEqual({ done: true, value: undefined });
  expect(room.error).toMatchObject({ code: "closed" });
  expect(ada.state).toEqual({ is: "closed", cause: 300 });
  ada.close();
  await expect(ada.connect()).rejects.toMatchObject({ code: "closed" });
  await expect(ada.join("x")).rejects.toMatchObject({ code: "closed" });
  await expect(ada.publish("x", "y")).rejects.toMatchObject({ code: "closed" });
});

test("breaking out of a loop leaves the room", async () => {
  const ada = await connected("ada");
  const room = await ada.join("chat:left");
  await ada.publish("chat:left", "n", 1);
  for await (const item of room) {
    expect(item).toMatchObject({ data: 1 });
    break;
  }
  expect(await room.next()).toEqual({ done: true, value: undefined });
  expect(room.error).toBeUndefined();
});

test("listeners are told of their type, and one that throws harms nobody", async () => {
  const uncaught: unknown[] = [];
  const before = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => uncaught.push(error));
  onTestFinished(() => {
    process.removeAllListeners("uncaughtException");
    for (const listener of before) process.on("uncaughtException", listener);
  });
  const ada = await connected("ada");
  const room = await ada.join("chat:listened");
  const told: unknown[] = [];
  room.on("a", () => {
    throw new Error("mine");
  });
  const off = room.on("a", (item) => told.push(item.data));
  const all: RoomItem[] = [];
  room.listen((item) => all.push(item));
  for (const [type, data] of [
    ["a", 1],
    ["b", 2],
    ["a", 3],
  ] as const) {
    await ada.publish("chat:listened", type, data);
  }
  await until("all three are there", () => all.length === 3);
  expect(told).toEqual([1, 3]);
  off();
  off();
  await ada.publish("chat:listened", "a", 4);
  await until("the fourth is there", () => all.length === 4);
  expect(told).toEqual([1, 3]);
  await expect(room.next()).rejects.toMatchObject({ code: "read_twice" });
  await until("what was thrown is reported", () => uncaught.length === 3);
});

test("a listener may call back in", async () => {
  const ada = client({ token: await server.token("ada") });
  const published: Promise<unknown>[] = [];
  ada.onStateChange(({ is }) => {
    if (is === "connected") published.push(ada.publish("chat:again", "from inside", 1));
    if (is === "closed") published.push(ada.call("x").catch((error: unknown) => error));
  });
  await ada.connect();
  expect(await published[0]).toMatchObject({ offset: 1 });
  ada.close();
  expect(await published[1]).toMatchObject({ code: "closed" });
});

test("a slow reader misses nothing", async () => {
  const [ada, bob] = await Promise.all([connected("ada"), connected("bob")]);
  const slow = client({ token: await server.token("eve"), queue: { events: 10 } });
  await slow.connect();
  const room = await slow.join("chat:slow");
  const witness = await bob.join("chat:slow");
  for (let n = 1; n <= 200; n += 1) await ada.publish("chat:slow", "n", n);
  for (let n = 1; n <= 200; n += 1) expect(await event(witness)).toBe(n);
  for (let n = 1; n <= 200; n += 1) expect(await event(room)).toBe(n);
});

test("a fixed token that is refused closes the client, and a provider is asked again", async () => {
  const refused = client({ token: "not.a.token" });
  await expect(refused.connect()).rejects.toMatchObject({ code: "closed" });
  expect(refused.state).toEqual({ is: "closed", cause: 220 });

  const answers = [
    () => Promise.reject(new Error("not now")),
    () => "not.a.token",
    () => server.token("ada"),
  ];
  let asked = 0;
  const failures: unknown[] = [];
  const patient = client({
    token: () => answers[Math.min(asked++, 2)]?.() ?? "",
    settings: { backoffBase: 10 },
  });
  patient.listen((item) => item.kind === "token_failed" && failures.push(item.error));
  await patient.connect();
  expect(asked).toBe(3);
  expect(failures).toEqual([new Error("not now")]);
});

test("a token is renewed before it ends, and nobody sees an outage", async () => {
  const wire = await proxy();
  let asked = 0;
  const provider = (): Promise<string> => {
    asked += 1;
    return server.token("ada", 2_000);
  };
  const ada = client({ token: provider, headers: false }, wire.port);
  const states: string[] = [];
  ada.onStateChange(({ is }) => states.push(is));
  await ada.connect();
  const room = await ada.join("chat:renewed");
  const bob = await connected("bob");
  // Two connections for each link, a ticket and the socket; and a while on the second.
  for (let n = 1, after = 0; after < 50; n += 1) {
    if (wire.connections >= 4) after += 1;
    await bob.publish("chat:renewed", "n", n);
    expect(await event(room)).toBe(n);
    // No faster than the server's limit on commands.
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(asked).toBe(2);
  expect(states).toEqual(["connecting", "connected"]);
});

test("without headers a token becomes a ticket, one for each link", async () => {
  const wire = await proxy();
  const tickets: string[] = [];
  const url = `ws://127.0.0.1:${wire.port}/ws/ai/chat`;
  const token = await server.token("ada");
  const urls: string[] = [];
  class Spy extends WebSocket {
    constructor(to: string, protocols: string[], options?: object) {
      super(to, protocols);
      expect(options).toBeUndefined();
      urls.push(to);
      tickets.push(protocols.find((entry) => entry.startsWith("staywire.ticket.")) ?? "");
    }
  }
  const ada = new Client(url, {
    WebSocket: Spy as unknown as SocketConstructor,
    token,
    headers: false,
  });
  onTestFinished(() => ada.close());
  await ada.connect();
  expect(ada.identity?.subject).toBe("ada");
  wire.cut();
  await until("it is back", () => tickets.length === 2 && ada.state.is === "connected");
  expect(new Set(tickets).size).toBe(2);
  expect(urls).toEqual([url, url]);
  const stranger = client({ token: "not.a.token", headers: false });
  const said: unknown[] = [];
  stranger.listen((item) => item.kind === "refused" && said.push(item.error.code));
  await expect(stranger.connect()).rejects.toThrow();
  expect(said).toEqual(["token_invalid"]);
});

test("cut in the middle of a stream: nothing is lost, nothing doubled", async () => {
  const wire = await proxy();
  const reader = await connected("bob", wire.port);
  const writer = await connected("ada", wire.port);
  const room = await reader.join("chat:cut");
  const got: unknown[] = [];
  const reading = (async () => {
    while (got.length < 300) got.push(await event(room));
  })();
  const published: Promise<unknown>[] = [];
  for (let n = 1; n <= 300; n += 1) {
    published.push(writer.publish("chat:cut", "n", n));
    if (n % 50 !== 0) continue;
    // Some have an answer, the others are under way.
    await published[n - 25];
    wire.cut();
  }
  await Promise.all([reading, ...published]);
  expect(got).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
  expect((await writer.join("chat:cut", { from: { history: 1 } })).position.offset).toBe(299);
  expect(wire.connections).toBeGreaterThanOrEqual(8);
});

test("an answer streams over cuts, whole and in order", async () => {
  const wire = await proxy();
  const ada = await connected("ada", wire.port);
  const causes: number[] = [];
  ada.onStateChange(({ cause }) => causes.push(cause));
  const answer = ada.ask("How does a client resume a room after its connection was lost?");
  const { room } = await answer.asked;
  const tokens: string[] = [];
  for await (const token of answer) {
    tokens.push(token);
    if (tokens.length === 5 || tokens.length === 20) wire.cut();
  }
  expect(await answer.complete).toHaveProperty("sql");
  expect(tokens.join("")).toBe(answer.text);
  // Another device sees what was really said.
  const witness = await (await connected("ada")).join(room, { from: { history: 1000 } });
  const said: string[] = [];
  for await (const item of witness) {
    if (item.kind !== "event") continue;
    if (item.type === "complete") break;
    if (item.type === "token") said.push((item.data as { token: string }).token);
  }
  expect(tokens).toEqual(said);
  expect(wire.connections).toBe(3);
  // The network failed; nobody closed the link.
  expect(causes).toEqual([200, 101, 200, 101]);
});

test("an answer can be stopped, and read again from its beginning", async () => {
  const ada = await connected("ada");
  const answer = ada.ask("Tell me everything about rooms, offsets and epochs.");
  let tokens = 0;
  const reading = (async () => {
    for await (const token of answer) {
      expect(token).not.toBe("");
      tokens += 1;
      if (tokens === 2) await answer.cancel();
    }
  })();
  await expect(reading).rejects.toMatchObject({ code: "CANCELLED" });
  await expect(answer.complete).rejects.toBeInstanceOf(StaywireError);
  const pieces: string[] = [];
  try {
    for await (const token of answer) pieces.push(token);
  } catch {
    // It ends alike.
  }
  expect(pieces.join("")).toBe(answer.text);
  expect(pieces.length).toBeGreaterThanOrEqual(2);
});

test("a server that is not there is tried until it is", async () => {
  const absent = await Proxy.start(server.port);
  const { port } = absent;
  await absent.stop();
  const patient = client({ settings: { backoffBase: 1, giveUpAfter: 3 } }, port);
  await expect(patient.connect()).rejects.toMatchObject({ code: "closed" });
  expect(patient.state).toEqual({ is: "closed", cause: 303 });
});

test("what can't be dialled is refused at once", () => {
  for (const url of ["", "ftp://example.com", "wss://ann:secret@example.com"]) {
    expect(() => new Client(url)).toThrow(StaywireError);
  }
});

test("plain: a server that speaks type and data alone", async () => {
  const plain = client({ protocol: "plain" });
  const types: string[] = [];
  plain.listen((item) => item.kind === "event" && types.push(item.type));
  await plain.connect();
  await plain.send("ai.ask", { prompt: "What is a gap?" });
  await until("the answer is whole", () => types.includes("complete"));
  expect(types).toContain("token");
  await expect(plain.join("x")).rejects.toMatchObject({ code: "unsupported" });
});
