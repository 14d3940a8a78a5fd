//! The suite `hygiene`: the sources carry no leftovers, neither of the machine they were written on nor
//! of work that was put off, and every file ends as a file should.
//!
//! Never judges style; rustfmt and clippy do. A file that must break these rules (a recorded frame, a
//! corpus) is marked `-text` in `.gitattributes`.

use crate::repo::SourceFile;
use crate::suite::{Context, Verdict};

// In two halves, so that this file does not find itself.
const PUT_OFF: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];
const HOMES: [&str; 4] = [
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("C:\\Us", "ers\\"),
];
/// Hosts that packages are downloaded from. A lock file that names one ties everybody to it.
const REGISTRIES: [&str; 8] = [
    concat!("registry.npm", "js.org"),
    concat!("registry.yarn", "pkg.com"),
    concat!("index.cra", "tes.io"),
    concat!("static.cra", "tes.io"),
    concat!("files.python", "hosted.org"),
    concat!("pypi.org/", "simple"),
    concat!("repo1.ma", "ven.org"),
    concat!("proxy.go", "lang.org"),
];

pub(crate) fn suite(context: &Context<'_>) -> Result<Verdict, String> {
    let Some(sources) = context.repo.sources()? else {
        return Ok(Verdict::Skipped(
            "not a git checkout, so no file is known to be ours".to_owned(),
        ));
    };
    let root = context.repo.root().display().to_string();
    let home = std::env::var("HOME").unwrap_or_default();
    let machine = [root.as_str(), home.as_str()];
    let found: Vec<_> = sources.iter().flat_map(|file| leftovers(file, &machine)).collect();
    if found.is_empty() {
        println!("{} files are clean", sources.len());
        return Ok(Verdict::Passed);
    }
    Err(format!("{} leftovers\n{}", found.len(), found.join("\n")))
}

/// `machine` holds paths of this very machine, whatever they look like.
fn leftovers(file: &SourceFile, machine: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let mut add = |what: &str| found.push(format!("{}:{}: {what}", file.path, index + 1));
        if PUT_OFF.iter().any(|word| has_word(line, word)) {
            add("work put off: finish it, or open an issue and name that");
        }
        let homes = HOMES.iter().any(|path| has_path(line, path));
        // A root such as `/` or `/src` would match anything.
        if homes || machine.iter().any(|path| path.len() > 5 && has_path(line, path)) {
            add("a path of somebody's machine");
        }
        if REGISTRIES.iter().any(|host| line.contains(host)) || has_download_address(file, line) {
            add("a package registry's address: name the package alone");
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        found.push(format!("{}: no newline at the end", file.path));
    }
    found
}

/// npm writes where it downloaded from, unless told `omit-lockfile-registry-resolved`.
fn has_download_address(file: &SourceFile, line: &str) -> bool {
    file.path.ends_with("package-lock.json")
        && line.trim_start().starts_with("\"resolved\": \"http")
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part)
    })
}

/// Only where the path starts: behind a host's name it belongs to a web address.
fn has_path(line: &str, path: &str) -> bool {
    line.match_indices(path)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "_-.~}".contains(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        leftovers(&SourceFile { path: path.to_owned(), text: text.to_owned() }, &["/srv/build-7"])
    }

    #[test]
    fn finds_each_kind_of_leftover_and_its_line() {
        let text = format!("fine\n// {}: later\n", PUT_OFF[0]);
        assert_eq!(
            check("a.rs", &text),
            ["a.rs:2: work put off: finish it, or open an issue and name that"]
        );
        assert_eq!(check("a.rs", &format!("let p = \"{}ann/x\";\n", HOMES[1])).len(), 1);
        assert_eq!(check("a.rs", "cd /srv/build-7/core\n").len(), 1);
        assert_eq!(check("a.txt", &format!("https://{}/x\n", REGISTRIES[0])).len(), 1);
        assert_eq!(check("a.txt", "no end").len(), 1);
    }

    #[test]
    fn a_lock_file_may_not_name_any_download_host() {
        let line = "      \"resolved\": \"https://mirror.example/x.tgz\",\n";
        assert_eq!(check("web/package-lock.json", line).len(), 1);
        assert_eq!(check("web/answers.json", line).len(), 0);
    }

    #[test]
    fn what_only_looks_alike_is_left_alone() {
        let text = format!("https://site.example{}page\nMY{}S\n", HOMES[1], PUT_OFF[0]);
        assert_eq!(check("a.md", &text), Vec::<String>::new());
        assert_eq!(check("empty.txt", ""), Vec::<String>::new());
    }
}
