/**
 * The frames of `staywire.v1` and of plain servers, written and read: docs/protocol.md, sections 5 to 7.
 *
 * It only looks at form. What a frame means is the engine's affair, and what is inside an event is the
 * application's. `JSON.parse` takes the last of two fields of one name, where the protocol asks for a
 * violation; nothing here can see that.
 */

/** A JSON object. */
export type Fields = Record<string, unknown>;

/** A frame that can't be read, and what was wrong with it. */
export class Unreadable extends Error {}

/** The subprotocol. */
export const SUBPROTOCOL = "staywire.v1";

/** Offsets stay below it. */
const OFFSETS = 2 ** 53;
const U32 = 2 ** 32;

/** Events of one subscription, or frames where the subscription is 0. */
export interface Batch {
  subscription: number;
  /** The first one's offset; 0 if they have none. */
  first: number;
  events: unknown[];
  /** What a binary event carries, which is alone. */
  bytes: Uint8Array | undefined;
}

/** A JSON object, or a violation. */
export function object(value: unknown): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Unreadable("it is not an object");
  }
  return value as Fields;
}

/** A text field. */
export function text(data: Fields, name: string): string {
  const value = data[name];
  if (typeof value !== "string") throw new Unreadable(`${name} is not a text`);
  return value;
}

/** A field that is a whole number below `end`. */
export function whole(data: Fields, name: string, end: number = OFFSETS): number {
  const value = data[name];
  if (!isWhole(value, end)) throw new Unreadable(`${name} is not a number from 0 to ${end - 1}`);
  return value;
}

/** The same, where it may be left out. */
export function maybe(data: Fields, name: string): number | undefined {
  return data[name] === undefined || data[name] === null ? undefined : whole(data, name);
}

/** A field that is a 32-bit number, as subscriptions and ids are. */
export function id(data: Fields, name: string): number {
  return whole(data, name, U32);
}

function isWhole(value: unknown, end: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < end;
}

/** Reads a text message as JSON. */
export function parse(message: string): unknown {
  try {
    return JSON.parse(message);
  } catch (error) {
    throw new Unreadable(`it is not JSON: ${String(error)}`);
  }
}

/** Reads the batches of an array; nothing of it counts if any of it doesn't fit. */
export function batchesOf(array: unknown[]): Batch[] {
  const batches: Batch[] = [];
  if (array.length % 3 !== 0) throw new Unreadable("an array is made of triples");
  for (let at = 0; at < array.length; at += 3) {
    batches.push(batchOf(array[at], array[at + 1], array[at + 2]));
  }
  return batches;
}

function batchOf(subscription: unknown, first: unknown, events: unknown): Batch {
  const fits =
    isWhole(subscription, U32) &&
    isWhole(first, OFFSETS) &&
    Array.isArray(events) &&
    first + events.length <= OFFSETS &&
    // Frames have no offsets.
    (subscription > 0 || first === 0);
  if (!fits) throw new Unreadable("a triple is [subscription, first offset, [event, …]]");
  return { subscription, first, events, bytes: undefined };
}

/** Reads a binary message: each record is a batch of its own. */
export function recordsOf(message: ArrayBuffer): Batch[] {
  const view = new DataView(message);
  const batches: Batch[] = [];
  let at = 0;
  const field = (): Uint8Array => {
    const start = at + 4;
    const end = start <= message.byteLength ? start + view.getUint32(at) : Infinity;
    if (end > message.byteLength) throw new Unreadable(`a record is cut short at byte ${at}`);
    at = end;
    return new Uint8Array(message, start, end - start);
  };
  while (at < message.byteLength) {
    const header = parse(utf8(field()));
    const payload = field();
    if (!Array.isArray(header) || header.length !== 3 || header[0] === 0) {
      throw new Unreadable("a record's header is [subscription, offset, event]");
    }
    const batch = batchOf(header[0], header[1], [header[2]]);
    batch.bytes = payload;
    batches.push(batch);
  }
  return batches;
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Unreadable("a record's header is not UTF-8");
  }
}

/** Writes a record of header and payload. */
export function record(header: string, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + head.length + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, head.length);
  bytes.set(head, 4);
  view.setUint32(4 + head.length, payload.length);
  bytes.set(payload, 8 + head.length);
  return bytes;
}

/** Writes a frame; `data` is JSON already, or nothing. */
export function frame(type: string, data?: string, id?: number, room?: string): string {
  // The order of `staywire`'s other writers, so that a recorded conversation reads alike.
  let written = `{"type":${JSON.stringify(type)}`;
  if (id !== undefined) written += `,"id":${id}`;
  if (room !== undefined) written += `,"room":${JSON.stringify(room)}`;
  if (data !== undefined) written += `,"data":${data}`;
  return `${written}}`;
}

/** The bytes that a text takes in UTF-8. */
export function bytesOf(text: string): number {
  let bytes = text.length;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    // A surrogate is half of a character of four bytes.
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
  }
  return bytes;
}
