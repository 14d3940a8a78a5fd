// Drives the module that ships, through the JavaScript that ships with it, from connecting to closing.
//
// `cargo xtask test --only wasm` builds both into target/wasm-package and runs this there. It proves
// that numbers and texts cross the border as the tables in wasm/src say; what the engine does with
// them is proven by its own tests.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import test from "node:test";
import { pathToFileURL } from "node:url";

const folder = process.env.STAYWIRE_WASM_PACKAGE ?? "target/wasm-package";
const staywire = await import(pathToFileURL(resolve(folder, "staywire.js")));
const { Kind } = staywire;
const { memory } = staywire.initSync({ module: readFileSync(join(folder, "staywire_bg.wasm")) });

const NONE = -1;
const WALL = 1_700_000_000_000;
const [PLAIN, STAYWIRE] = [0, 1];
const [NETWORK, CLOSED, UNAUTHORIZED] = [0, 2, 3];
const HOLE = 4;
const RECONNECTING = 3;

/** How many numbers come with each kind. */
const NUMBERS = {
  Idle: 0, Timeout: 2, Open: 2, Close: 2, NeedToken: 1, DropToken: 1, StateChanged: 4, Joined: 2,
  RoomFailed: 2, Gap: 4, CallFailed: 2, PublishFailed: 2, Hello: 2, Subscribe: 5, Leave: 2, Ping: 1,
  Pong: 1, Call: 2, Publish: 3, Event: 2,
};

/** A client on a clock that stands still until told. */
class Client {
  time = 0;

  constructor(settings = []) {
    this.id = staywire.create(Float64Array.from(settings), 7);
  }

  /** Calls `name` with the clocks behind the arguments, where it takes any. */
  tell(name, ...args) {
    const clocks = staywire[name].length > args.length + 1 ? [this.time, WALL + this.time] : [];
    assert.equal(staywire[name].length, 1 + args.length + clocks.length, `arguments of ${name}`);
    return staywire[name](this.id, ...args, ...clocks);
  }

  text() {
    const [at, length] = [staywire.text_at(this.id), staywire.text_length(this.id)];
    return new TextDecoder().decode(new Uint8Array(memory.buffer, at, length));
  }

  /** All outputs up to the timeout, which is kept apart. */
  drain() {
    const outputs = [];
    for (;;) {
      const kind = Kind[staywire.poll(this.id)];
      let numbers = Array.from({ length: NUMBERS[kind] }, (_, i) => staywire.number(this.id, i));
      if (kind === "StateChanged" && numbers[0] !== RECONNECTING) numbers = numbers.slice(0, 2);
      if (kind === "Timeout" || kind === "Idle") {
        this.timeout = kind === "Timeout" ? numbers[0] : undefined;
        return outputs;
      }
      const named = kind === "Joined" || (kind === "Subscribe" && numbers[3] === 2);
      outputs.push(named ? [kind, ...numbers, this.text()] : [kind, ...numbers]);
    }
  }

  /** Connected over `staywire.v1` on link 1, after the hello. */
  static live(settings) {
    const client = new Client(settings);
    client.tell("connect");
    client.drain();
    client.tell("handle_opened", 1, STAYWIRE);
    client.drain();
    client.tell("handle_welcome", 1, 30_000, 10_000, NONE, "ann", "store-1", 60_000, 1_000);
    client.drain();
    return client;
  }

  /** The same, in one room at offset 10. */
  static joined() {
    const client = Client.live();
    client.tell("join", 0, 0, "");
    client.drain();
    client.tell("handle_bound", 1, 1, "epoch-ü", 10, 10);
    client.drain();
    return client;
  }
}

