//! The client.
#![cfg_attr(not(feature = "wire"), no_std)]

#[cfg(feature = "wire")]
pub mod events;
