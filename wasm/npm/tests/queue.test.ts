/** The queue of a room: bounded, and what doesn't fit is named. */

import { expect, test } from "vitest";

import type { Row } from "../src/connection.js";
import { type GapItem, RoomQueue } from "../src/queue.js";

const BOUNDS = { events: 4, bytes: 1000 };

function row(first: number, count: number, size = 10): Row {
  const events = Array.from({ length: count }, (_, index) => ({ type: "n", data: first + index }));
  return { first, events, bytes: undefined, size };
}

function gap(from: number, to: number): GapItem {
  return { kind: "gap", from, to, reason: "expired" };
}

function taken(queue: RoomQueue): unknown[] {
  const items: unknown[] = [];
  for (let item = queue.take(); item; item = queue.take()) {
    items.push(item.kind === "event" ? item.data : item);
  }
  return items;
}

test("what doesn't fit is to be fetched from behind what was queued last", () => {
  const queue = new RoomQueue(BOUNDS);
  queue.begin({ epoch: "a", offset: 0 });
  expect(queue.push("a", row(1, 3))).toBeUndefined();
  expect(queue.push("a", row(4, 2))).toEqual({ epoch: "a", offset: 3 });
  // Nothing is let in until the room goes on, or it would come twice.
  expect(queue.push("a", row(6, 1))).toBeUndefined();
  expect(queue.pushGap(gap(7, 8), { epoch: "a", offset: 8 })).toBeUndefined();
  expect(queue.caughtUp()).toBe(false);
  expect(taken(queue)).toEqual([1, 2, 3]);
  expect(queue.position).toEqual({ epoch: "a", offset: 3 });
  expect([queue.caughtUp(), queue.caughtUp()]).toEqual([true, false]);
  queue.goOn();
  expect(queue.push("a", row(4, 2))).toBeUndefined();
  expect(taken(queue)).toEqual([4, 5]);
});

test("bytes are bounded as well, and one thing is always let in", () => {
  const queue = new RoomQueue(BOUNDS);
  expect(queue.push("a", row(1, 100, 5000))).toBeUndefined();
  expect(queue.push("a", row(101, 1, 1))).toEqual({ epoch: "a", offset: 100 });
  expect(taken(queue)).toHaveLength(100);
  queue.goOn();
  expect(queue.push("a", row(101, 1, 999))).toBeUndefined();
  expect(queue.push("a", row(102, 1, 2))).toEqual({ epoch: "a", offset: 101 });
});

test("gaps that follow each other are one, and a state stands for the state before it", () => {
  const queue = new RoomQueue(BOUNDS);
  queue.pushGap(gap(1, 5), { epoch: "a", offset: 5 });
  queue.pushGap(gap(6, 9), { epoch: "a", offset: 9 });
  expect(taken(queue)).toEqual([gap(1, 9)]);
  expect(queue.position).toEqual({ epoch: "a", offset: 9 });
  queue.pushGap(gap(10, 12), { epoch: "a", offset: 12 });
  queue.pushGap(gap(0, 0), { epoch: "b", offset: 3 });
  queue.pushSnapshot("old");
  queue.pushSnapshot("new");
  expect(taken(queue)).toEqual([gap(0, 0), { kind: "snapshot", data: "new" }]);
  expect(queue.position).toEqual({ epoch: "b", offset: 3 });
});

test("what isn't logged keeps the place, and what isn't an event is delivered", () => {
  const queue = new RoomQueue(BOUNDS);
  queue.begin({ epoch: "a", offset: 7 });
  queue.push("", { first: 0, events: [{ type: "typing" }, 3, null], bytes: undefined, size: 1 });
  expect(queue.take()).toMatchObject({ type: "typing", offset: undefined, data: undefined });
  expect(queue.take()).toMatchObject({ type: "", event: 3 });
  expect(queue.take()).toMatchObject({ type: "", event: null });
  expect(queue.position).toEqual({ epoch: "a", offset: 7 });
});
