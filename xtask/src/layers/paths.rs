//! Reads out of a Rust source every path it names: those in code, and those of `use`, spelled out.
//!
//! A small lexer and not a parser: it knows comments, strings, `use` trees and `#[cfg(test)]`, which is
//! all that the rules need, and compiles in no time. It never judges a path.

/// A path as the source names it, without generics.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NamedPath {
    pub(super) line: usize,
    pub(super) segments: Vec<String>,
    /// Named by `use` or `extern crate`, where even a single name is a crate or module.
    pub(super) is_import: bool,
}

/// Every path in the order of the source. Code that only tests compile is left out.
pub(super) fn named(source: &str) -> Vec<NamedPath> {
    let tokens = tokens(source);
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if let Some(after) = skip_test_item(&tokens, at) {
            at = after;
        } else if is_word(&tokens, at, "use") {
            at = read_use(&tokens, at + 1, &[], &mut paths);
        } else if is_word(&tokens, at, "extern") && is_word(&tokens, at + 1, "crate") {
            at = read_use(&tokens, at + 2, &[], &mut paths);
        } else if let Kind::Word(first) = &tokens[at].kind {
            let line = tokens[at].line;
            let mut segments = vec![first.clone()];
            at += 1;
            while is(&tokens, at, &Kind::Colons)
                && let Some(Token { kind: Kind::Word(next), .. }) = tokens.get(at + 1)
            {
                segments.push(next.clone());
                at += 2;
            }
            paths.push(NamedPath { line, segments, is_import: false });
        } else {
            at += 1;
        }
    }
    paths
}

struct Token {
    line: usize,
    kind: Kind,
}

#[derive(PartialEq, Eq)]
enum Kind {
    Word(String),
    Colons,
    Mark(char),
}

fn is(tokens: &[Token], at: usize, kind: &Kind) -> bool {
    tokens.get(at).is_some_and(|token| token.kind == *kind)
}

fn is_mark(tokens: &[Token], at: usize, mark: char) -> bool {
    is(tokens, at, &Kind::Mark(mark))
}

fn is_word(tokens: &[Token], at: usize, word: &str) -> bool {
    matches!(tokens.get(at), Some(Token { kind: Kind::Word(own), .. }) if own == word)
}

/// Reads one tree of a `use` (`a::{b, c::*}`) and returns where it ends.
fn read_use(
    tokens: &[Token],
    mut at: usize,
    prefix: &[String],
    paths: &mut Vec<NamedPath>,
) -> usize {
    let mut segments = prefix.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.line);
    while let Some(token) = tokens.get(at) {
        match &token.kind {
            Kind::Word(word) if word == "as" => at += 2,
            Kind::Word(word) => {
                // `a::{self}` names `a`.
                if word != "self" || segments.is_empty() {
                    segments.push(word.clone());
                }
                at += 1;
            }
            Kind::Colons | Kind::Mark('*') => at += 1,
            Kind::Mark('{') => {
                at += 1;
                while at < tokens.len() && !is_mark(tokens, at, '}') {
                    at = read_use(tokens, at, &segments, paths);
                    if is_mark(tokens, at, ',') {
                        at += 1;
                    } else if !is_mark(tokens, at, '}') {
                        // Not a tree that compiles; go on behind it rather than for ever.
                        return at + 1;
                    }
                }
                return at + 1;
            }
            Kind::Mark(_) => break,
        }
    }
    paths.push(NamedPath { line, segments, is_import: true });
    at
}

/// Where the item ends that a `#[cfg(test)]` at `at` stands before.
fn skip_test_item(tokens: &[Token], at: usize) -> Option<usize> {
    let (start, is_whole_file) = match () {
        () if !is_mark(tokens, at, '#') => return None,
        () if is_mark(tokens, at + 1, '!') => (at + 2, true),
        () => (at + 1, false),
    };
    if !is_mark(tokens, start, '[') || !is_word(tokens, start + 1, "cfg") {
        return None;
    }
    let end = matching(tokens, start);
    let condition = start..end;
    let says = |word: &str| condition.clone().any(|at| is_word(tokens, at, word));
    // `any(test, …)` is compiled into more than tests, so it counts as code like all other.
    if !says("test") || says("not") || says("any") {
        return None;
    }
    if is_whole_file {
        return Some(tokens.len());
    }
    let mut at = end;
    while at < tokens.len() {
        match tokens[at].kind {
            Kind::Mark(';') => return Some(at + 1),
            Kind::Mark('{') => return Some(matching(tokens, at)),
            Kind::Mark('(' | '[') => at = matching(tokens, at),
            _ => at += 1,
        }
    }
    Some(at)
}

