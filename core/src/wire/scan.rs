//! Finds where the events of a data frame begin and end, without reading them.
//!
//! An event is decoded when the application asks for it; parsing it twice would cost a client
//! half of its speed. Between events this reads JSON strictly. Inside one it follows strings and
//! brackets alone: an event that is wrong inside is found out when it is decoded.
//!
//! It says yes or no, never why: what it refuses is left to the parser, which has the words.

/// What is left of a text.
pub(super) struct Scanner<'t>(&'t [u8]);

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self(text)
    }

    /// Passes this byte if it comes next; white space before it doesn't matter.
    pub(super) fn pass(&mut self, byte: u8) -> bool {
        self.pass_space();
        match self.0.split_first() {
            Some((first, rest)) if *first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// Passes a whole number as JSON writes it.
    pub(super) fn number(&mut self) -> Option<u64> {
        self.pass_space();
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(length);
        self.0 = rest;
        match digits {
            [] | [b'0', _, ..] => None,
            _ => digits.iter().try_fold(0_u64, |number, digit| {
                number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
            }),
        }
    }

    /// Passes an object and returns its text.
    pub(super) fn object(&mut self) -> Option<&'t [u8]> {
        self.pass_space();
        let text = self.0;
        if text.first() != Some(&b'{') {
            return None;
        }
        let mut bytes = text.iter();
        let mut depth = 0_u32;
        loop {
            match bytes.find(|byte| OUTSIDE_STRINGS[usize::from(**byte)])? {
                b'"' => {
                    while *bytes.find(|byte| INSIDE_STRINGS[usize::from(**byte)])? == b'\\' {
                        bytes.next()?;
                    }
                }
                b'{' | b'[' => depth = depth.checked_add(1)?,
                _ => depth -= 1,
            }
            if depth == 0 {
                self.0 = bytes.as_slice();
                return text.get(..text.len() - self.0.len());
            }
        }
    }

    /// Whether nothing but white space is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.pass_space();
        self.0.is_empty()
    }

    fn pass_space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }
}

// A look-up for each byte is measurably faster than comparisons: nearly all bytes are none of these.
static OUTSIDE_STRINGS: [bool; 256] = set(b"\"{}[]");
static INSIDE_STRINGS: [bool; 256] = set(b"\"\\");

const fn set(bytes: &[u8]) -> [bool; 256] {
    let mut set = [false; 256];
    let mut index = 0;
    while index < bytes.len() {
        set[bytes[index] as usize] = true;
        index += 1;
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_ends_where_its_bracket_closes() {
        for object in [
            "{}",
            r#"{"type":"a"}"#,
            r#"{"a":"}]{[","b":[{},[]]}"#,
            r#"{"a":"\"}","b":"\\"}"#,
            r#"{"\u007b":"\\\"{"}"#,
        ] {
            let text = format!(" {object} ,{{}}");
            let mut scanner = Scanner::new(text.as_bytes());
            assert_eq!(scanner.object(), Some(object.as_bytes()));
            assert!(scanner.pass(b',') && scanner.object().is_some() && scanner.is_at_end());
        }
    }

    #[test]
    fn an_object_that_does_not_end_is_none() {
        for text in ["", "{", "[]", r#"{"a"#, r#"{"a\"}"#, "{\"a\\", r#"{"a":{}"#] {
            assert_eq!(Scanner::new(text.as_bytes()).object(), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_those_of_json() {
        for (text, number) in [
            ("0", Some(0)),
            (" 18446744073709551615,", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("00", None),
            ("01", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(Scanner::new(text.as_bytes()).number(), number, "{text}");
        }
        let mut fraction = Scanner::new(b"1.5");
        assert_eq!(fraction.number(), Some(1), "what follows is for the caller to refuse");
        assert!(!fraction.is_at_end());
    }
}
