//! `cargo xtask bench`: builds the benchmarks optimised and runs them.
//!
//! What is measured is the affair of the package `staywire-bench`: arguments go to it as they are.

use crate::repo::Repo;
use crate::sh;

const BENCH: &str = "staywire-bench";

pub(crate) fn run(repo: &Repo, args: &[String]) -> Result<(), String> {
    if !repo.has_package(BENCH) {
        return Err(format!("the benchmarks, package `{BENCH}`, are not in this workspace"));
    }
    sh::run(repo.cargo(&["run", "--release", "-p", BENCH, "--"]).args(args))
}
