/**
 * The built package in a real browser: a page of a static server, the real server behind a proxy that cuts.
 */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type IncomingMessage, type Server as HttpServer, createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { type Browser, type Page, chromium } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";

import type { Client } from "../src/index.js";
import { Proxy, Server } from "./support.js";

const CHROMIUM = process.env["STAYWIRE_CHROMIUM"] ?? "/usr/bin/chromium";
const PACKAGE = fileURLToPath(new URL("..", import.meta.url));

let browser: Browser;
let site: HttpServer;
let server: Server;
let pages: string;

/** What a page is bundled from: the package by its name, as an application has it. */
const SCRIPT = `
  import { Client } from "staywire";
  import * as slim from "staywire/slim";
  Object.assign(window, { Client, slim });
`;

beforeAll(async () => {
  if (!existsSync(CHROMIUM)) {
    throw new Error(`${CHROMIUM} is not there; install it, or name another in STAYWIRE_CHROMIUM`);
  }
  if (!existsSync(join(PACKAGE, "dist/index.js"))) throw new Error("run `npm run build` first");
  pages = mkdtempSync(join(tmpdir(), "staywire-page-"));
  await build({
    stdin: { contents: SCRIPT, resolveDir: PACKAGE },
    bundle: true,
    minify: true,
    format: "iife",
    outfile: join(pages, "page.js"),
  });
  const files: Record<string, [string, string | Buffer]> = {
    "/": ["text/html", "<!doctype html><title>Staywire</title><script src=page.js></script>"],
    "/page.js": ["text/javascript", readFileSync(join(pages, "page.js"))],
    "/staywire.wasm": ["application/wasm", readFileSync(join(PACKAGE, "dist/staywire.wasm"))],
  };
  site = createServer((request: IncomingMessage, response) => {
    const [type, body] = files[request.url ?? ""] ?? ["text/plain", ""];
    response.writeHead(body === "" ? 404 : 200, { "content-type": type }).end(body);
  });
  site.listen(0, "127.0.0.1");
  await once(site, "listening");
  const config = join(pages, "server.toml");
  writeFileSync(config, `allowed_origins = ["${origin()}"]\n`);
  server = await Server.start("--config", config);
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
  });
}, 60_000);

afterAll(async () => {
  await browser.close();
  await server.stop();
  site.close();
  rmSync(pages, { recursive: true });
});

function origin(): string {
  return `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
}

interface Window {
  Client: typeof Client;
  slim: { Client: typeof Client; load(url: string): Promise<void> };
  client: Client;
  tokens: string[];
}

async function page(): Promise<Page> {
  const context = await browser.newContext();
  onTestFinished(() => context.close());
  const opened = await context.newPage();
  await opened.goto(origin());
  return opened;
}

/** Makes the page's client, with a token that becomes a ticket. */
async function connect(opened: Page, port: number): Promise<void> {
  const token = await server.token("ada");
  await opened.evaluate(
    async ([url, token]) => {
      const own = window as unknown as Window;
      own.client = new own.Client(url, { token });
      await own.client.connect();
    },
    [`ws://127.0.0.1:${port}/ws/ai/chat`, token] as const,
  );
}

const state = (opened: Page): Promise<string> =>
  opened.evaluate(() => (window as unknown as Window).client.state.is);

test("an answer streams into a page over cuts, whole and in order", async () => {
  const wire = await Proxy.start(server.port);
  onTestFinished(() => wire.stop());
  const opened = await page();
  await connect(opened, wire.port);
  const room = await opened.evaluate(async () => {
    const own = window as unknown as Window;
    const answer = own.client.ask("How does a client resume a room after its connection was lost?");
    own.tokens = [];
    void (async () => {
      for await (const token of answer) own.tokens.push(token);
      own.tokens.push("\n");
    })();
    return (await answer.asked).room;
  });
  for (const count of [5, 20]) {
    await opened.waitForFunction((n) => (window as unknown as Window).tokens.length >= n, count);
    wire.cut();
  }
  await opened.waitForFunction(() => (window as unknown as Window).tokens.at(-1) === "\n");
  const [got, said] = await opened.evaluate(async (room) => {
    const own = window as unknown as Window;
    const tokens: string[] = [];
    for await (const item of await own.client.join(room, { from: { history: 1000 } })) {
      if (item.kind === "event" && item.type === "complete") break;
      if (item.kind === "event" && item.type === "token") {
        tokens.push((item.data as { token: string }).token);
      }
    }
    return [own.tokens.slice(0, -1), tokens];
  }, room);
  expect(got).toEqual(said);
  expect(got.length).toBeGreaterThan(20);
  // Two for each link: a ticket, and the socket.
  expect(wire.connections).toBeGreaterThanOrEqual(6);
});

test("a network that goes and comes back is noticed", async () => {
  const wire = await Proxy.start(server.port);
  onTestFinished(() => wire.stop());
  const opened = await page();
  await connect(opened, wire.port);
  await opened.context().setOffline(true);
  // A link that lives is believed more than the browser.
  expect(await state(opened)).toBe("connected");
  wire.cut();
  await expect.poll(() => state(opened), { timeout: 10_000 }).toBe("offline");
  await opened.context().setOffline(false);
  await expect.poll(() => state(opened), { timeout: 10_000 }).toBe("connected");
});

test("the slim entry loads its engine from a file", async () => {
  const opened = await page();
  const subject = await opened.evaluate(async (url) => {
    const { slim } = window as unknown as Window;
    let early = "";
    try {
      new slim.Client(url);
    } catch (error) {
      early = (error as { code: string }).code;
    }
    await slim.load("staywire.wasm");
    const client = new slim.Client(url);
    await client.connect();
    client.close();
    return [early, client.identity?.tenant];
  }, `ws://127.0.0.1:${server.port}/ws/ai/chat`);
  expect(subject).toEqual(["not_loaded", "demo"]);
});
