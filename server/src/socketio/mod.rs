//! Socket.IO beside the native endpoints, on the same port: a transport, and nothing more.
//!
//! Engine.IO and the codec of packets are libraries. What is here brings them to the gateway, which
//! decides who may come in, and to the conversation, which runs the same session that a WebSocket
//! has. It keeps no rooms, no rights and no limits of its own but those of its buffers.
//!
//! | file | concern |
//! |---|---|
//! | `routes` | requests: paths, origins, who gets a connection at all |
//! | `engine` | what Engine.IO reports, handed to whom it concerns |
//! | `connection` | one Engine.IO connection: its namespaces, its place, its end |
//! | `connect` | a CONNECT packet: who it is, and what is spoken |
//! | `packets` | events and frames as packets, and back |
//! | `pipe` | what was handed to Engine.IO and has not left: bounded in bytes |
//! | `socket` | one client in one namespace: its conversation, carried |

mod connect;
mod connection;
mod engine;
mod packets;
mod pipe;
mod routes;
mod socket;

pub(crate) use routes::router;
