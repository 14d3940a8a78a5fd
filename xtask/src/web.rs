//! The suite `web`: the npm package in `wasm/npm`, built, checked and tested with the real server, in
//! Node.js and in Chromium.
//!
//! It installs what it needs: npm packages, and the browser from Debian's packages where it may. Never
//! publishes anything.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::counts::Counts;
use crate::suite::{Context, Verdict};
use crate::{interop, packages, sh, wasm};

/// Each a script of `package.json`: what counts as one check.
const CHECKS: [&str; 4] = ["types", "lint", "size", "pack:check"];

pub(crate) fn suite(context: &Context<'_>) -> Result<Verdict, String> {
    let repo = context.repo;
    let dir = repo.root().join("wasm").join("npm");
    // First the cheap questions: a missing tool should not show after minutes of compiling.
    let chromium = chromium()?;
    packages::node(&dir)?;
    let engine = wasm::package(context)?.folder;
    let script = |name: &str| {
        let mut npm = packages::npm();
        npm.args(["run", "--silent", name]).current_dir(&dir).env("STAYWIRE_WASM_PACKAGE", &engine);
        npm
    };
    sh::run(&mut script("generate"))?;
    sh::run(&mut script("build"))?;
    sh::run(&mut repo.cargo(&["build", "-p", "staywire-server"]))?;
    let server = repo.target_dir()?.join("debug").join(interop::program("staywire-server"));

    let mut counts = Counts::default();
    let mut notes = Vec::new();
    for check in CHECKS {
        match sh::run(&mut script(check)) {
            Ok(()) => counts.add(Counts::ONE_PASSED),
            Err(why) => {
                counts.add(Counts::ONE_FAILED);
                notes.push(why);
            }
        }
    }
    let mut tests = script("test");
    tests.args(["--", "--reporter=tap-flat"]);
    tests.env("STAYWIRE_SERVER", server).env("STAYWIRE_CHROMIUM", chromium);
    let mut tested = Counts::default();
    let outcome = sh::run_watched(&mut tests, |line| tested.add(tap_line(line)));
    if let Err(why) = outcome {
        notes.push(why);
        // It may fail in a way that counts nothing.
        if tested.failed == 0 {
            tested.add(Counts::ONE_FAILED);
        }
    }
    counts.add(tested);
    Ok(Verdict::Counted { counts, notes })
}

/// What one line of a flat TAP report counts.
fn tap_line(line: &str) -> Counts {
    let line = line.trim();
    if line.contains("# SKIP") {
        Counts::ONE_SKIPPED
    } else if line.starts_with("ok ") {
        Counts::ONE_PASSED
    } else if line.starts_with("not ok ") {
        Counts::ONE_FAILED
    } else {
        Counts::default()
    }
}

/// The browser: the one that is named, or Debian's, which is installed where that is possible.
fn chromium() -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os("STAYWIRE_CHROMIUM") {
        return Ok(named.into());
    }
    let debian = Path::new("/usr/bin/chromium");
    if !debian.exists() {
        install_chromium().map_err(|why| {
            format!(
                "the npm package is tested in Chromium, which is not at {}, and it could not be \
                 installed: {why}. Install it, or name a Chromium or Chrome in STAYWIRE_CHROMIUM.",
                debian.display()
            )
        })?;
    }
    Ok(debian.to_owned())
}

fn install_chromium() -> Result<(), String> {
    let user = sh::capture(Command::new("id").arg("-u"))?;
    if user.trim() != "0" {
        return Err("only root may install Debian's package `chromium`".to_owned());
    }
    let apt = |args: &[&str]| {
        let mut apt = Command::new("apt-get");
        sh::run(apt.args(["--quiet", "--yes"]).args(args).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update"])?;
    apt(&["install", "--no-install-recommends", "chromium"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_each_line_of_a_report_counts() {
        assert_eq!(tap_line("ok 1 - tests/a.test.ts > it works # time=2.50ms"), Counts::ONE_PASSED);
        assert_eq!(tap_line("not ok 2 - it fails"), Counts::ONE_FAILED);
        assert_eq!(tap_line("ok 3 - it is left out # SKIP"), Counts::ONE_SKIPPED);
        assert_eq!(tap_line("1..3"), Counts::default());
        assert_eq!(tap_line("    error: okay"), Counts::default());
    }
}