test("a life from connecting to closing", () => {
  const client = new Client();
  assert.equal(client.tell("join", 1, 50, ""), 1);
  assert.deepEqual(client.drain(), []);
  assert.equal(client.timeout, undefined, "nothing to wait for");

  client.tell("connect");
  assert.deepEqual(client.drain(), [["StateChanged", 1, 100], ["Open", 1, 1]]);
  assert.equal(client.timeout, 10_000, "the deadline of the connect");

  client.time = 100;
  client.tell("handle_opened", 1, STAYWIRE);
  assert.deepEqual(client.drain(), [["Hello", 1, 1], ["Subscribe", 1, 1, 1, 1, 50]]);

  client.tell("handle_welcome", 1, 30_000, 10_000, NONE, "ann", "store-1", 60_000, 1_000);
  assert.deepEqual(client.drain(), [["StateChanged", 2, 101]]);
  assert.equal(client.tell("state"), 2);

  assert.equal(client.tell("position", 1), NONE);
  client.tell("handle_bound", 1, 1, "epoch-ü", 2 ** 53 - 100, 2 ** 53 - 90);
  assert.deepEqual(client.drain(), [["Joined", 1, 2 ** 53 - 100, "epoch-ü"]]);

  assert.equal(client.tell("handle_data", 1, 1, 2 ** 53 - 99, 3), 0);
  assert.equal(client.tell("number", 0), 1, "the room of the data");
  assert.deepEqual(client.drain(), []);
  assert.equal(client.tell("handle_data", 1, 1, 2 ** 53 - 99, 3), -1, "all of it was seen");
  assert.equal(client.tell("handle_data", 1, 1, 2 ** 53 - 98, 4), 2, "two of them were seen");
  assert.deepEqual(client.drain(), []);

  assert.equal(client.tell("handle_data", 1, 1, 2 ** 53 - 90, 1), 0);
  assert.deepEqual(client.drain(), [["Gap", 1, 2 ** 53 - 94, 2 ** 53 - 91, HOLE]]);
  assert.equal(client.tell("position", 1), 2 ** 53 - 90);
  assert.equal(client.text(), "epoch-ü");

  client.tell("close");
  assert.deepEqual(client.drain(), [
    ["Close", 1, 1],
    ["RoomFailed", 1, 2],
    ["StateChanged", 5, 300],
  ]);
  assert.equal(client.timeout, undefined);
  client.tell("free");
});

test("a lost link is redialled, and resumed from what was delivered", () => {
  const client = Client.joined();
  assert.equal(client.tell("handle_data", 1, 1, 11, 4), 0);
  client.tell("join", 2, 9, "epoch-2");
  client.drain();
  client.tell("handle_closed", 1, CLOSED, 3_000);
  const [[kind, state, cause, attempt, retryAt]] = client.drain();
  assert.deepEqual([kind, state, cause, attempt], ["StateChanged", 3, 204, 1]);
  assert.ok(retryAt >= 3_000 && retryAt <= 3_500, `the server's hint is a floor: ${retryAt}`);
  assert.equal(client.timeout, retryAt);

  client.time = retryAt;
  client.tell("handle_timeout");
  assert.deepEqual(client.drain(), [["Open", 2, 1]]);
  assert.equal(client.tell("has_link", 1), false);
  assert.equal(client.tell("has_link", 2), true);
  client.tell("handle_opened", 2, STAYWIRE);
  assert.deepEqual(client.drain(), [
    ["Hello", 2, 2],
    ["Subscribe", 2, 3, 1, 2, 14, "epoch-ü"],
    ["Subscribe", 2, 4, 2, 2, 9, "epoch-2"],
  ]);
  client.tell("handle_open_failed", 2, NETWORK, NONE);
  assert.equal(client.drain()[0][2], 200);
});

test("what is published is sent in order and answered once", () => {
  const client = Client.live([...Array(16).fill(NaN), 2, 100]);
  assert.equal(client.tell("publish", 40), 1);
  assert.equal(client.tell("publish", 40), 2);
  assert.equal(client.tell("publish", 1), 0, "two entries are the most");
  assert.deepEqual(client.drain(), [["Publish", 1, 1, 1], ["Publish", 1, 2, 2]]);
  assert.deepEqual([client.tell("outbox_messages"), client.tell("outbox_bytes")], [2, 80]);
  assert.equal(client.tell("withdraw", 2), false, "it was sent");
  assert.equal(client.tell("handle_reply", 1, 1), true);
  assert.equal(client.tell("handle_reply", 1, 1), false);
  assert.equal(client.tell("send_event", 5), 3);
  assert.equal(client.tell("call", true, 500), 4);
  assert.deepEqual(client.drain(), [["Event", 1, 3], ["Call", 1, 4]]);
  client.time = 500;
  client.tell("handle_timeout");
  assert.deepEqual(client.drain(), [["CallFailed", 4, 1]]);
  client.tell("cancel_call", 4);
  assert.equal(client.tell("call", false, NONE), 5);
  client.tell("abandon", 5);
  assert.deepEqual(client.drain(), [["Call", 1, 5]]);
  client.tell("close");
  assert.deepEqual(client.drain()[1], ["PublishFailed", 2, 0], "its effect is uncertain");
});

