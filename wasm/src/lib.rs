//! The engine for browsers, behind a face of numbers.
//!
//! JavaScript keeps the sockets, the timers, the texts and `JSON.parse`. It [creates](clients::create)
//! an engine, [tells](face::tell) it what happened, and [polls](face::poll) what to do until the answer
//! is `Timeout` or `Idle`; then it may tell the next thing. There are no callbacks, so that no code of
//! the application can ever run inside a borrow.
//!
//! It never decides anything (the engine does), and never parses or formats. It is `no_std` and has
//! a small allocator, because each of its bytes is a download.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

#[allow(unsafe_code, reason = "one static that the compiler can't know to have one thread")]
pub mod clients;
pub mod face;
mod inputs;
#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code, reason = "an allocator hands out memory that no type stands for yet")]
mod memory;
pub mod outputs;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static MEMORY: memory::Blocks = memory::Blocks::new();

/// A message would need `fmt`, which is larger than the engine.
#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn trap(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
