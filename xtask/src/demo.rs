//! `cargo xtask demo`: builds the reference server and the demonstration, and starts the latter.
//!
//! What is shown, and what `--serve` does, is the demonstration's own affair (the package
//! `staywire-demo`): arguments go to it as they are. It finds the server's program in
//! `STAYWIRE_SERVER`.

use std::process::Command;

use crate::repo::Repo;
use crate::sh;

const DEMO: &str = "staywire-demo";
const SERVER: &str = "staywire-server";

pub(crate) fn run(repo: &Repo, args: &[String]) -> Result<(), String> {
    if !repo.has_package(DEMO) {
        return Err(format!("the demonstration, package `{DEMO}`, is not in this workspace"));
    }
    // Unoptimised, since most people wait for this build exactly once; and both in one build, since two
    // would compile what they share twice, with different features.
    sh::run(&mut repo.cargo(&["build", "-p", SERVER, "-p", DEMO]))?;
    let programs = repo.target_dir()?.join("debug");
    let program = |name: &str| programs.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let mut demo = Command::new(program(DEMO));
    demo.args(args).env("STAYWIRE_SERVER", program(SERVER)).current_dir(repo.root());
    sh::run(&mut demo)
}
