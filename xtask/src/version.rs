//! The suite `version`: one version everywhere, the one in the workspace's `Cargo.toml`.
//!
//! A package that is never published may call itself 0.0.0 instead. Nothing is changed here: a version
//! is raised by hand, and this suite names every place that was forgotten.

use crate::repo::SourceFile;
use crate::suite::{Context, Verdict};

const NEVER_RELEASED: &str = "0.0.0";

pub(crate) fn suite(context: &Context<'_>) -> Result<Verdict, String> {
    let Some(sources) = context.repo.sources()? else {
        return Ok(Verdict::Skipped(
            "not a git checkout, so no file is known to be ours".to_owned(),
        ));
    };
    let root = sources.iter().find(|file| file.path == "Cargo.toml");
    let version = root
        .and_then(|file| toml_value(&file.text, "workspace.package", "version"))
        .ok_or("Cargo.toml states no [workspace.package] version")?;
    let complaints: Vec<_> = sources.iter().filter_map(|file| complaint(file, version)).collect();
    if complaints.is_empty() {
        println!("{version} everywhere");
        return Ok(Verdict::Passed);
    }
    Err(format!("the workspace is at {version}, but\n{}", complaints.join("\n")))
}

/// What is wrong with the version that a file states, if it is a file that states one.
fn complaint(file: &SourceFile, version: &str) -> Option<String> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let outcome = match name {
        "Cargo.toml" => cargo(&file.text, version),
        "package.json" => npm(&file.text, version),
        "pyproject.toml" => python(&file.text, version),
        "pom.xml" => maven(&file.text, version),
        "CHANGELOG.md" => changelog(&file.text, version),
        _ => Ok(()),
    };
    outcome.err().map(|what| format!("{}: {what}", file.path))
}

fn cargo(text: &str, version: &str) -> Result<(), String> {
    for line in text.lines().filter(|line| line.starts_with("staywire")) {
        let stated = line.split_once("version = \"").and_then(|(_, rest)| rest.split('"').next());
        if stated.is_some_and(|stated| stated.trim_start_matches('=') != version) {
            return Err(format!("asks for another version: {line}"));
        }
    }
    let inherits = toml_value(text, "package", "version.workspace") == Some("true");
    match toml_value(text, "package", "version") {
        None if inherits || !text.contains("[package]") => Ok(()),
        Some(NEVER_RELEASED) if toml_value(text, "package", "publish") == Some("false") => Ok(()),
        stated => same(stated, version),
    }
}

fn npm(text: &str, version: &str) -> Result<(), String> {
    // The package's own keys are those at the first level of indentation.
    let own = |key: &str| {
        text.lines().find_map(|line| {
            let indent = line.len() - line.trim_start().len();
            let value = line.trim_start().strip_prefix(key)?;
            (indent <= 2).then(|| value.trim_matches(|c: char| "\": ,".contains(c)))
        })
    };
    let is_private = own("\"private\":") == Some("true");
    match own("\"version\":") {
        None | Some(NEVER_RELEASED) if is_private => Ok(()),
        stated => same(stated, version),
    }
}

fn python(text: &str, version: &str) -> Result<(), String> {
    let dynamic = toml_value(text, "project", "dynamic");
    match toml_value(text, "project", "version") {
        // Taken from the crate by the build.
        None if dynamic.is_some_and(|keys| keys.contains("version")) => Ok(()),
        stated => same(stated, version),
    }
}

fn maven(text: &str, version: &str) -> Result<(), String> {
    // The project's own version stands before everything that has versions of its own.
    let own = ["<dependencies", "<dependencyManagement", "<build", "<profiles"]
        .iter()
        .filter_map(|section| text.find(section))
        .min()
        .map_or(text, |end| &text[..end]);
    let stated = own.split_once("<version>").and_then(|(_, rest)| rest.split('<').next());
    same(stated, version)
}

fn changelog(text: &str, version: &str) -> Result<(), String> {
    let top = text.lines().find_map(|line| line.strip_prefix("## [")?.split(']').next());
    same(top, version).map_err(|why| format!("the top entry {why}"))
}

fn same(stated: Option<&str>, version: &str) -> Result<(), String> {
    match stated {
        Some(stated) if stated == version => Ok(()),
        Some(stated) => Err(format!("states {stated}")),
        None => Err("states no version".to_owned()),
    }
}

/// A value that stands on one line, without its quotes.
fn toml_value<'a>(text: &'a str, section: &str, key: &str) -> Option<&'a str> {
    let mut here = false;
    for line in text.lines() {
        if let Some(head) = line.strip_prefix('[') {
            here = head.trim_end().strip_suffix(']') == Some(section);
        } else if here
            && let Some((name, value)) = line.split_once('=')
            && name.trim() == key
        {
            return Some(value.trim().trim_matches('"'));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> Option<String> {
        complaint(&SourceFile { path: path.to_owned(), text: text.to_owned() }, "0.1.0")
    }

    #[test]
    fn a_crate_inherits_states_the_same_or_is_never_released() {
        assert_eq!(check("core/Cargo.toml", "[package]\nversion.workspace = true\n"), None);
        assert_eq!(check("a/Cargo.toml", "[package]\nversion = \"0.1.0\"\n"), None);
        assert_eq!(
            check("a/Cargo.toml", "[package]\nversion = \"0.0.0\"\npublish = false\n"),
            None
        );
        let why = check("a/Cargo.toml", "[package]\nversion = \"0.2.0\"\n").unwrap();
        assert_eq!(why, "a/Cargo.toml: states 0.2.0");
    }

    #[test]
    fn a_dependency_on_our_own_crates_moves_along() {
        let manifest =
            "[workspace.dependencies]\nstaywire = { path = \"core\", version = \"0.0.9\" }\n";
        assert!(check("Cargo.toml", manifest).unwrap().contains("0.0.9"));
    }

    #[test]
    fn other_ecosystems_state_it_too() {
        assert_eq!(check("w/package.json", "{\n  \"version\": \"0.1.0\",\n}\n"), None);
        assert_eq!(check("w/package.json", "{\n  \"private\": true\n}\n"), None);
        assert!(check("w/package.json", "{\n  \"name\": \"staywire\"\n}\n").is_some());
        assert_eq!(check("p/pyproject.toml", "[project]\ndynamic = [\"version\"]\n"), None);
        assert!(check("p/pyproject.toml", "[project]\nversion = \"0.1.1\"\n").is_some());
        let pom = "<project><version>0.1.0</version><dependencies><version>9</version>";
        assert_eq!(check("k/pom.xml", pom), None);
        assert!(check("k/pom.xml", &pom.replace("0.1.0", "1.0")).is_some());
    }

    #[test]
    fn the_changelog_starts_with_this_version() {
        assert_eq!(check("CHANGELOG.md", "# Changelog\n\n## [0.1.0] - unreleased\n"), None);
        assert!(check("CHANGELOG.md", "# Changelog\n\n## [0.0.9] - 2026-01-01\n").is_some());
    }
}
