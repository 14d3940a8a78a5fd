/**
 * Functions of the application that want to be told of items, of all or of events of one type.
 *
 * What one of them throws is reported as an uncaught error and keeps nothing from the others.
 */

/** Runs the application's code so that what it throws harms nobody. */
export function guarded(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** Who listens. */
export class Listeners<Item extends { kind: string; type?: string }> {
  readonly #all = new Set<{ type: string | undefined; listener: (item: Item) => void }>();

  /** Listens to events of `type`, or to all items without one; returns what ends it. */
  add(type: string | undefined, listener: (item: Item) => void): () => void {
    const entry = { type, listener };
    this.#all.add(entry);
    return () => void this.#all.delete(entry);
  }

  /** Tells those who asked for it, in the order of asking. */
  tell(item: Item): void {
    for (const { type, listener } of [...this.#all]) {
      if (type === undefined || (item.kind === "event" && item.type === type)) {
        guarded(() => listener(item));
      }
    }
  }
}
