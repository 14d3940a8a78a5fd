//! The engine for browsers, behind a face of numbers.
//!
//! JavaScript keeps the sockets, the timers and `JSON.parse`; it tells the engine what happened and
//! polls what to do. [`Engine`] is that face: the engine's commands and inputs under their own
//! names, and [`poll`](Engine::poll) for its outputs. There are no callbacks, so that no code of the
//! application can ever run inside a borrow.
//!
//! It never decides anything (the engine does), and never parses or formats. It is `no_std` and has
//! a small allocator, because each of its bytes is a download.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

#[allow(unsafe_code, reason = "one static that the compiler cannot know to have one thread")]
pub mod clients;
pub mod face;
mod inputs;
pub mod outputs;
mod settings;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: lol_alloc::LockedAllocator<lol_alloc::FreeListAllocator> =
    lol_alloc::LockedAllocator::new(lol_alloc::FreeListAllocator::new());

/// A message would need `fmt`, which is larger than the engine.
#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn trap(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
