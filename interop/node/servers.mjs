// A stock socket.io server that does what a test asks for by events, and nothing else.
// Arguments, each `name=value`: recovery, transports, upgrades, pingInterval, pingTimeout,
// maxPayload, parser, cookie, code and retry of refusals.

import { createServer } from "node:http";
import { Server } from "socket.io";
import msgpack from "socket.io-msgpack-parser";

const settings = Object.fromEntries(process.argv.slice(2).map((pair) => pair.split("=")));
const number = (name, otherwise) => (name in settings ? Number(settings[name]) : otherwise);

const http = createServer();
const io = new Server(http, {
  transports: settings.transports?.split(",") ?? ["polling", "websocket"],
  allowUpgrades: settings.upgrades !== "off",
  pingInterval: number("pingInterval", 25000),
  pingTimeout: number("pingTimeout", 20000),
  maxHttpBufferSize: number("maxPayload", 1e6),
  cookie: settings.cookie === "on",
  ...(settings.recovery === "on" && {
    connectionStateRecovery: { maxDisconnectionDuration: 120000 },
  }),
  ...(settings.parser === "msgpack" && { parser: msgpack }),
});

// What requests brought along; told after the server, which puts itself before every listener there is.
const cookies = new Set();
http.on("request", (request) => cookies.add(request.headers.cookie ?? ""));
http.on("upgrade", (request) => cookies.add(`upgrade ${request.headers.cookie ?? ""}`));

// What clients emitted, over all connections: a test counts here what really arrived.
const arrived = [];
// What was asked of each handshake.
const shakes = [];

function serve(socket) {
  shakes.push({
    auth: socket.handshake.auth,
    query: socket.handshake.query,
    header: socket.handshake.headers["x-test"],
    cookie: socket.handshake.headers.cookie,
    recovered: socket.recovered,
  });
  socket.join("everyone");
  socket.on("record", (value, done) => {
    arrived.push(value);
    done?.(arrived.length);
  });
  socket.on("arrived", (done) => done(arrived));
  socket.on("shakes", (done) => done(shakes));
  socket.on("echo", (...args) => args.pop()(...args));
  socket.on("echo back", (...args) => socket.emit("echoed", ...args));
  socket.on("never answers", () => {});
  socket.on("cookies", (done) => done([...cookies], socket.conn.id));
  socket.on("transport", (done) => done(socket.conn.transport.name));
  socket.on("id", (done) => done(socket.id, socket.recovered));
  // Asks the client, and emits what it answered.
  socket.on("ask me", (...args) => {
    socket.emit("question", ...args, (...answer) => socket.emit("answer was", ...answer));
  });
  socket.on("answer me late", (milliseconds, value, done) =>
    setTimeout(() => done(value), milliseconds),
  );
  socket.on("count", (from, to, padding) => {
    for (let n = from; n <= to; n += 1) socket.emit("n", { n, padding: "x".repeat(padding ?? 0) });
  });
  socket.on("tell everyone", (name, ...args) => io.of(socket.nsp.name).to("everyone").emit(name, ...args));
  socket.on("volatile", (name, ...args) => socket.volatile.emit(name, ...args));
  socket.on("big binary", (bytes, pieces) =>
    socket.emit("binary", { pieces: Array.from({ length: pieces }, (_, n) => Buffer.alloc(bytes, n)) }),
  );
  socket.on("kick", () => socket.disconnect(false));
  socket.on("kick the connection", () => socket.disconnect(true));
  socket.on("drop the connection", () => socket.conn.close());
}

io.on("connection", serve);
io.of("/ws").on("connection", serve);
const guarded = io.of("/guarded");
guarded.use((socket, next) => {
  const { token } = socket.handshake.auth;
  if (token === "good") return next();
  const error = new Error("not this token");
  error.data = { token: token ?? null, code: settings.code, retry_after_ms: number("retry", undefined) };
  next(error);
});
guarded.on("connection", serve);

// One line each: commands that no connection carries.
process.stdin.setEncoding("utf8");
let rest = "";
process.stdin.on("data", (text) => {
  const lines = (rest + text).split("\n");
  rest = lines.pop();
  for (const line of lines) {
    const { do: what, name, args, from, to } = JSON.parse(line);
    if (what === "emit") io.to("everyone").emit(name, ...args);
    if (what === "emit many") for (let n = from; n <= to; n += 1) io.to("everyone").emit("n", { n });
    if (what === "arrived") console.log(JSON.stringify(arrived));
    if (what === "clients") console.log(String(io.engine.clientsCount));
    if (what === "cut") for (const client of io.engine.clients ? Object.values(io.engine.clients) : []) client.transport.socket?._socket?.destroy();
  }
});
process.stdin.on("end", () => process.exit(0));

http.listen(0, "127.0.0.1", () => console.log(`ready ${http.address().port}`));
