//! Looks the finished page over: elements that close, links that lead somewhere, nothing from
//! elsewhere, colours that can be read.

use std::collections::BTreeSet;

use super::brief::Brief;
use super::palette::{CONTRAST, Palette};
use crate::services::generation::generator::Page;

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) elements: usize,
    pub(super) links: usize,
}

/// Elements that have no end.
const VOID: [&str; 5] = ["br", "img", "input", "meta", "link"];

/// What would ask for something from elsewhere, or run what is text.
const FORBIDDEN: [&str; 9] = [
    "fetch(",
    "xmlhttprequest",
    "websocket",
    "import(",
    "eval(",
    "innerhtml",
    "localstorage",
    "@import",
    "url(",
];

/// The problems that were found, if there are any.
pub(super) fn check(page: &Page, brief: &Brief) -> Result<Report, Vec<String>> {
    let mut problems = Vec::new();
    let tags = tags(&page.html, &mut problems);
    let (mut open, mut ids, mut links) = (Vec::new(), BTreeSet::new(), Vec::new());
    for tag in &tags {
        if let Some(name) = &tag.closes {
            match open.pop() {
                Some(opened) if opened == *name => {}
                opened => problems.push(format!("</{name}> closes {opened:?}")),
            }
            continue;
        }
        if !tag.closed && !VOID.contains(&tag.name.as_str()) {
            open.push(tag.name.clone());
        }
        if matches!(tag.name.as_str(), "script" | "iframe" | "object" | "embed" | "base" | "form") {
            problems.push(format!("<{}> is not for a page's body", tag.name));
        }
        for (name, value) in &tag.attributes {
            match name.as_str() {
                "id" if !ids.insert(value.clone()) => {
                    problems.push(format!("the id {value:?} is there twice"))
                }
                "href" | "src" | "action" => links.push(value.clone()),
                name if name.starts_with("on") => problems.push(format!("the attribute {name}")),
                _ => {}
            }
        }
    }
    problems.extend(open.iter().map(|name| format!("<{name}> is never closed")));
    for link in &links {
        let leads = link.strip_prefix('#').is_some_and(|id| ids.contains(id));
        if !leads {
            problems.push(format!("the link {link:?} leads nowhere on this page"));
        }
    }
    for (name, text) in [("style", &page.css), ("script", &page.js)] {
        let lower = text.to_lowercase();
        let found = FORBIDDEN.iter().filter(|word| lower.contains(**word));
        problems.extend(found.map(|word| format!("the {name} has {word}")));
        if !balanced(text) {
            problems.push(format!("the brackets of the {name} don't match"));
        }
    }
    for palette in [Palette::light(brief.hue), Palette::dark(brief.hue)] {
        let pairs = palette.pairs();
        let faint = pairs.iter().filter(|(text, under)| text.contrast(*under) < CONTRAST);
        problems.extend(faint.map(|(text, under)| format!("{text} on {under} can't be read")));
    }
    if problems.is_empty() {
        let elements = tags.iter().filter(|tag| tag.closes.is_none()).count();
        return Ok(Report { elements, links: links.len() });
    }
    problems.truncate(5);
    Err(problems)
}

#[derive(Debug, Default)]
struct Tag {
    name: String,
    /// The element that this tag ends.
    closes: Option<String>,
    /// `<circle/>`.
    closed: bool,
    attributes: Vec<(String, String)>,
}

fn tags(html: &str, problems: &mut Vec<String>) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let Some(end) = end_of_tag(rest) else {
            problems.push("a tag is never ended".into());
            break;
        };
        tags.push(tag(&rest[..end], problems));
        rest = &rest[end + 1..];
    }
    tags
}

/// Where the `>` is that stands in no attribute.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.char_indices().find_map(|(at, char)| {
        quoted ^= char == '"';
        (char == '>' && !quoted).then_some(at)
    })
}

fn tag(text: &str, problems: &mut Vec<String>) -> Tag {
    if let Some(name) = text.strip_prefix('/') {
        return Tag { closes: Some(name.trim().to_owned()), ..Tag::default() };
    }
    let closed = text.ends_with('/');
    let text = text.trim_end_matches('/');
    let (name, mut rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    if name.is_empty()
        || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    {
        problems.push(format!("<{}> is no element", name.chars().take(20).collect::<String>()));
    }
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let Some(value) = after.strip_prefix("=\"") else {
            attributes.push((name.to_owned(), String::new()));
            rest = after.trim_start_matches('=');
            continue;
        };
        let end = value.find('"').unwrap_or(value.len());
        attributes.push((name.to_owned(), value[..end].to_owned()));
        rest = value.get(end + 1..).unwrap_or("");
    }
    Tag { name: name.to_owned(), closed, attributes, closes: None }
}

/// Whether brackets outside of strings and patterns match.
fn balanced(text: &str) -> bool {
    let mut open = Vec::new();
    let mut chars = text.chars().peekable();
    let mut before = ' ';
    while let Some(char) = chars.next() {
        let pattern = char == '/' && before == '!';
        match char {
            '\'' | '"' | '`' | '/' if char != '/' || pattern => loop {
                match chars.next() {
                    Some('\\') => drop(chars.next()),
                    Some(next) if next == char => break,
                    Some(_) => {}
                    None => return false,
                }
            },
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' if open.pop() != Some(char) => return false,
            _ => {}
        }
        before = char;
    }
    open.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(html: &str, css: &str, js: &str) -> String {
        let page = Page { html: html.into(), css: css.into(), js: js.into(), ..Page::default() };
        match check(&page, &Brief::default()) {
            Ok(report) => format!("{report:?}"),
            Err(problems) => problems.join("; "),
        }
    }

    #[test]
    fn what_is_wrong_is_found() {
        let good = "<main id=\"a\"><p>x &gt; y<br></p><a href=\"#a\">up</a></main>";
        assert_eq!(problems(good, "a { b: c }", "f(')')"), "Report { elements: 4, links: 1 }");
        for (html, css, js, found) in [
            ("<p>", "", "", "<p> is never closed"),
            ("<p><b></p></b>", "", "", "</p> closes Some(\"b\")"),
            ("<p", "", "", "never ended"),
            ("<a href=\"#b\">x</a>", "", "", "leads nowhere"),
            ("<a href=\"https://example.com\">x</a>", "", "", "leads nowhere"),
            ("<p id=\"a\"></p><p id=\"a\"></p>", "", "", "twice"),
            ("<p onclick=\"x\"></p>", "", "", "the attribute onclick"),
            ("<script></script>", "", "", "<script> is not for"),
            ("", "a { background: url(x) }", "", "the style has url("),
            ("", "a {", "", "brackets of the style"),
            ("", "", "fetch('x')", "the script has fetch("),
            ("", "", "if (x) { y(')'); ", "brackets of the script"),
        ] {
            let got = problems(html, css, js);
            assert!(got.contains(found), "{html}{css}{js}: {got}");
        }
    }
}
