//! The client against the servers of others: npm's socket.io and PyPI's python-socketio.

#[path = "servers/bytes.rs"]
mod bytes;
#[path = "servers/carried.rs"]
mod carried;
#[path = "servers/entry.rs"]
mod entry;
#[path = "servers/events.rs"]
mod events;
#[path = "servers/parser.rs"]
mod parser;
#[path = "servers/python.rs"]
mod python;
#[path = "servers/reconnects.rs"]
mod reconnects;
#[path = "servers/support.rs"]
mod support;
#[path = "servers/transports.rs"]
mod transports;
