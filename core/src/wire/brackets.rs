//! Finds the brackets of a JSON text that stand outside of strings, 64 bytes at a time.
//!
//! Where they stand says where a frame's events begin and end, without reading them: an event is
//! decoded when the application asks for it, and parsing it twice would cost a client a third of
//! its speed. Nothing is checked here; whatever the text, this ends and yields places of
//! brackets in order.

use wide::u8x16;

const BLOCK: usize = 64;

/// The places of `[`, `]`, `{` and `}` outside of strings. One bit of a mask stands for one byte
/// of a block.
pub(super) struct Brackets<'t> {
    text: &'t [u8],
    /// Where the next block begins.
    next: usize,
    /// The brackets of the last block that were not yielded yet.
    found: u64,
    /// All ones if the last block ended inside a string, else zero.
    in_string: u64,
    /// One if the last block ended in a backslash that escapes, else zero.
    escapes_first: u64,
}

impl<'t> Brackets<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self { text, next: 0, found: 0, in_string: 0, escapes_first: 0 }
    }

    /// Looks at a block, whose first bytes may have been looked at already.
    fn look_at(&mut self, block: &[u8; BLOCK], seen: usize) {
        let (mut quotes, mut backslashes, mut brackets) = (0, 0, 0);
        for (index, part) in block.as_chunks().0.iter().enumerate() {
            let part = u8x16::new(*part);
            // The brackets of arrays and objects differ in this bit alone.
            let folded = part | u8x16::splat(0x20);
            let bracket = folded.simd_eq(u8x16::splat(b'{')) | folded.simd_eq(u8x16::splat(b'}'));
            quotes |= mask(part.simd_eq(u8x16::splat(b'"')), index);
            backslashes |= mask(part.simd_eq(u8x16::splat(b'\\')), index);
            brackets |= mask(bracket, index);
        }
        (quotes, backslashes, brackets) = (quotes >> seen, backslashes >> seen, brackets >> seen);
        let strings = prefix_xor(quotes & !self.escaped(backslashes)) ^ self.in_string;
        self.in_string = 0_u64.wrapping_sub(strings >> (BLOCK - 1));
        self.found = brackets & !strings;
    }

    /// The bytes that a backslash before them escapes.
    fn escaped(&mut self, mut backslashes: u64) -> u64 {
        let mut escaped = std::mem::take(&mut self.escapes_first);
        backslashes &= !escaped;
        while backslashes != 0 {
            let backslash = backslashes & backslashes.wrapping_neg();
            match backslash.checked_shl(1) {
                Some(next) if next != 0 => escaped |= next,
                _ => self.escapes_first = 1,
            }
            backslashes &= !(backslash | escaped);
        }
        escaped
    }
}

impl Iterator for Brackets<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.found == 0 {
            let rest = self.text.get(self.next..).filter(|rest| !rest.is_empty())?;
            match (rest.first_chunk(), self.text.last_chunk()) {
                (Some(block), _) => self.look_at(block, 0),
                // What ends here is looked at in place where there is enough before it.
                (None, Some(block)) => self.look_at(block, BLOCK - rest.len()),
                (None, None) => {
                    let mut block = [0; BLOCK];
                    block[..rest.len()].copy_from_slice(rest);
                    self.look_at(&block, 0);
                }
            }
            self.next += BLOCK;
        }
        let place = self.next - BLOCK + self.found.trailing_zeros() as usize;
        self.found &= self.found - 1;
        Some(place)
    }
}

/// The mask of one part of a block.
fn mask(part: u8x16, index: usize) -> u64 {
    u64::from(part.to_bitmask() as u16) << (16 * index)
}

/// Each bit becomes the parity of itself and all below: of the quotes, what is inside of them.
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same, byte by byte.
    fn slowly(text: &[u8]) -> Vec<usize> {
        let (mut found, mut in_string, mut escaped) = (Vec::new(), false, false);
        for (place, byte) in text.iter().enumerate() {
            match byte {
                _ if escaped => {
                    escaped = false;
                    if !in_string && b"{}[]".contains(byte) {
                        found.push(place);
                    }
                }
                b'\\' => escaped = true,
                b'"' => in_string = !in_string,
                b'{' | b'}' | b'[' | b']' if !in_string => found.push(place),
                _ => {}
            }
        }
        found
    }

    #[test]
    fn strings_and_escapes_may_cross_blocks() {
        for shift in 0..130 {
            for text in [r#"{"a":"}"}"#, r#"["\\",{"\"{\\\"[":"]"}]"#, r#"{"\\\\\\":[]}"#] {
                let text = format!("{}{text}", " ".repeat(shift));
                let found: Vec<_> = Brackets::new(text.as_bytes()).collect();
                assert_eq!(found, slowly(text.as_bytes()), "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_byte_by_byte(
            text in prop::collection::vec(prop::sample::select(&b"\"\\{}[]:, a\xc3\x5f\x7f"[..]), 0..300),
        ) {
            prop_assert_eq!(Brackets::new(&text).collect::<Vec<_>>(), slowly(&text));
        }

        #[test]
        fn any_bytes_are_read_as_byte_by_byte(text in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(Brackets::new(&text).collect::<Vec<_>>(), slowly(&text));
        }
    }
}