/// Behind the bracket that closes the one at `at`.
fn matching(tokens: &[Token], mut at: usize) -> usize {
    let mut depth = 0usize;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token.kind {
            Kind::Mark('(' | '[' | '{') => depth += 1,
            Kind::Mark(')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            '\'' => quote(rest),
            ':' if rest.starts_with("::") => {
                tokens.push(Token { line, kind: Kind::Colons });
                2
            }
            'r' | 'b' | 'c' if prefixed_string(rest).is_some() => {
                prefixed_string(rest).unwrap_or(1)
            }
            _ if first.is_alphanumeric() || first == '_' => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                let word = &rest[..end.unwrap_or(rest.len())];
                tokens.push(Token { line, kind: Kind::Word(word.to_owned()) });
                word.len()
            }
            _ if first.is_whitespace() => first.len_utf8(),
            _ => {
                tokens.push(Token { line, kind: Kind::Mark(first) });
                first.len_utf8()
            }
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn string(rest: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `r"…"`, `br#"…"#`, `b"…"`, `c"…"` and `b'…'`; `None` where it is a plain word, raw ones included.
fn prefixed_string(rest: &str) -> Option<usize> {
    let prefix = rest.find(|c| !matches!(c, 'r' | 'b' | 'c'))?;
    let body = &rest[prefix..];
    let hashes = body.find(|c| c != '#')?;
    let opened = &body[hashes..];
    if opened.starts_with('\'') && hashes == 0 && &rest[..prefix] == "b" {
        return Some(prefix + quote(body));
    }
    if !opened.starts_with('"') {
        return None;
    }
    if !rest[..prefix].contains('r') {
        return (hashes == 0).then(|| prefix + string(body));
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let length = opened[1..].find(&close).map_or(opened.len(), |end| 1 + end + close.len());
    Some(prefix + hashes + length)
}

/// A character literal, or the tick alone where it starts a lifetime.
fn quote(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        // Behind the escaped character, which may itself be a quote.
        (Some((_, '\\')), Some((at, escaped))) => {
            let from = at + escaped.len_utf8();
            rest[from..].find('\'').map_or(rest.len(), |end| from + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> Vec<String> {
        named(source).into_iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn spells_out_the_trees_of_use() {
        assert_eq!(
            read("pub use a::{self, b::{c, d as e}, f::*};\nuse ::g;"),
            ["pub", "a", "a::b::c", "a::b::d", "a::f", "g"]
        );
    }

    #[test]
    fn reads_paths_in_code_and_counts_lines() {
        let paths = named("fn f<'a>(x: &'a T)\n-> <T as a::B>::C { x::<u8>() }");
        assert!(paths.contains(&NamedPath {
            line: 2,
            segments: vec!["a".to_owned(), "B".to_owned()],
            is_import: false
        }));
    }

    #[test]
    fn what_is_quoted_is_not_code() {
        let source = "b'\\'' b\"x::y\" br##\"a\"# x::y\"## c\"x::y\" '\\u{1F600}' '\"' \"\\\"x::y\" r#type z";
        assert_eq!(read(source), ["r", "type", "z"]);
    }

    #[test]
    fn a_test_item_ends_where_it_ends() {
        assert_eq!(read("#[cfg(test)] #[path = \"x\"] mod t; a::b"), ["a::b"]);
        assert_eq!(read("#[cfg(test)] const T: [u8; 2] = [x; 2]; a::b"), ["a::b"]);
        assert_eq!(read("#[cfg(test)] mod t { fn f() { { x } } } a::b"), ["a::b"]);
        assert_eq!(read("#![cfg(test)] a::b"), Vec::<String>::new());
    }
}
