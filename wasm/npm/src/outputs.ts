/**
 * What the engine asks for, by number. `wasm/src/outputs.rs` says which numbers come with each; a
 * test compares this list with the module's own.
 */
export const Idle = 0;
export const Timeout = 1;
export const Open = 2;
export const Close = 3;
export const NeedToken = 4;
export const DropToken = 5;
export const StateChanged = 6;
export const Joined = 7;
export const RoomFailed = 8;
export const Gap = 9;
export const CallFailed = 10;
export const PublishFailed = 11;
export const Hello = 12;
export const Subscribe = 13;
export const Leave = 14;
export const Ping = 15;
export const Pong = 16;
export const Call = 17;
export const Publish = 18;
export const Event = 19;
