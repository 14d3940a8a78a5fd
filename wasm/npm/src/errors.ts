/**
 * What can go wrong: one class for programs that ask `instanceof`, and a `code` that says which.
 */

/** The server's refusal, in its words. */
export interface Refusal {
  /** Why, for programs: docs/protocol.md, section 4. */
  code: string;
  /** Why, for people. */
  message: string;
  /** When to try again, in milliseconds; absent: not at all. */
  retryAfter: number | undefined;
}

/** Everything that this package throws or rejects with, but for an `AbortSignal`'s own reason. */
export class StaywireError extends Error {
  override readonly name: string = "StaywireError";

  constructor(
    /** Why, for programs. */
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** The server said no. Its `code` is the server's. */
export class RefusedError extends StaywireError {
  override readonly name = "RefusedError";
  /** When to try again, in milliseconds; absent: not at all. */
  readonly retryAfter: number | undefined;

  constructor(refusal: Refusal) {
    super(refusal.code, refusal.message);
    this.retryAfter = refusal.retryAfter;
  }
}

const MESSAGES = {
  closed: "the client is closed",
  unsupported: "this server speaks the plain protocol, which has no rooms and calls; use send()",
  too_many_rooms: "too many rooms are joined; leave some first",
  too_many_calls: "too many calls wait for an answer; wait for some first",
  interrupted: "the connection was lost before the answer; the call may have taken effect",
  timed_out: "no answer in time; the call may have taken effect",
  outbox_full: "the outbox is full; wait for earlier publishes, or allow more in the settings",
  uncertain: "it may have taken effect, and can't be sent again safely; check before repeating it",
  dropped: "it was dropped unsent to make room for a newer one",
  gap: "pieces of the answer are lost for good; read pieces() to go on over them",
  left: "the room was left before the answer was complete",
  read_twice: "a room has one reader: iterate it, or listen with on(), not both",
} as const;

/** The codes of this package's own errors. */
export type Code = keyof typeof MESSAGES;

/** An error of this package's own. */
export function errorOf(code: Code): StaywireError {
  return new StaywireError(code, MESSAGES[code]);
}
