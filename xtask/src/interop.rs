//! The suite `interop`: Staywire beside the clients and servers of others, each a process of its own.
//!
//! It installs what the foreign programs need and runs `interop/`, a workspace of its own: what its
//! peers depend on is nothing that a package of ours may depend on. Never builds a peer by itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::repo::Repo;
use crate::suite::{Context, Verdict};
use crate::{packages, sh, unit};

pub(crate) fn suite(context: &Context<'_>) -> Result<Verdict, String> {
    let repo = context.repo;
    let dir = repo.root().join("interop");
    packages::node(&dir)?;
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
    Ok(unit::counted(vec![tests]))
}

pub(crate) fn program(name: &str) -> String {
    format!("{name}{}", std::env::consts::EXE_SUFFIX)
}

/// Installs what `requirements.txt` names, unless it is there; the folder for `PYTHONPATH`.
fn python_packages(repo: &Repo, dir: &Path) -> Result<PathBuf, String> {
    let packages = repo.target_dir()?.join("interop-python");
    let requirements = dir.join("requirements.txt");
    packages::installed(&requirements, &packages, || {
        let mut pip = Command::new(if cfg!(windows) { "python" } else { "python3" });
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]);
        sh::run(pip.arg(&packages).arg("--requirement").arg(&requirements))
    })?;
    Ok(packages)
}
