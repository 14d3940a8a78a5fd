//! The clients of others against our server: npm's socket.io-client, PyPI's python-socketio, and
//! rust_socketio.

#[path = "clients/admission.rs"]
mod admission;
#[path = "clients/carried.rs"]
mod carried;
#[path = "clients/events.rs"]
mod events;
#[path = "clients/lost.rs"]
mod lost;
#[path = "clients/openv0.rs"]
mod openv0;
#[path = "clients/rooms.rs"]
mod rooms;
#[path = "clients/rust.rs"]
mod rust;
#[path = "clients/server.rs"]
mod server;
#[path = "clients/stock.rs"]
mod stock;
#[path = "clients/weight.rs"]
mod weight;