test("rooms are refused, left, overflowed and gone on with", () => {
  const client = Client.joined();
  client.tell("handle_gap", 1, 1, 20, 2);
  assert.deepEqual(client.drain(), [["Gap", 1, 11, 20, 2]]);
  client.tell("room_overflowed", 1, "epoch-ü", 15);
  assert.deepEqual(client.drain(), [["Leave", 1, 1]]);
  client.tell("room_caught_up", 1);
  assert.deepEqual(client.drain(), [["Subscribe", 1, 2, 1, 2, 15, "epoch-ü"]]);
  assert.equal(client.tell("handle_refused", 1, 9, NONE), 0, "there is no such subscription");
  assert.equal(client.tell("handle_refused", 1, 2, NONE), 1);
  assert.deepEqual(client.drain(), [["RoomFailed", 1, 0]]);
  assert.equal(client.tell("join", 0, 0, ""), 2);
  client.tell("leave", 2);
  assert.deepEqual(client.drain(), [["Subscribe", 1, 3, 2, 0, 0], ["Leave", 1, 3]]);
});

test("tokens, networks, pings and the server's own wishes reach the engine", () => {
  const client = new Client([0, 2]);
  client.tell("connect");
  assert.deepEqual(client.drain(), [["StateChanged", 1, 100], ["NeedToken", 1]]);
  client.tell("handle_token_failed", 1);
  assert.equal(client.drain()[0][2], 221);
  client.time = client.timeout;
  client.tell("handle_timeout");
  assert.deepEqual(client.drain(), [["NeedToken", 2]]);
  client.tell("handle_token", 2, WALL + 3_600_000);
  assert.deepEqual(client.drain(), [["Open", 1, 1]]);
  client.tell("handle_opened", 1, STAYWIRE);
  client.tell("handle_heard", 1);
  client.tell("handle_welcome", 1, NONE, NONE, 1_800_000, "ann", "store-1", 60_000, 1_000);
  client.drain();
  client.tell("handle_ping", 1);
  assert.deepEqual(client.drain(), [["Pong", 1]]);
  client.tell("handle_wake");
  assert.deepEqual(client.drain(), [["Ping", 1]]);
  client.tell("handle_goaway", 1, 0);
  client.drain();
  client.tell("handle_timeout");
  assert.deepEqual(client.drain(), [["Open", 2, 1]]);
  client.tell("handle_online", false);
  assert.deepEqual(client.drain(), [["Close", 2, 0]]);
  client.tell("handle_online", true);
  client.tell("handle_network_changed");
  client.drain();
  client.tell("handle_violation", 1);
  assert.deepEqual(client.drain()[0], ["Close", 1, 0]);
  client.tell("close");
});

test("a plain server gets no rooms, and a refused fixed token closes", () => {
  const client = new Client([1, 1]);
  client.tell("connect");
  assert.deepEqual(client.drain()[1], ["Open", 1, 0]);
  client.tell("handle_opened", 1, PLAIN);
  client.drain();
  client.tell("join", 0, 0, "");
  assert.deepEqual(client.drain(), [["RoomFailed", 1, 1]]);
  client.tell("handle_closed", 1, UNAUTHORIZED, NONE);
  assert.deepEqual(client.drain(), [["StateChanged", 5, 220]]);
});

test("clients don't touch each other, and one that was freed traps", () => {
  const [one, other] = [Client.joined(), new Client()];
  other.tell("connect");
  assert.equal(one.tell("state"), 2);
  assert.equal(other.tell("state"), 1);
  one.tell("free");
  assert.throws(() => one.tell("state"), WebAssembly.RuntimeError);
  assert.equal(other.tell("state"), 1);
});

test("memory is given back", () => {
  const before = memory.buffer.byteLength;
  for (let round = 0; round < 2_000; round += 1) {
    const client = Client.joined();
    for (let offset = 11; offset < 40; offset += 1) client.tell("handle_data", 1, 1, offset, 1);
    client.drain();
    client.tell("free");
  }
  assert.ok(memory.buffer.byteLength - before <= 2 * 65_536, "two pages are fair, more is a leak");
});
