// A stock socket.io-client under a test's thumb: `clients.mjs URL OPTIONS`.
//
// What happens to it is a line of JSON each on its output; what it shall do is a line each on its
// input. Binary data is written `{"$binary": BASE64}`, both ways.

import { createInterface } from "node:readline";

import { io } from "socket.io-client";

const [url, options] = process.argv.slice(2);
const socket = io(url, { reconnectionDelay: 50, ...JSON.parse(options ?? "{}") });

function written(value) {
  if (Buffer.isBuffer(value) || value instanceof ArrayBuffer) {
    return { $binary: Buffer.from(value).toString("base64") };
  }
  if (Array.isArray(value)) return value.map(written);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, written(inner)]));
}

function read(value) {
  if (Array.isArray(value)) return value.map(read);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.$binary === "string") return Buffer.from(value.$binary, "base64");
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, read(inner)]));
}

function say(on, more) {
  console.log(JSON.stringify({ on, ...more }));
}

const commands = {
  emit: ({ args }) => socket.emit(...args),
  ask: ({ id, args }) =>
    socket.timeout(20_000).emit(...args, (error, ...answer) => {
      say("ack", { id, args: written(answer), error: error?.message });
    }),
  connect: () => socket.connect(),
  disconnect: () => socket.disconnect(),
  // Leaves the namespace and enters it again in one breath, over the same connection.
  hop: () => {
    const { engine } = socket.io;
    socket.io._close = () => {};
    socket.disconnect();
    socket.connect();
    if (engine !== socket.io.engine) throw new Error("it is another connection");
  },
  // The connection breaks, as far as this side knows.
  cut: () => socket.io.engine.close(),
  transport: () => say("transport", { name: socket.io.engine.transport.name }),
};

console.log("ready 0");
socket.onAny((name, ...args) => say("event", { name, args: written(args) }));
socket.on("connect", () => say("connect", { id: socket.id }));
socket.on("disconnect", (reason) => say("disconnect", { reason }));
socket.on("connect_error", ({ message, data, context }) => {
  say("connect_error", { message, data, status: context?.status });
});
socket.io.engine?.on("upgrade", ({ name }) => say("upgrade", { name }));

const input = createInterface({ input: process.stdin });
input.on("line", (line) => {
  const command = JSON.parse(line, (_, value) => value);
  commands[command.do](read(command));
});
input.on("close", () => process.exit(0));
