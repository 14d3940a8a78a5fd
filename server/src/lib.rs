//! The reference server.

pub mod config;
