/**
 * Numbers for the texts that the engine only compares.
 *
 * Nothing here looks into a text.
 */

/** Numbers for a text that seldom changes: an identity, a store. Only the latest is kept. */
export class Changes {
  #last: string | undefined;
  #number = 0;

  /** The same number as before if it is the same text as before, else the next. */
  number(text: string): number {
    if (text !== this.#last) this.#number += 1;
    this.#last = text;
    return this.#number;
  }
}

/**
 * Numbers for epochs.
 *
 * The same text has the same number for as long as it is kept. A bounded number is kept, and the ones
 * in use always; one that was forgotten gets another number when it comes back, which the engine takes
 * for another epoch: an honest gap, and never a silent one.
 */
export class Texts {
  static readonly MOST = 4096;

  /** The least recently used first. */
  readonly #numbers = new Map<string, number>();
  readonly #texts = new Map<number, string>();
  readonly #inUse: () => Set<number>;
  #next = 1;

  constructor(inUse: () => Set<number>) {
    this.#inUse = inUse;
  }

  /** The number of a text. */
  number(text: string): number {
    const number = this.#numbers.get(text) ?? this.#next++;
    this.#numbers.delete(text);
    this.#numbers.set(text, number);
    this.#texts.set(number, text);
    if (this.#numbers.size > Texts.MOST) this.#forget(text);
    return number;
  }

  /** The text of a number; empty for one that was never given. */
  text(number: number): string {
    return this.#texts.get(number) ?? "";
  }

  /** Half of them at once, so that the look at what is in use is rare. */
  #forget(newest: string): void {
    const inUse = this.#inUse();
    for (const [text, number] of this.#numbers) {
      if (this.#numbers.size <= Texts.MOST / 2) return;
      if (text === newest || inUse.has(number)) continue;
      this.#numbers.delete(text);
      this.#texts.delete(number);
    }
  }
}
