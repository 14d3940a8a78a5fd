/**
 * What a browser says about networks and sleep, as the engine's inputs.
 *
 * Where there is no window (on a server, in a worker) it listens to nothing.
 */

/** What is told. */
export interface PlatformEvents {
  wake(): void;
  online(online: boolean): void;
  networkChanged(): void;
}

/** Begins to listen; returns what ends it. */
export function listenToPlatform(events: PlatformEvents): () => void {
  const { document, navigator } = globalThis as {
    document?: Document;
    navigator?: { connection?: EventTarget; onLine?: boolean };
  };
  const ends: (() => void)[] = [];
  const on = (target: EventTarget | undefined, type: string, listener: (event: Event) => void) => {
    if (typeof target?.addEventListener !== "function") return;
    target.addEventListener(type, listener);
    ends.push(() => target.removeEventListener(type, listener));
  };
  on(globalThis, "online", () => events.online(true));
  on(globalThis, "offline", () => events.online(false));
  on(navigator?.connection, "change", () => events.networkChanged());
  on(document, "visibilitychange", () => {
    if (document?.visibilityState === "visible") events.wake();
  });
  // Out of the back-forward cache, and out of a freeze.
  on(globalThis, "pageshow", (event) => {
    if ((event as PageTransitionEvent).persisted) events.wake();
  });
  on(document, "resume", () => events.wake());
  if (navigator?.onLine === false) events.online(false);
  return () => ends.splice(0).forEach((end) => end());
}
