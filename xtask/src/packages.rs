//! What other languages' package managers install for the suites. Never chooses a version: the lists do,
//! which are committed.

use std::path::Path;
use std::process::Command;

use crate::sh;

/// npm, which is a script on Windows and not started there by its bare name.
pub(crate) fn npm() -> Command {
    Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
}

/// Installs what a folder's `package-lock.json` names, unless it is there.
pub(crate) fn node(dir: &Path) -> Result<(), String> {
    installed(&dir.join("package-lock.json"), &dir.join("node_modules"), || {
        let mut npm = npm();
        npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
        sh::run(npm.current_dir(dir))
    })
}

/// Fills a folder with what a list names, and notes the list there; a folder of the same list stays.
pub(crate) fn installed(
    list: &Path,
    dir: &Path,
    install: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    let wanted = std::fs::read_to_string(list)
        .map_err(|why| format!("{} can't be read: {why}", list.display()))?;
    let note = dir.join(".installed");
    if std::fs::read_to_string(&note).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    if dir.is_dir() {
        std::fs::remove_dir_all(dir)
            .map_err(|why| format!("{} can't be emptied: {why}", dir.display()))?;
    }
    install()?;
    std::fs::write(&note, wanted).map_err(|why| format!("{} can't be noted: {why}", note.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_installed_once_and_anew_when_it_changes() {
        let dir = std::env::temp_dir().join(format!("staywire-packages-{}", std::process::id()));
        let list = dir.join("list");
        let packages = dir.join("packages");
        std::fs::create_dir_all(&dir).unwrap();
        let fill = || std::fs::create_dir_all(&packages).map_err(|why| why.to_string());

        std::fs::write(&list, "one").unwrap();
        assert!(installed(&list, &packages, || Err("no network".to_owned())).is_err());
        assert_eq!(installed(&list, &packages, fill), Ok(()));
        assert_eq!(installed(&list, &packages, || Err("again".to_owned())), Ok(()));
        std::fs::write(&list, "two").unwrap();
        assert_eq!(
            installed(&list, &packages, || Err("again".to_owned())),
            Err("again".to_owned())
        );
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
