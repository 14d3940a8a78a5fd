//! Words, sentences and tokens of English text. It looks at letters alone and never at meaning.

/// Words that carry no topic. A question made of these alone is about whatever was said before.
const STOP_WORDS: &str = "\
    a about actually again all also am an and another any anything are as at be been being \
    between but by can could did differ difference do does doing don done else explain for from \
    get give go had happen happened happens has have how i if in into is isn it its just kind \
    know let ll make many me mean more much my now of on one only onto or our out own please \
    possible really s say see should show so some something sort such support supported \
    supporting supports t tell than thank thanks that the their them then there these they thing \
    this those through time times to too up us use used uses using ve very want was we were what \
    when where which while why will with work works would you your";

/// Spellings that should meet in one word before the text is split.
const COMPOUNDS: &[(&str, &str)] = &[
    ("back-off", "backoff"),
    ("back off", "backoff"),
    ("backing off", "backoff"),
    ("backs off", "backoff"),
    ("web socket", "websocket"),
    ("shut down", "shutdown"),
    ("staywire.v1", "staywirev1"),
    ("socket.io", "socketio"),
    ("socket io", "socketio"),
    ("keep-alive", "keepalive"),
    ("keep alive", "keepalive"),
    ("full-jitter", "full jitter"),
    ("make before break", "makebeforebreak"),
    ("make-before-break", "makebeforebreak"),
    ("command-line", "command line"),
    ("on-line", "online"),
    ("clean-up", "cleanup"),
    ("re-connect", "reconnect"),
];

/// The topic-bearing words of a text, lower case and stemmed, in order and with repetitions.
pub(super) fn terms(text: &str) -> Vec<String> {
    words(text).iter().filter(|word| !is_stop_word(word)).map(|word| stem(word)).collect()
}

/// All words of a text, lower case, with compounds joined.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut text = text.to_lowercase();
    for (spelling, joined) in COMPOUNDS {
        if text.contains(spelling) {
            text = text.replace(spelling, joined);
        }
    }
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .map(str::to_owned)
        .collect()
}

fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.split(' ').any(|stop| !stop.is_empty() && stop == word)
}

/// Forms that no ending gives away.
const IRREGULAR: &[(&str, &str)] = &[
    ("broken", "break"),
    ("came", "come"),
    ("chosen", "choose"),
    ("held", "hold"),
    ("kept", "keep"),
    ("lost", "lose"),
    ("ran", "run"),
    ("running", "run"),
    ("sent", "send"),
    ("slept", "sleep"),
    ("spoken", "speak"),
    ("told", "tell"),
    ("woke", "wake"),
    ("written", "write"),
];

/// Cuts the commonest endings, so that "reconnects", "reconnecting" and "reconnection" meet.
pub(super) fn stem(word: &str) -> String {
    if !word.is_ascii() || word.len() < 4 || word.bytes().any(|b| b.is_ascii_digit()) {
        return word.to_owned();
    }
    let regular = IRREGULAR.iter().find(|(form, _)| *form == word).map_or(word, |(_, base)| base);
    let mut stem = regular.to_owned();
    if let Some(base) = stem.strip_suffix("ies") {
        stem = format!("{base}y");
    } else if stem.ends_with('s') && !["ss", "us", "is"].iter().any(|end| stem.ends_with(end)) {
        stem.pop();
    }
    for ending in ["ing", "ed", "ion", "ly"] {
        if let Some(base) = stem.strip_suffix(ending)
            && base.len() >= 3
            && base.contains(['a', 'e', 'i', 'o', 'u', 'y'])
        {
            stem = undouble(base).to_owned();
            break;
        }
    }
    // "resume" and "resuming" meet without their last vowel; "cancelled" and "cancels" without an "l".
    if stem.len() > 3 && stem.ends_with('e') {
        stem.pop();
    }
    undouble(&stem).to_owned()
}

fn undouble(stem: &str) -> &str {
    let bytes = stem.as_bytes();
    match bytes {
        [.., a, b] if a == b && bytes.len() > 3 && !b"aeiou".contains(b) => &stem[..stem.len() - 1],
        _ => stem,
    }
}

/// The sentences of a text, in order, each with its own full stop.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while let Some(end) = rest.find(". ") {
        found.push(&rest[..=end]);
        rest = rest[end + 1..].trim_start();
    }
    if !rest.is_empty() {
        found.push(rest);
    }
    found
}

/// Splits a text into words that keep the space before them: joined, they are the text again.
pub(super) fn stream_tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut start = 0;
    let mut in_word = false;
    for (at, c) in text.char_indices() {
        if c.is_whitespace() && in_word {
            tokens.push(text[start..at].to_owned());
            start = at;
        }
        in_word = !c.is_whitespace();
    }
    if start < text.len() {
        tokens.push(text[start..].to_owned());
    }
    tokens
}

/// "a, b and c"
pub(super) fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms_of_a_word_meet() {
        for forms in [
            &["reconnect", "reconnects", "reconnecting", "reconnected", "reconnection"][..],
            &["resume", "resumes", "resuming", "resumed"],
            &["authenticate", "authentication"],
            &["cancel", "cancelled", "cancelling", "cancels"],
            &["drop", "dropped", "dropping"],
            &["binary", "binaries"],
            &["miss", "misses", "missing", "missed"],
        ] {
            let stems: Vec<_> = forms.iter().map(|form| stem(form)).collect();
            assert!(stems.iter().all(|stem| *stem == stems[0]), "{forms:?} -> {stems:?}");
        }
    }

    #[test]
    fn tokens_keep_their_leading_space() {
        assert_eq!(stream_tokens("Revenue was $2.4M."), ["Revenue", " was", " $2.4M."]);
    }

    proptest! {
        #[test]
        fn tokens_joined_are_the_text(text in "\\PC{0,80}|[ a-z\n\u{e4}\u{3000}]{0,40}") {
            prop_assert_eq!(stream_tokens(&text).concat(), text);
        }
    }
}
