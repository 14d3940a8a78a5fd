/** What both entries have in common. */

export { Answer } from "./answer.js";
export type { AnswerComplete, AskOptions, Asked, Piece, TokenPiece } from "./answer.js";
export type {
  AnyClient,
  CallOptions,
  ClientCore,
  ClientItem,
  ClientOptions,
  JoinOptions,
  Published,
  SendOptions,
} from "./client.js";
export type { GapReason, Identity, JoinFrom, State } from "./connection.js";
export type { Protocol, Settings } from "./engine.js";
export { RefusedError, StaywireError } from "./errors.js";
export type { Code } from "./errors.js";
export type { StaywireEvents } from "./generated/events.js";
export type { EventItem, GapItem, Place, RoomItem, SnapshotItem } from "./queue.js";
export { Room } from "./room.js";
export type { EventMap, EventOf, Off } from "./room.js";
export type { Socket, SocketConstructor } from "./socket.js";
export type { Token, TokenProvider, TokenSource } from "./token.js";
