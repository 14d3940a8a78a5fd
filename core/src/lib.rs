//! The client.
#![cfg_attr(not(feature = "wire"), no_std)]

#[cfg(feature = "wire")]
pub mod connection;
pub mod engine;
#[cfg(feature = "wire")]
pub mod events;
#[cfg(feature = "wire")]
pub mod wire;

extern crate alloc;
