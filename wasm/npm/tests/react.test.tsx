// @vitest-environment happy-dom
/** The hooks in a page without a browser, against the real server. */

import { act, cleanup, render, renderHook, screen, waitFor } from "@testing-library/react";
import { type ReactNode, StrictMode } from "react";
import { renderToString } from "react-dom/server";
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from "vitest";
import WebSocket from "ws";

import { Client, type EventItem, type SocketConstructor } from "../src/index.js";
import { StaywireProvider, useAsk, useConnection, useEvent, useRoom } from "../src/react.js";
import { Server } from "./support.js";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server.stop());
afterEach(cleanup);

class Watched extends Client {
  joined = 0;
  override join(...args: Parameters<Client["join"]>): ReturnType<Client["join"]> {
    this.joined += 1;
    return super.join(...args);
  }
}

function client(): Watched {
  const url = `ws://127.0.0.1:${server.port}/ws/ai/chat`;
  const made = new Watched(url, { WebSocket: WebSocket as unknown as SocketConstructor });
  onTestFinished(() => made.close());
  return made;
}

function inside(made: Client): (props: { children: ReactNode }) => ReactNode {
  return ({ children }) => (
    <StrictMode>
      <StaywireProvider client={made}>{children}</StaywireProvider>
    </StrictMode>
  );
}

test("the state of the connection is shown", async () => {
  const made = client();
  const { result } = renderHook(() => useConnection(), { wrapper: inside(made) });
  await waitFor(() => expect(result.current.is).toBe("connected"));
  act(() => made.close());
  expect(result.current).toEqual({ is: "closed", cause: 300 });
});

test("two that look at a room share it, and it is left with the last of them", async () => {
  const made = client();
  const seen: unknown[] = [];
  function Looks({ name }: { name: string }): ReactNode {
    const { items, status } = useRoom("chat:shared");
    useEvent("chat:shared", "n", (event) => seen.push(event.data));
    const data = items.map((item) => (item as EventItem).data);
    return <p data-testid={name}>{`${status} ${data.join(",")}`}</p>;
  }
  const { rerender } = render(
    <>
      <Looks name="one" />
      <Looks name="two" />
    </>,
    { wrapper: inside(made) },
  );
  const shows = (name: string, text: string): Promise<void> =>
    waitFor(() => expect(screen.getByTestId(name).textContent).toBe(text));
  await shows("one", "joined ");
  for (let n = 1; n <= 3; n += 1) await made.publish("chat:shared", "n", n);
  await shows("one", "joined 1,2,3");
  await shows("two", "joined 1,2,3");
  expect(seen).toEqual([1, 1, 2, 2, 3, 3]);
  // StrictMode looks, goes and looks again.
  expect(made.joined).toBe(1);

  rerender(<Looks name="two" />);
  await made.publish("chat:shared", "n", 4);
  await shows("two", "joined 1,2,3,4");
  rerender(<></>);
  await new Promise((resolve) => setTimeout(resolve, 200));
  await made.publish("chat:shared", "n", 5);
  rerender(<Looks name="three" />);
  await shows("three", "joined ");
  expect(made.joined).toBe(2);
  expect(seen).not.toContain(5);
});

test("a room that is refused says so", async () => {
  const { result } = renderHook(() => useRoom("user:somebody"), { wrapper: inside(client()) });
  await waitFor(() => expect(result.current.status).toBe("ended"));
  expect(result.current.error).toMatchObject({ code: "forbidden" });
});

test("a question is asked, and its answer comes", async () => {
  const { result } = renderHook(() => useAsk(), { wrapper: inside(client()) });
  expect(result.current.status).toBe("idle");
  act(() => result.current.ask("What is a gap?"));
  expect(result.current.status).toBe("asking");
  await waitFor(() => expect(result.current.status).toBe("complete"), { timeout: 10_000 });
  expect(result.current.text.length).toBeGreaterThan(20);
  expect(result.current.complete).toHaveProperty("sql");
  act(() => result.current.ask("Tell me everything about rooms."));
  await waitFor(() => expect(result.current.text).not.toBe(""));
  act(() => result.current.cancel());
  await waitFor(() => expect(result.current.status).toBe("failed"));
  expect(result.current.error).toMatchObject({ code: "CANCELLED" });
});

test("on a server nothing is connected", () => {
  const made = client();
  function Shows(): ReactNode {
    const { is } = useConnection();
    const { status } = useRoom("chat:1");
    return `${is} ${status}`;
  }
  const page = renderToString(
    <StaywireProvider client={made}>
      <Shows />
    </StaywireProvider>,
  );
  expect(page).toBe("idle joining");
  expect(made.state.is).toBe("idle");
  expect(made.joined).toBe(0);
});
