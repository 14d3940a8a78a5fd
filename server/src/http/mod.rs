//! What the server answers in plain HTTP, beside its sockets.

pub mod auth;
pub mod time;
