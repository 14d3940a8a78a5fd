//! Counts the bytes that are allocated and not yet freed, when it is told to: resident memory
//! moves in pages and in the allocator's moods, this doesn't.
//!
//! While it is off it costs one relaxed load, for both sides of a comparison alike.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

static COUNTS: AtomicBool = AtomicBool::new(false);
static BYTES: AtomicI64 = AtomicI64::new(0);

/// The system's allocator, counted.
pub(crate) struct Counting;

/// Begins to count from zero.
pub(crate) fn start() {
    BYTES.store(0, Ordering::Relaxed);
    COUNTS.store(true, Ordering::Relaxed);
}

/// The growth since [`start`] in bytes; negative if more was freed than allocated.
pub(crate) fn growth() -> i64 {
    BYTES.load(Ordering::Relaxed)
}

/// Stops counting.
pub(crate) fn stop() {
    COUNTS.store(false, Ordering::Relaxed);
}

fn add(bytes: usize) {
    if COUNTS.load(Ordering::Relaxed) {
        BYTES.fetch_add(bytes as i64, Ordering::Relaxed);
    }
}

fn subtract(bytes: usize) {
    if COUNTS.load(Ordering::Relaxed) {
        BYTES.fetch_sub(bytes as i64, Ordering::Relaxed);
    }
}

#[allow(unsafe_code, reason = "the trait is unsafe; every call is handed to the system as it came")]
// SAFETY: each method passes its arguments unchanged to `System`, which upholds the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: as the caller promised us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: as the caller promised us.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        subtract(layout.size());
        add(size);
        // SAFETY: as the caller promised us.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        subtract(layout.size());
        // SAFETY: as the caller promised us.
        unsafe { System.dealloc(block, layout) }
    }
}
