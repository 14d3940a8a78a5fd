// Drives the module that ships, through the JavaScript that ships with it, from connecting to closing.
//
// `cargo xtask test --only wasm` builds both into target/wasm-package and runs this there. It proves
// that numbers cross the border as the tables in wasm/src say; what the engine does with them is proven
// by its own tests.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import test from "node:test";
import { pathToFileURL } from "node:url";

const folder = process.env.STAYWIRE_WASM_PACKAGE ?? "target/wasm-package";
const staywire = await import(pathToFileURL(resolve(folder, "staywire.js")));
const { Input, Kind } = staywire;
const { memory } = staywire.initSync({ module: readFileSync(join(folder, "staywire_bg.wasm")) });

const WALL = 1_700_000_000_000;
const [PLAIN, STAYWIRE] = [0, 1];
const [NETWORK, CLOSED, UNAUTHORIZED] = [0, 2, 3];
const HOLE = 4;
const [CONNECTED, RECONNECTING] = [2, 3];
// Texts, as JavaScript numbers them.
const [ANN, STORE, EPOCH, OTHER_EPOCH] = [1, 2, 3, 4];
const WELCOME = [30_000, 10_000, undefined, ANN, STORE, 60_000, 1_000];

/** How many numbers come with each kind. */
const NUMBERS = {
  Idle: 0, Timeout: 2, Open: 2, Close: 2, NeedToken: 1, DropToken: 1, StateChanged: 4, Joined: 3,
  RoomFailed: 2, Gap: 4, CallFailed: 2, PublishFailed: 2, Hello: 2, Subscribe: 6, Leave: 2, Ping: 1,
  Pong: 1, Call: 2, Publish: 3, Event: 2,
};

/** A client on a clock that stands still until told. */
class Client {
  time = 0;

  constructor(...settings) {
    this.id = staywire.create(7, ...settings);
  }

  tell(input, ...numbers) {
    assert.ok(input in Input, input);
    return staywire.tell(this.id, Input[input], this.time, WALL + this.time, ...numbers);
  }

  number(index) {
    return staywire.number(this.id, index);
  }

  /** All outputs up to the timeout, which is kept apart. */
  drain() {
    const outputs = [];
    for (;;) {
      const kind = Kind[staywire.poll(this.id)];
      let numbers = Array.from({ length: NUMBERS[kind] }, (_, index) => this.number(index));
      if (kind === "StateChanged" && numbers[0] !== RECONNECTING) numbers = numbers.slice(0, 2);
      if (kind === "Timeout" || kind === "Idle") {
        this.timeout = numbers[0];
        return outputs;
      }
      outputs.push([kind, ...numbers]);
    }
  }

  /** Connected over `staywire.v1` on link 1, after the hello. */
  static live(...settings) {
    const client = new Client(...settings);
    client.tell("Connect");
    client.drain();
    client.tell("Opened", 1, STAYWIRE);
    client.drain();
    client.tell("Welcome", 1, ...WELCOME);
    client.drain();
    return client;
  }

  /** The same, in one room at offset 10. */
  static joined() {
    const client = Client.live();
    client.tell("Join", 0);
    client.drain();
    client.tell("Bound", 1, 1, EPOCH, 10, 10);
    client.drain();
    return client;
  }
}

