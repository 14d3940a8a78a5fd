//! The reference server.

pub mod bus;
pub mod config;
pub mod gateway;
pub mod http;
pub mod hub;
pub mod services;
pub mod session;
