/**
 * Hooks for React. They show what the client says, and never make one: a page owns its client.
 *
 * A component renders once a frame at most, however many events came. On a server nothing is connected.
 */

import {
  type ReactNode,
  createContext,
  createElement,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";

import type { Answer, AnswerComplete, AskOptions } from "./answer.js";
import type { AnyClient } from "./client.js";
import type { State } from "./connection.js";
import type { EventItem } from "./queue.js";
import type { EventMap, EventOf } from "./room.js";
import {
  JOINING,
  type RoomView,
  type RoomViewOptions,
  type SharedRoom,
  onFrame,
  sharedRoom,
} from "./shared-rooms.js";

export type { RoomView, RoomViewOptions } from "./shared-rooms.js";

const Context = createContext<AnyClient | undefined>(undefined);

const IDLE: State = { is: "idle", cause: 0 };

/** Gives a client to the components inside, and connects it once they are on a page. */
export function StaywireProvider(props: { client: AnyClient; children?: ReactNode }): ReactNode {
  const { client, children } = props;
  useEffect(() => {
    // What it comes to is in the state.
    client.connect().catch(() => undefined);
  }, [client]);
  return createElement(Context.Provider, { value: client }, children);
}

/** The client of the provider above. */
export function useClient(): AnyClient {
  const client = useContext(Context);
  if (!client) throw new Error("there is no <StaywireProvider> above this component");
  return client;
}

/** The state of the connection. */
export function useConnection(): State {
  const client = useClient();
  const subscribe = useCallback((changed: () => void) => client.onStateChange(changed), [client]);
  return useSyncExternalStore(
    subscribe,
    () => client.state,
    () => IDLE,
  );
}

/** Looks at a room, which is joined while any component looks; `undefined` looks at none. */
export function useRoom(name: string | undefined, options: RoomViewOptions = {}): RoomView {
  const client = useClient();
  // By value: the object is another one in each render.
  const key = JSON.stringify(options);
  const looked = useRef<{ room: SharedRoom; name: string; key: string }>(undefined);
  const subscribe = useCallback(
    (changed: () => void) => {
      if (name === undefined) return () => undefined;
      const room = sharedRoom(client, name, JSON.parse(key) as RoomViewOptions);
      looked.current = { room, name, key };
      const off = room.watch(changed);
      changed();
      return off;
    },
    [client, name, key],
  );
  return useSyncExternalStore(
    subscribe,
    () => {
      const { current } = looked;
      // Right after a change of the name it is still the room before.
      return current?.name === name && current?.key === key ? current.room.view : JOINING;
    },
    () => JOINING,
  );
}

/** Is told of every event of a type in a room, without a render. */
export function useEvent<Events extends EventMap = EventMap, Type extends string = string>(
  name: string | undefined,
  type: Type,
  listener: (event: EventOf<Events, Type>) => void,
): void {
  const client = useClient();
  const latest = useLatest(listener);
  useEffect(() => {
    if (name === undefined) return undefined;
    const room = sharedRoom(client, name, {});
    return room.on(type, (item) => latest.current(item as EventItem as EventOf<Events, Type>));
  }, [client, name, type, latest]);
}

/** A question and how its answer fares. */
export interface AskView {
  status: "idle" | "asking" | "complete" | "failed";
  /** The text that has come so far. */
  text: string;
  complete: AnswerComplete | undefined;
  error: unknown;
}

const UNASKED: AskView = { status: "idle", text: "", complete: undefined, error: undefined };

/** Asks the AI, and shows the answer as it comes. A later question takes the place of an earlier one. */
export function useAsk(): AskView & {
  ask(prompt: string, options?: Omit<AskOptions, "signal">): void;
  cancel(): void;
} {
  const client = useClient();
  const [view, setView] = useState(UNASKED);
  const current = useRef<{ answer: Answer; abort: AbortController }>(undefined);
  const giveUp = useCallback(() => {
    current.current?.abort.abort();
    current.current = undefined;
  }, []);
  useEffect(() => giveUp, [giveUp]);
  const ask = useCallback(
    (prompt: string, options: Omit<AskOptions, "signal"> = {}) => {
      giveUp();
      const abort = new AbortController();
      const answer = client.ask(prompt, { ...options, signal: abort.signal });
      current.current = { answer, abort };
      setView({ ...UNASKED, status: "asking" });
      void follow(answer, (next) => {
        if (current.current?.answer === answer) setView((before) => ({ ...before, ...next }));
      });
    },
    [client, giveUp],
  );
  const cancel = useCallback(() => {
    // A refusal to stop leaves the answer as it is, which is what is shown.
    current.current?.answer.cancel().catch(() => undefined);
  }, []);
  return useMemo(() => ({ ...view, ask, cancel }), [view, ask, cancel]);
}

async function follow(answer: Answer, show: (next: Partial<AskView>) => void): Promise<void> {
  let scheduled = false;
  try {
    for await (const piece of answer.pieces()) {
      if (piece.kind !== "token" || scheduled) continue;
      scheduled = true;
      onFrame(() => {
        scheduled = false;
        show({ text: answer.text });
      });
    }
    show({ status: "complete", text: answer.text, complete: await answer.complete });
  } catch (error) {
    show({ status: "failed", text: answer.text, error });
  }
}

/** What was given in the latest render, for callbacks that outlive it. */
function useLatest<T>(value: T): { readonly current: T } {
  const latest = useRef(value);
  useEffect(() => {
    latest.current = value;
  });
  return latest;
}
