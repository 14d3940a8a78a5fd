//! The allocator: blocks of powers of two, with a list of the free ones of each size.
//!
//! What the engine asks for are vectors that double, so a block that one of them has outgrown is what
//! another will ask for. A block is made by halving a larger one. It never merges two again, and never
//! returns a page: the most that was ever needed of each size is what it keeps.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::memory_grow;
use core::cell::UnsafeCell;
use core::ptr;

/// The smallest block that can name the next one in its list: 2^3 bytes.
const LEAST: usize = 8;

/// A page, which memory grows by, has 2^16 bytes.
const PAGE: usize = 16;

type Block = *mut Free;

/// What a block holds while nobody else does.
struct Free {
    next: Block,
}

pub(crate) struct Blocks {
    /// The first free block of 2^index bytes.
    free: UnsafeCell<[Block; usize::BITS as usize]>,
}

// SAFETY: a module without the threads proposal has one thread.
unsafe impl Sync for Blocks {}

impl Blocks {
    pub(crate) const fn new() -> Self {
        Self { free: UnsafeCell::new([ptr::null_mut(); usize::BITS as usize]) }
    }

    /// A block of 2^`power` bytes, or null.
    ///
    /// # Safety
    ///
    /// Every block in the lists is of its list's size, and nobody else's.
    unsafe fn take(&self, power: usize) -> Block {
        // SAFETY: the one thread is here, and holds no other reference to the lists.
        let first = unsafe { &mut (&mut *self.free.get())[power] };
        let block = *first;
        if !block.is_null() {
            // SAFETY: it is a free block's own.
            *first = unsafe { (*block).next };
            return block;
        }
        if power >= PAGE {
            return match memory_grow(0, 1 << (power - PAGE)) {
                usize::MAX => ptr::null_mut(),
                page => (page << PAGE) as Block,
            };
        }
        // SAFETY: the same lists; the second half is inside the block, and free as the first is.
        unsafe {
            let block = self.take(power + 1);
            if !block.is_null() {
                self.give(block.byte_add(1 << power), power);
            }
            block
        }
    }

    /// # Safety
    ///
    /// The block has 2^`power` bytes, and is nobody's from here on.
    unsafe fn give(&self, block: Block, power: usize) {
        // SAFETY: the one thread is here, and holds no other reference to the lists.
        unsafe {
            let first = &mut (&mut *self.free.get())[power];
            (*block).next = *first;
            *first = block;
        }
    }
}

/// Blocks lie at multiples of their size, so one that is as large as an alignment has it.
fn power(layout: Layout) -> usize {
    let size = layout.size().max(layout.align()).max(LEAST);
    (usize::BITS - (size - 1).leading_zeros()) as usize
}

// SAFETY: a block is in no list while it is out, is at least as large as the layout, and is aligned.
unsafe impl GlobalAlloc for Blocks {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: only this allocator fills the lists.
        unsafe { self.take(power(layout)).cast() }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the same layout took it, and the caller gives it up.
        unsafe { self.give(block.cast(), power(layout)) }
    }
}