test("a life from connecting to closing", () => {
  const client = new Client();
  assert.equal(client.tell("Join", 1, 50), 1);
  assert.deepEqual(client.drain(), []);
  assert.equal(client.timeout, undefined, "nothing to wait for");

  client.tell("Connect");
  assert.deepEqual(client.drain(), [["StateChanged", 1, 100], ["Open", 1, 1]]);
  assert.equal(client.timeout, 10_000, "the deadline of the connect");

  client.time = 100;
  client.tell("Opened", 1, STAYWIRE);
  assert.deepEqual(client.drain(), [["Hello", 1, 1], ["Subscribe", 1, 1, 1, 1, 50, 0]]);

  client.tell("Welcome", 1, ...WELCOME);
  assert.deepEqual(client.drain(), [["StateChanged", 2, 101]]);
  assert.equal(client.tell("State"), CONNECTED);

  assert.equal(client.tell("Position", 1), -1);
  client.tell("Bound", 1, 1, EPOCH, 2 ** 53 - 100, 2 ** 53 - 90);
  assert.deepEqual(client.drain(), [["Joined", 1, 2 ** 53 - 100, EPOCH]]);

  assert.equal(client.tell("Data", 1, 1, 2 ** 53 - 99, 3), 0);
  assert.equal(client.number(0), 1, "the room of the data");
  assert.deepEqual(client.drain(), []);
  assert.equal(client.tell("Data", 1, 1, 2 ** 53 - 99, 3), -1, "all of it was seen");
  assert.equal(client.tell("Data", 1, 1, 2 ** 53 - 98, 4), 2, "two of them were seen");
  assert.deepEqual(client.drain(), []);

  assert.equal(client.tell("Data", 1, 1, 2 ** 53 - 90, 1), 0);
  assert.deepEqual(client.drain(), [["Gap", 1, 2 ** 53 - 94, 2 ** 53 - 91, HOLE]]);
  assert.equal(client.tell("Position", 1), 2 ** 53 - 90);
  assert.equal(client.number(0), EPOCH);

  client.tell("Close");
  assert.deepEqual(client.drain(), [
    ["Close", 1, 1],
    ["RoomFailed", 1, 2],
    ["StateChanged", 5, 300],
  ]);
  assert.equal(client.timeout, undefined);
  staywire.free(client.id);
});

test("a lost link is redialled, and resumed from what was delivered", () => {
  const client = Client.joined();
  assert.equal(client.tell("Data", 1, 1, 11, 4), 0);
  client.tell("Join", 2, 9, OTHER_EPOCH);
  client.drain();
  client.tell("Closed", 1, CLOSED, 3_000);
  const [[kind, state, cause, attempt, retryAt]] = client.drain();
  assert.deepEqual([kind, state, cause, attempt], ["StateChanged", 3, 204, 1]);
  assert.ok(retryAt >= 3_000 && retryAt <= 3_500, `the server's hint is a floor: ${retryAt}`);
  assert.equal(client.timeout, retryAt);

  client.time = retryAt;
  client.tell("Timeout");
  assert.deepEqual(client.drain(), [["Open", 2, 1]]);
  assert.equal(client.tell("HasLink", 1), 0);
  assert.equal(client.tell("HasLink", 2), 1);
  client.tell("Opened", 2, STAYWIRE);
  assert.deepEqual(client.drain(), [
    ["Hello", 2, 2],
    ["Subscribe", 2, 3, 1, 2, 14, EPOCH],
    ["Subscribe", 2, 4, 2, 2, 9, OTHER_EPOCH],
  ]);
  client.tell("OpenFailed", 2, NETWORK);
  assert.equal(client.drain()[0][2], 200);
});

test("what is published is sent in order and answered once", () => {
  const client = Client.live(...Array(16), 2, 100);
  assert.equal(client.tell("Publish", 40), 1);
  assert.equal(client.tell("Publish", 40), 2);
  assert.equal(client.tell("Publish", 1), 0, "two entries are the most");
  assert.deepEqual(client.drain(), [["Publish", 1, 1, 1], ["Publish", 1, 2, 2]]);
  assert.deepEqual([client.tell("OutboxUsage"), client.number(0)], [2, 80]);
  assert.equal(client.tell("Withdraw", 2), 0, "it was sent");
  assert.equal(client.tell("Reply", 1, 1), 1);
  assert.equal(client.tell("Reply", 1, 1), 0);
  assert.equal(client.tell("SendEvent", 5), 3);
  assert.equal(client.tell("Call", 1, 500), 4);
  assert.deepEqual(client.drain(), [["Event", 1, 3], ["Call", 1, 4]]);
  client.time = 500;
  client.tell("Timeout");
  assert.deepEqual(client.drain(), [["CallFailed", 4, 1]]);
  client.tell("CancelCall", 4);
  assert.equal(client.tell("Call", 0), 5);
  client.tell("Abandon", 5);
  assert.deepEqual(client.drain(), [["Call", 1, 5]]);
  client.tell("Close");
  assert.deepEqual(client.drain()[1], ["PublishFailed", 2, 0], "its effect is uncertain");
});

