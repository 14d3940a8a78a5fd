// npm's socket.io-parser as a judge: each line is a list of messages for a new decoder, a text or
// `{"base64"}` each; each answer is the packets that came of them, and whether it threw.

import { createInterface } from "node:readline";
import { Decoder } from "socket.io-parser";

console.log("ready 0");
for await (const line of createInterface({ input: process.stdin })) {
  const decoder = new Decoder();
  const packets = [];
  // An id means nothing but on events and answers.
  decoder.on("decoded", ({ type, nsp, id, data }) =>
    packets.push({ type, nsp, id: type === 2 || type === 3 ? id : undefined, data }),
  );
  let threw = false;
  try {
    for (const message of JSON.parse(line)) {
      decoder.add(typeof message === "string" ? message : Buffer.from(message.base64, "base64"));
    }
  } catch (error) {
    threw = true;
  }
  console.log(JSON.stringify({ packets, threw }));
}
