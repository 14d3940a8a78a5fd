/**
 * What the engine is told, by number. `wasm/src/face.rs` says which numbers each takes; a test
 * compares this list with the module's own.
 */
export const Connect = 0;
export const Join = 1;
export const Leave = 2;
export const RoomOverflowed = 3;
export const RoomCaughtUp = 4;
export const Call = 5;
export const CancelCall = 6;
export const Publish = 7;
export const SendEvent = 8;
export const Abandon = 9;
export const Withdraw = 10;
export const Close = 11;
export const Timeout = 12;
export const Wake = 13;
export const NetworkChanged = 14;
export const Online = 15;
export const Token = 16;
export const TokenFailed = 17;
export const Opened = 18;
export const OpenFailed = 19;
export const Closed = 20;
export const Heard = 21;
export const Welcome = 22;
export const Ping = 23;
export const Bound = 24;
export const Refused = 25;
export const Gap = 26;
export const Data = 27;
export const Reply = 28;
export const Goaway = 29;
export const Violation = 30;
export const State = 31;
export const Position = 32;
export const HasLink = 33;
export const OutboxUsage = 34;
