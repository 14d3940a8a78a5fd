//! Tools that are not Rust crates of the workspace: installed once per user, by exact version.
//!
//! They live in the user's cache folder, so that every checkout shares them and `cargo clean` spares
//! them. Never takes a tool of another version, and never leaves a half-installed one behind.

use std::path::{Path, PathBuf};

/// The folder of one tool at one version. `install` fills an empty folder; it runs at most once.
pub(crate) fn tool(
    name: &str,
    version: &str,
    install: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    tool_in(&tools_dir()?, name, version, install)
}

fn tool_in(
    tools: &Path,
    name: &str,
    version: &str,
    install: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let ready = tools.join(format!("{name}-{version}"));
    if ready.is_dir() {
        return Ok(ready);
    }
    // Filled aside and then renamed: whatever interrupts this, the final name means "complete".
    let aside = tools.join(format!("{name}-{version}.part-{}", std::process::id()));
    std::fs::create_dir_all(&aside)
        .map_err(|why| format!("{} can't be made: {why}", aside.display()))?;
    let outcome = install(&aside).and_then(|()| match std::fs::rename(&aside, &ready) {
        // Another run may have been quicker, and its result is the same.
        Err(_) if ready.is_dir() => Ok(()),
        other => other.map_err(|why| format!("{} can't be made: {why}", ready.display())),
    });
    if aside.is_dir() {
        // Best effort: a folder that stays behind only costs space.
        let _ = std::fs::remove_dir_all(&aside);
    }
    outcome.map(|()| ready)
}

fn tools_dir() -> Result<PathBuf, String> {
    let from = |name: &str| std::env::var_os(name).filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let cache = from("XDG_CACHE_HOME")
        .or_else(|| from("LOCALAPPDATA"))
        .or_else(|| from("HOME").map(|home| home.join(".cache")))
        .ok_or("no cache folder: set XDG_CACHE_HOME or HOME")?;
    Ok(cache.join("staywire").join("tools"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_installed_once_and_a_failure_leaves_nothing() {
        let tools = std::env::temp_dir().join(format!("staywire-cache-{}", std::process::id()));
        let broken = tool_in(&tools, "saw", "1.0", |dir| {
            std::fs::write(dir.join("half"), "").unwrap();
            Err("no network".to_owned())
        });
        assert_eq!(broken, Err("no network".to_owned()));
        assert_eq!(std::fs::read_dir(&tools).unwrap().count(), 0);

        let install = |dir: &Path| std::fs::write(dir.join("saw"), "").map_err(|e| e.to_string());
        let first = tool_in(&tools, "saw", "1.0", install).unwrap();
        assert!(first.join("saw").is_file());
        let again = tool_in(&tools, "saw", "1.0", |_| Err("installed twice".to_owned()));
        assert_eq!(again, Ok(first));
        std::fs::remove_dir_all(&tools).unwrap();
    }
}
