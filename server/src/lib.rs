//! The reference server.

pub mod services;
