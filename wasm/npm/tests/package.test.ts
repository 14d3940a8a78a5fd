/** The package as npm would publish it: packed, unpacked beside an application, imported and bundled. */

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { afterAll, beforeAll, expect, test } from "vitest";

import { Server } from "./support.js";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));

let app: string;
let server: Server;

beforeAll(async () => {
  app = mkdtempSync(join(tmpdir(), "staywire-app-"));
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const pack = ["pack", "--ignore-scripts", "--silent", "--pack-destination", app];
  execFileSync(npm, pack, { cwd: PACKAGE });
  const packed = readdirSync(app).find((name) => name.endsWith(".tgz")) ?? "";
  const modules = join(app, "node_modules", "staywire");
  mkdirSync(modules, { recursive: true });
  execFileSync("tar", ["-xzf", join(app, packed), "-C", modules, "--strip-components=1"]);
  writeFileSync(join(app, "package.json"), `{ "type": "module" }\n`);
  server = await Server.start();
}, 60_000);

afterAll(async () => {
  await server.stop();
  rmSync(app, { recursive: true });
});

function run(program: string): string {
  const file = join(app, "app.js");
  writeFileSync(file, program);
  return execFileSync(process.execPath, [file], { cwd: app, encoding: "utf8" }).trim();
}

test("it has what it says, and nothing of the sources", () => {
  const files = readdirSync(join(app, "node_modules", "staywire")).sort();
  expect(files).toEqual(["README.md", "dist", "package.json"]);
});

test("importing it in Node.js connects nothing, and without a WebSocket it says what is missing", () => {
  const said = run(`
    delete globalThis.WebSocket;
    const { Client } = await import("staywire");
    const { load } = await import("staywire/slim");
    const client = new Client("ws://127.0.0.1:1/");
    await client.connect().catch((error) => console.log(error.name, error.code, typeof load));
  `);
  expect(said).toBe("StaywireError no_websocket function");
});

test("it connects from Node.js", () => {
  const ws = JSON.stringify(fileURLToPath(import.meta.resolve("ws")));
  const said = run(`
    import { Client } from "staywire";
    import { pathToFileURL } from "node:url";
    const { default: WebSocket } = await import(pathToFileURL(${ws}));
    const client = new Client("ws://127.0.0.1:${server.port}/ws/ai/chat", { WebSocket });
    await client.connect();
    let text = "";
    for await (const token of client.ask("What is a gap?")) text += token;
    console.log(client.state.is, text.length > 20);
    client.close();
  `);
  expect(said).toBe("connected true");
});

test("Vite bundles it, with the engine inside and as a file", async () => {
  writeFileSync(
    join(app, "page.js"),
    `import { Client } from "staywire";
     import { load } from "staywire/slim";
     import url from "staywire/staywire.wasm?url&no-inline";
     console.log(Client, load, url);`,
  );
  await build({
    root: app,
    logLevel: "error",
    build: { rolldownOptions: { input: join(app, "page.js") } },
  });
  const assets = readdirSync(join(app, "dist", "assets"));
  expect(assets.some((name) => /^staywire.*\.wasm$/.test(name))).toBe(true);
  const script = assets.find((name) => name.endsWith(".js")) ?? "";
  expect(readFileSync(join(app, "dist", "assets", script), "utf8")).toMatch(/staywire-.*\.wasm/);
});
