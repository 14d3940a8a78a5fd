//! Small programs that use Staywire from Rust, in `src/bin`; each fits on a screen.
//!
//! They talk to `STAYWIRE_URL`, or to the server that `cargo xtask demo --serve` leaves up.

/// Where the server is.
pub fn server_url() -> String {
    std::env::var("STAYWIRE_URL").unwrap_or_else(|_| "ws://127.0.0.1:8000/ws/ai/chat".to_owned())
}
