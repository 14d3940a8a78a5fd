//! The suite `interop`: Staywire beside the clients and servers of others, each a process of its own.
//!
//! It installs what the foreign programs need and runs `interop/`, a workspace of its own: what its
//! peers depend on is nothing that a package of ours may depend on. Never builds a peer by itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::counts::{Counts, Tally};
use crate::repo::Repo;
use crate::sh;
use crate::suite::{Context, Verdict};

pub(crate) fn suite(context: &Context<'_>) -> Result<Verdict, String> {
    let repo = context.repo;
    let dir = repo.root().join("interop");
    node_packages(&dir)?;
    let python = python_packages(repo, &dir)?;
    // The program that stock clients connect to.
    sh::run(&mut repo.cargo(&["build", "-p", "staywire-server"]))?;
    let mut tests = repo.cargo(&["test", "--locked", "--no-fail-fast"]);
    let target = repo.target_dir()?;
    tests
        .current_dir(&dir)
        .env("CARGO_TARGET_DIR", &target)
        .env("STAYWIRE_SERVER", target.join("debug").join(program("staywire-server")))
        .env("PYTHONPATH", python);
    let mut tally = Tally::default();
    let mut notes = Vec::new();
    if let Err(why) = sh::run_watched(&mut tests, |line| tally.read_line(line)) {
        notes.push(why);
    }
    let mut counts = tally.counts();
    if !notes.is_empty() && counts.failed == 0 {
        counts.add(Counts::ONE_FAILED);
    }
    notes.extend(tally.ignored().iter().map(|test| format!("skipped: {test}")));
    Ok(Verdict::Counted { counts, notes })
}

fn program(name: &str) -> String {
    format!("{name}{}", std::env::consts::EXE_SUFFIX)
}

/// Installs what `package-lock.json` names, unless it is there.
fn node_packages(dir: &Path) -> Result<(), String> {
    let modules = dir.join("node_modules");
    installed(&dir.join("package-lock.json"), &modules, || {
        // npm is a script on Windows, which is not started by its bare name.
        let mut npm = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
        npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
        sh::run(npm.current_dir(dir))
    })
}

/// Installs what `requirements.txt` names, unless it is there; the folder for `PYTHONPATH`.
fn python_packages(repo: &Repo, dir: &Path) -> Result<PathBuf, String> {
    let packages = repo.target_dir()?.join("interop-python");
    let requirements = dir.join("requirements.txt");
    installed(&requirements, &packages, || {
        let mut pip = Command::new(if cfg!(windows) { "python" } else { "python3" });
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]);
        sh::run(pip.arg(&packages).arg("--requirement").arg(&requirements))
    })?;
    Ok(packages)
}

/// Fills a folder with what a list names, and notes the list there; a folder of the same list stays.
fn installed(
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
        let dir = std::env::temp_dir().join(format!("staywire-interop-{}", std::process::id()));
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
