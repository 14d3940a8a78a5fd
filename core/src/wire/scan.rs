//! Takes a data frame apart into batches and events, without reading the events.
//!
//! Everything between the events is read as strictly as JSON wants it. Inside of one, strings and
//! brackets are followed and nothing else: an event that is wrong inside is found out when it is
//! decoded.
//!
//! It says yes or no, never why: what it refuses is left to the parser, which has the words.

use super::batch::{Span, Spans, length};
use super::brackets::Brackets;
use super::data::{Place, Places};

/// Where the batches of a frame are that has nothing unusual outside of its events. False if it
/// has; what was found until then is of no worth.
pub(super) fn scan(text: &[u8], places: &mut Places) -> bool {
    length(text).is_ok() && scan_batches(text, places).is_some()
}

fn scan_batches(text: &[u8], places: &mut Places) -> Option<()> {
    let mut brackets = Brackets::new(text);
    let open = brackets.next().filter(|open| text[*open] == b'[')?;
    if !is_space(&text[..open]) {
        return None;
    }
    let mut end = open;
    loop {
        let list = brackets.next()?;
        let between = &text[end + 1..list];
        match text[list] {
            b'[' => {
                let (subscription, first) = head(between, !places.is_empty())?;
                places.push(Place { subscription, first, spans: Spans::new() });
                end = scan_events(text, list, &mut brackets, &mut places.last_mut()?.spans)?;
            }
            b']' if !places.is_empty() && is_space(between) => {
                return is_space(&text[list + 1..]).then_some(());
            }
            _ => return None,
        }
    }
}

/// Finds the events of the list that begins at `list`; returns where it ends.
fn scan_events(
    text: &[u8],
    list: usize,
    brackets: &mut Brackets<'_>,
    spans: &mut Spans,
) -> Option<usize> {
    let mut end = list;
    let mut count = 0;
    loop {
        let start = brackets.next()?;
        let between = &text[end + 1..start];
        match text[start] {
            b'{' if count == 0 && is_space(between) => {}
            b'{' if count > 0 && is_comma(between) => {}
            b']' if count > 0 && is_space(between) => return Some(start),
            _ => return None,
        }
        let mut depth = 1_usize;
        while depth > 0 {
            end = brackets.next()?;
            match text[end] {
                b'{' | b'[' => depth += 1,
                _ => depth -= 1,
            }
        }
        // Events of one batch are much alike; a peer whose events aren't gets no more memory for
        // that than a little.
        if count == 0 && text.len() - end > end - start {
            spans.reserve(((text.len() - start) / (end + 2 - start)).min(256));
        }
        // The text is no longer than 32 bits.
        spans.push(Span { start: start as u32, end: end as u32 + 1 });
        count += 1;
    }
}

/// The two numbers before a list of events; a comma before them where something came before.
fn head(mut text: &[u8], comma: bool) -> Option<(u32, u64)> {
    if comma {
        text = after_comma(text)?;
    }
    let (subscription, text) = number(text)?;
    let (first, text) = number(after_comma(text)?)?;
    let subscription = u32::try_from(subscription).ok()?;
    is_space(after_comma(text)?).then_some((subscription, first))
}

fn after_comma(text: &[u8]) -> Option<&[u8]> {
    skip_space(text).strip_prefix(b",")
}

/// A whole number as JSON writes it, and what follows. Longer ones than offsets may be are left to
/// the parser.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    const MOST_DIGITS: usize = 16;
    let text = skip_space(text);
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(count);
    match digits {
        [] | [b'0', _, ..] => None,
        _ if count > MOST_DIGITS => None,
        _ => {
            let add = |number, digit: &u8| number * 10 + u64::from(digit - b'0');
            Some((digits.iter().fold(0, add), rest))
        }
    }
}

fn skip_space(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = text {
        text = rest;
    }
    text
}

fn is_comma(text: &[u8]) -> bool {
    // All but the strangest servers write it so.
    if text == b"," {
        return true;
    }
    after_comma(text).is_some_and(is_space)
}

fn is_space(text: &[u8]) -> bool {
    skip_space(text).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_end_where_their_bracket_closes() {
        for event in [
            "{}",
            r#"{"type":"a"}"#,
            r#"{"a":"}]{[","b":[{},[]]}"#,
            r#"{"a":"\"}","b":"\\"}"#,
            r#"{"\u007b":"\\\"{"}"#,
        ] {
            let text = format!("[ 3 , 7,[{event} , {{}}],4,0,[{{}}] ]\n");
            let mut places = Places::new();
            assert!(scan(text.as_bytes(), &mut places));
            let spans = &places[0].spans;
            assert_eq!(&text[spans[0].start as usize..spans[0].end as usize], event);
            assert_eq!((places.len(), spans.len()), (2, 2));
            assert_eq!((places[0].subscription, places[0].first), (3, 7));
            assert_eq!((places[1].subscription, places[1].first), (4, 0));
        }
    }

    #[test]
    fn what_is_unusual_is_left_to_the_parser() {
        for text in [
            "",
            "[]",
            "[1,2,[]]",
            "[1,2,[3]]",
            "[1,2,[{}]",
            "[1,2,[{}]]]",
            "[1,2,[{},]]",
            "[1,2,[{} {}]]",
            "[1,2,[,{}]]",
            "[1,2,[{}],]",
            "[,1,2,[{}]]",
            "[1,2[{}]]",
            "[1,2,3,[{}]]",
            "[1,2,\"\",[{}]]",
            "[01,2,[{}]]",
            "[1,1.5,[{}]]",
            "[4294967296,1,[{}]]",
            "[1,18446744073709551616,[{}]]",
            "[1,2,[{}]] x",
            "{}",
            "[1,2,[{\"a\\\"}]]",
        ] {
            assert!(!scan(text.as_bytes(), &mut Places::new()), "{text}");
        }
    }
}
