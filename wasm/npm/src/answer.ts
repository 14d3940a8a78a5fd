/**
 * An answer of the AI, as it comes.
 *
 * It reads its room by itself and keeps what came, which the server bounds: so it can be read from its
 * beginning at any time, and by several. Giving it up doesn't stop the AI, since other devices may be
 * watching: `cancel()` does.
 */

import type { CallOptions, AnyClient } from "./client.js";
import { RefusedError, type StaywireError, errorOf } from "./errors.js";
import type { EventItem, GapItem } from "./queue.js";

/** How to ask. */
export interface AskOptions {
  /** The conversation to go on with; left out, one begins. */
  sessionId?: string;
  /** Stops following the answer; the AI goes on. */
  signal?: AbortSignal;
}

/** What comes with the end of an answer. */
export interface AnswerComplete {
  /** The query that the answer rests on. */
  sql: string | null;
  /** The chart that shows the answer. */
  chartConfig: unknown;
}

/** The next piece of an answer's text. */
export interface TokenPiece {
  kind: "token";
  token: string;
  index: number;
}

/** A piece of an answer: text, a gap, or whatever else happened in the conversation. */
export type Piece = TokenPiece | GapItem | EventItem;

/** Where an answer is. */
export interface Asked {
  session_id: string;
  room: string;
  epoch: string;
  offset: number;
}

/** An async iterable of an answer's tokens, each once and in order, over lost links too. */
export class Answer implements AsyncIterable<string> {
  /** Resolves when the answer is complete; rejects with why it can't be. */
  readonly complete: Promise<AnswerComplete>;
  /** Resolves when the server has the question: which conversation, and where in it. */
  readonly asked: Promise<Asked>;
  readonly #client: Pick<AnyClient, "call" | "join">;
  readonly #pieces: Piece[] = [];
  #text = "";
  #ended = false;
  #waiting: (() => void)[] = [];

  constructor(
    client: Pick<AnyClient, "call" | "join">,
    prompt: string,
    { sessionId, signal }: AskOptions = {},
  ) {
    this.#client = client;
    const data = sessionId === undefined ? { prompt } : { prompt, session_id: sessionId };
    const options: CallOptions = signal ? { signal } : {};
    this.asked = client.call<Asked>("ai.ask", data, options);
    this.complete = this.#follow(signal);
    // Who only iterates is told there.
    this.asked.catch(() => undefined);
    this.complete.catch(() => undefined).finally(() => this.#wake(true));
  }

  /** The text that has come so far. */
  get text(): string {
    return this.#text;
  }

  /** The tokens. It throws what `complete` rejects with, and where tokens are lost, a `gap`. */
  async *[Symbol.asyncIterator](): AsyncGenerator<string, void> {
    for await (const piece of this.pieces()) {
      if (piece.kind === "gap") throw errorOf("gap");
      if (piece.kind === "token") yield piece.token;
    }
  }

  /** The tokens, and whatever else came between them, gaps included. */
  async *pieces(): AsyncGenerator<Piece, void> {
    for (let at = 0; ; at += 1) {
      while (at === this.#pieces.length) {
        if (this.#ended) {
          await this.complete;
          return;
        }
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
      yield this.#pieces[at] as Piece;
    }
  }

  /** Stops the AI. The stream still ends with what the server says last: an error `CANCELLED`. */
  async cancel(): Promise<void> {
    const { session_id, offset } = await this.asked;
    // It names this answer alone, so that a repeat can't stop the next one.
    await this.#client.call("ai.cancel", { session_id, offset }, { idempotent: true });
  }

  async #follow(signal: AbortSignal | undefined): Promise<AnswerComplete> {
    const { room: name, epoch, offset } = await this.asked;
    // The answer may have begun already: its first event follows this place.
    const from = { epoch, offset };
    const room = await this.#client.join(name, signal ? { from, signal } : { from });
    const leave = (): void => room.leave();
    signal?.addEventListener("abort", leave);
    try {
      for await (const item of room) {
        // The pieces since the question are all here: no state is needed.
        if (item.kind === "snapshot") continue;
        if (item.kind === "event") {
          const end = this.#read(item);
          if (end) return end;
        } else {
          this.#push(item);
        }
      }
    } finally {
      signal?.removeEventListener("abort", leave);
    }
    signal?.throwIfAborted();
    throw room.error ?? errorOf("left");
  }

  /** What ends the answer, if it is that. */
  #read(item: EventItem): AnswerComplete | undefined {
    const data = (item.data ?? {}) as Record<string, unknown>;
    if (item.type === "token" && typeof data["token"] === "string") {
      this.#text += data["token"];
      this.#push({ kind: "token", token: data["token"], index: Number(data["index"]) });
      return undefined;
    }
    if (item.type === "complete") {
      const sql = typeof data["sql"] === "string" ? data["sql"] : null;
      return { sql, chartConfig: data["chartConfig"] ?? null };
    }
    if (item.type === "error") throw errorIn(data);
    this.#push(item);
    return undefined;
  }

  #push(piece: Piece): void {
    this.#pieces.push(piece);
    this.#wake(false);
  }

  #wake(ended: boolean): void {
    this.#ended = ended;
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

function errorIn(data: Record<string, unknown>): StaywireError {
  const retryAfter = data["retry_after_ms"];
  return new RefusedError({
    code: String(data["code"]),
    message: String(data["message"]),
    retryAfter: typeof retryAfter === "number" ? retryAfter : undefined,
  });
}