test("rooms are refused, left, overflowed and gone on with", () => {
  const client = Client.joined();
  client.tell("Gap", 1, 1, 20, 2);
  assert.deepEqual(client.drain(), [["Gap", 1, 11, 20, 2]]);
  client.tell("RoomOverflowed", 1, EPOCH, 15);
  assert.deepEqual(client.drain(), [["Leave", 1, 1]]);
  client.tell("RoomCaughtUp", 1);
  assert.deepEqual(client.drain(), [["Subscribe", 1, 2, 1, 2, 15, EPOCH]]);
  assert.equal(client.tell("Refused", 1, 9), 0, "there is no such subscription");
  assert.equal(client.tell("Refused", 1, 2), 1);
  assert.deepEqual(client.drain(), [["RoomFailed", 1, 0]]);
  assert.equal(client.tell("Join", 0), 2);
  client.tell("Leave", 2);
  assert.deepEqual(client.drain(), [["Subscribe", 1, 3, 2, 0, 0, 0], ["Leave", 1, 3]]);
});

test("tokens, networks, pings and the server's own wishes reach the engine", () => {
  const client = new Client(0, 2);
  client.tell("Connect");
  assert.deepEqual(client.drain(), [["StateChanged", 1, 100], ["NeedToken", 1]]);
  client.tell("TokenFailed", 1);
  assert.equal(client.drain()[0][2], 221);
  client.time = client.timeout;
  client.tell("Timeout");
  assert.deepEqual(client.drain(), [["NeedToken", 2]]);
  client.tell("Token", 2, WALL + 3_600_000);
  assert.deepEqual(client.drain(), [["Open", 1, 1]]);
  client.tell("Opened", 1, STAYWIRE);
  client.tell("Heard", 1);
  client.tell("Welcome", 1, undefined, undefined, 1_800_000, ANN, STORE, 60_000, 1_000);
  client.drain();
  client.tell("Ping", 1);
  assert.deepEqual(client.drain(), [["Pong", 1]]);
  client.tell("Wake");
  assert.deepEqual(client.drain(), [["Ping", 1]]);
  client.tell("Goaway", 1, 0);
  client.drain();
  client.tell("Timeout");
  assert.deepEqual(client.drain(), [["Open", 2, 1]]);
  client.tell("Online", 0);
  assert.deepEqual(client.drain(), [["Close", 2, 0]]);
  client.tell("Online", 1);
  client.tell("NetworkChanged");
  client.drain();
  client.tell("Violation", 1);
  assert.deepEqual(client.drain()[0], ["Close", 1, 0]);
  client.tell("Close");
});

test("a plain server gets no rooms, and a refused fixed token closes", () => {
  const client = new Client(1, 1);
  client.tell("Connect");
  assert.deepEqual(client.drain()[1], ["Open", 1, 0]);
  client.tell("Opened", 1, PLAIN);
  client.drain();
  client.tell("Join", 0);
  assert.deepEqual(client.drain(), [["RoomFailed", 1, 1]]);
  client.tell("Closed", 1, UNAUTHORIZED);
  assert.deepEqual(client.drain(), [["StateChanged", 5, 220]]);
});

test("clients don't touch each other, and one that was freed traps", () => {
  const [one, other] = [Client.joined(), new Client()];
  other.tell("Connect");
  assert.equal(one.tell("State"), CONNECTED);
  assert.equal(other.tell("State"), 1);
  staywire.free(one.id);
  assert.throws(() => one.tell("State"), WebAssembly.RuntimeError);
  assert.equal(other.tell("State"), 1);
});

test("memory is given back", () => {
  const before = memory.buffer.byteLength;
  for (let round = 0; round < 2_000; round += 1) {
    const client = Client.joined();
    for (let offset = 11; offset < 40; offset += 1) client.tell("Data", 1, 1, offset, 1);
    client.drain();
    staywire.free(client.id);
  }
  assert.ok(memory.buffer.byteLength - before <= 2 * 65_536, "two pages are fair, more is a leak");
});
