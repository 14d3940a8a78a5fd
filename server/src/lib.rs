//! The reference server.

pub mod bus;
pub mod hub;
