//! The client against the servers of others: npm's socket.io and PyPI's python-socketio.

#[path = "servers/events.rs"]
mod events;
#[path = "servers/support.rs"]
mod support;
