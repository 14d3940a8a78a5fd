//! The reference server.

pub mod config;
pub mod gateway;
pub mod http;
