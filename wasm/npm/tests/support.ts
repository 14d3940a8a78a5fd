/** The real server, and a TCP proxy that cuts, for tests. Each ends with the test that began it. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, type Socket, connect, createServer } from "node:net";
import { createInterface } from "node:readline";

/** A server process of the reference server, with everybody let in. */
export class Server {
  private constructor(
    private readonly process: ChildProcess,
    readonly port: number,
  ) {}

  static async start(...args: string[]): Promise<Server> {
    const program = process.env["STAYWIRE_SERVER"];
    if (!program) throw new Error("name the server's program in STAYWIRE_SERVER");
    const child = spawn(program, ["--demo", "--listen", "127.0.0.1:0", ...args], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    for await (const line of createInterface({ input: child.stdout })) {
      const port = /http:\/\/[^:]+:(\d+)/.exec(line)?.[1];
      if (port) return new Server(child, Number(port));
    }
    throw new Error("the server ended before it listened");
  }

  async token(user: string, ttl = 3_600_000): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.port}/auth/token`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ user, tenant: "acme", ttl_ms: ttl }),
    });
    return ((await response.json()) as { token: string }).token;
  }

  async stop(): Promise<void> {
    if (this.process.exitCode !== null) return;
    this.process.kill("SIGKILL");
    await once(this.process, "exit");
  }
}

/** A proxy in front of a port. */
export class Proxy {
  readonly #open = new Set<Socket>();
  readonly #server = createServer((socket) => this.#pass(socket));
  readonly #to: number;
  /** How many connections there were. */
  connections = 0;

  private constructor(to: number) {
    this.#to = to;
  }

  static async start(to: number): Promise<Proxy> {
    const proxy = new Proxy(to);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Cuts what is open, without a word. */
  cut(): void {
    for (const socket of this.#open) socket.resetAndDestroy();
  }

  async stop(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #pass(near: Socket): void {
    this.connections += 1;
    const far = connect(this.#to, "127.0.0.1");
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#open.add(one);
      one.setNoDelay(true);
      one.on("error", () => undefined);
      one.on("close", () => {
        this.#open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }
}

/** Waits until a condition holds, and fails after a while. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const end = performance.now() + 15_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`never came true: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
