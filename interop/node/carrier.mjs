// A stock socket.io server that carries `staywire.v1`: each socket that asks for it is bridged to a
// WebSocket of the real server, whose address is the argument `upstream`. The others are stock.

import { createServer } from "node:http";
import { Server } from "socket.io";
import WebSocket from "ws";

const settings = Object.fromEntries(
  process.argv.slice(2).map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
);
const NAME = "staywire.v1";
const http = createServer();
const io = new Server(http, { maxHttpBufferSize: 1e7 });
const sockets = new Set();

io.on("connection", (socket) => {
  if (socket.handshake.auth.protocol !== NAME) return;
  sockets.add(socket);
  const upstream = new WebSocket(settings.upstream, NAME);
  const waiting = [];
  socket.emit(NAME, { type: "accepted" });
  socket.on(NAME, (frame) => {
    const message = Buffer.isBuffer(frame) ? frame : JSON.stringify(frame);
    if (upstream.readyState === WebSocket.OPEN) upstream.send(message);
    else waiting.push(message);
  });
  upstream.on("open", () => waiting.forEach((message) => upstream.send(message)));
  upstream.on("message", (data, binary) => socket.emit(NAME, binary ? data : JSON.parse(data)));
  upstream.on("error", () => socket.disconnect());
  upstream.on("close", (code, reason) => {
    if (code >= 4000) socket.emit(NAME, { type: "close", data: { code, reason: String(reason) } });
    socket.disconnect();
  });
  socket.on("disconnect", () => {
    sockets.delete(socket);
    upstream.close();
  });
});

process.stdin.setEncoding("utf8");
process.stdin.on("data", (text) => {
  for (const line of text.split("\n").filter(Boolean)) {
    const { code } = JSON.parse(line);
    for (const socket of sockets) {
      socket.emit(NAME, { type: "close", data: { code, reason: "told to" } });
      socket.disconnect();
    }
  }
});
process.stdin.on("end", () => process.exit(0));

http.listen(0, "127.0.0.1", () => console.log(`ready ${http.address().port}`));
