//! The suite `deny`: every dependency has a licence we chose, a source we know, and is not on the list
//! of those we refuse. The rules and their reasons are in `deny.toml`.
//!
//! Never looks at advisories: their database is fetched anew each time, which offline machines can't
//! do; the CI workflow has a job of its own for them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::repo::Repo;
use crate::suite::{Context, Verdict};
use crate::{cache, sh};

const VERSION: &str = "0.20.2";

pub(crate) fn suite(context: &Context<'_>) -> Result<Verdict, String> {
    let program = program(context.repo)?;
    let mut deny = Command::new(program);
    deny.args(["--all-features", "--locked", "check", "licenses", "bans", "sources"])
        .current_dir(context.repo.root());
    sh::run(&mut deny)?;
    Ok(Verdict::Passed)
}

/// The pinned version, from the user's path if it is there, else built once into the cache.
fn program(repo: &Repo) -> Result<PathBuf, String> {
    let on_path = PathBuf::from("cargo-deny");
    let version = sh::capture(Command::new(&on_path).arg("--version"));
    if version.is_ok_and(|version| version.trim() == format!("cargo-deny {VERSION}")) {
        return Ok(on_path);
    }
    let dir = cache::tool("cargo-deny", VERSION, |dir| install(repo, dir))?;
    Ok(dir.join("bin").join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX)))
}

fn install(repo: &Repo, dir: &Path) -> Result<(), String> {
    println!("cargo-deny {VERSION} is compiled once for this user; that takes some minutes.");
    let package = format!("cargo-deny@{VERSION}");
    let mut cargo = repo.cargo(&["install", "--locked", &package, "--root"]);
    cargo.arg(dir);
    // It runs for a second per suite: optimising it, as its own profile would, costs far more than it
    // can ever save.
    for (key, value) in [("LTO", "off"), ("OPT_LEVEL", "1"), ("CODEGEN_UNITS", "16")] {
        cargo.env(format!("CARGO_PROFILE_RELEASE_{key}"), value);
    }
    sh::run(&mut cargo)
}
