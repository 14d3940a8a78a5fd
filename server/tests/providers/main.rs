//! The providers that are asked over HTTP, against a server on loopback that speaks their formats and
//! does what a test tells it, piece by piece.
//!
//! Nothing here sleeps to wait for something: every wait is for a condition, with a deadline.

// Only the library's own code is held to handle every error.
#![allow(clippy::unwrap_used, missing_docs)]

mod context;
mod failures;
mod formats;
mod secrets;
mod streaming;
mod stub;
mod support;
#[path = "../common/tls.rs"]
mod terminator;
mod tls;
mod whole;
