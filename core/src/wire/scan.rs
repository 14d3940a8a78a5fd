//! Takes a data frame apart into batches and events, without reading the events.
//!
//! Everything between the events is read as strictly as JSON wants it. Inside of one, strings and
//! brackets are followed and nothing else: an event that is wrong inside is found out when it is
//! decoded.
//!
//! It says yes or no, never why: what it refuses is left to the parser, which has the words.

use bytes::Bytes;

use super::brackets::Brackets;
use super::data::Batch;
use super::event::Event;

/// The batches of a frame that has nothing unusual outside of its events.
pub(super) fn scan(text: &Bytes) -> Option<Vec<Batch>> {
    let mut brackets = Brackets::new(text);
    let mut batches = Vec::with_capacity(1);
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
                let (subscription, first) = head(between, !batches.is_empty())?;
                let events;
                (events, end) = scan_events(text, list, first, &mut brackets)?;
                batches.push(Batch { subscription, first, events });
            }
            b']' if !batches.is_empty() && is_space(between) => {
                return is_space(&text[list + 1..]).then_some(batches);
            }
            _ => return None,
        }
    }
}

/// The events of the list that begins at `list`, and where it ends.
fn scan_events(
    text: &Bytes,
    list: usize,
    first: u64,
    brackets: &mut Brackets<'_>,
) -> Option<(Vec<Event>, usize)> {
    let mut events = Vec::new();
    let mut end = list;
    loop {
        let start = brackets.next()?;
        let between = &text[end + 1..start];
        match text[start] {
            b'{' if events.is_empty() && is_space(between) => {}
            b'{' if !events.is_empty() && is_comma(between) => {}
            b']' if !events.is_empty() && is_space(between) => return Some((events, start)),
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
        let event = text.slice(start..=end);
        if events.is_empty() {
            // Events of one batch are much alike; a peer whose events aren't gets no more memory
            // for that than a little.
            let likely = (text.len() - start) / (event.len() + 1);
            events = Vec::with_capacity(likely.clamp(1, 256));
        }
        events.push(Event::json(event, offset_of(first, events.len())));
    }
}

/// The offset of an event by its place in its batch.
pub(super) fn offset_of(first: u64, index: usize) -> u64 {
    match first {
        0 => 0,
        first => first.saturating_add(index as u64),
    }
}

/// The two numbers before a list of events; a comma before them where something came before.
fn head(text: &[u8], comma: bool) -> Option<(u32, u64)> {
    let mut fields = text.split(|byte| *byte == b',');
    if comma && !is_space(fields.next()?) {
        return None;
    }
    let subscription = u32::try_from(number(fields.next()?)?).ok()?;
    let first = number(fields.next()?)?;
    (is_space(fields.next()?) && fields.next().is_none()).then_some((subscription, first))
}

/// A whole number as JSON writes it, with nothing around it but white space.
fn number(mut text: &[u8]) -> Option<u64> {
    while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..]
    | [rest @ .., b' ' | b'\t' | b'\n' | b'\r'] = text
    {
        text = rest;
    }
    match text {
        [] | [b'0', _, ..] => None,
        digits => digits.iter().try_fold(0_u64, |number, digit| {
            let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
            number.checked_mul(10)?.checked_add(u64::from(digit))
        }),
    }
}

fn is_comma(text: &[u8]) -> bool {
    // All but the strangest servers write it so.
    if text == b"," {
        return true;
    }
    let mut halves = text.splitn(2, |byte| *byte == b',');
    halves.next().is_some_and(is_space) && halves.next().is_some_and(is_space)
}

fn is_space(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
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
            let text = Bytes::from(format!("[ 3 , 7,[{event} , {{}}],4,0,[{{}}] ]\n"));
            let batches = scan(&text).unwrap();
            assert_eq!(batches.len(), 2);
            assert_eq!(batches[0].events[0].raw(), event.as_bytes());
            assert_eq!(batches[0].events[1].offset(), Some(8));
            assert_eq!((batches[1].subscription, batches[1].first), (4, 0));
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
            assert_eq!(scan(&Bytes::from_static(text.as_bytes())), None, "{text}");
        }
    }
}
