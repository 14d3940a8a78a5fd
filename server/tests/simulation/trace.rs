//! What happened in a run: always as one number, and as readable lines when a seed is replayed.

use std::fmt::Arguments;

#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn new(readable: bool) -> Self {
        Self { hash: 0xCBF2_9CE4_8422_2325, lines: readable.then(Vec::new) }
    }

    /// Folds what happened into the number (FNV-1a).
    pub(crate) fn mix(&mut self, now: u64, bytes: &[u8]) {
        for byte in now.to_le_bytes().iter().chain(bytes) {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3);
        }
    }

    /// Adds a line. Its text is made only where somebody reads it.
    pub(crate) fn line(&mut self, now: u64, text: Arguments<'_>) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>9}.{:03}  {text}", now / 1000, now % 1000));
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn take_lines(&mut self) -> Vec<String> {
        self.lines.take().unwrap_or_default()
    }
}
