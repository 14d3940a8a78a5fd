//! Where the engines live: a table, so that a number names each over the border.
//!
//! A number that names nothing traps; it never reaches memory.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::UnsafeCell;

use staywire::engine::Engine;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::outputs::Said;
use crate::settings;

pub(crate) struct Face {
    pub(crate) engine: Engine,
    pub(crate) said: Said,
}

struct Table(UnsafeCell<Vec<Option<Box<Face>>>>);

// SAFETY: a module without the threads proposal has one thread.
unsafe impl Sync for Table {}

static TABLE: Table = Table(UnsafeCell::new(Vec::new()));

fn table() -> &'static mut Vec<Option<Box<Face>>> {
    // SAFETY: only exports come here, each once, and none calls out before it returns.
    unsafe { &mut *TABLE.0.get() }
}

/// A new engine; `settings` is a list in the order that the file `settings.rs` gives.
#[wasm_bindgen]
pub fn create(settings: &[f64], seed: f64) -> u32 {
    let engine = Engine::new(settings::read(settings), seed.to_bits());
    let table = table();
    table.push(Some(Box::new(Face { engine, said: Said::default() })));
    table.len() as u32
}

/// Frees an engine; its number names nothing from then on.
#[wasm_bindgen]
pub fn free(client: u32) {
    table()[client as usize - 1] = None;
}

#[inline(never)]
pub(crate) fn face(client: u32) -> &'static mut Face {
    match table().get_mut(client.wrapping_sub(1) as usize) {
        Some(Some(face)) => face,
        _ => panic!(),
    }
}
