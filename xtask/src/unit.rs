//! The suite `unit`: every test of the workspace in one build, and the examples in its documentation.
//!
//! Never picks tests: to run fewer, use `cargo test -p CRATE NAME`.

use std::process::Command;

use crate::counts::{Counts, Tally};
use crate::repo::Repo;
use crate::sh;
use crate::suite::{Context, Verdict};

const EVERYTHING: [&str; 4] = ["test", "--workspace", "--all-features", "--no-fail-fast"];

pub(crate) fn suite(context: &Context<'_>) -> Result<Verdict, String> {
    Ok(counted(commands(context.repo, context.soak)))
}

/// Runs commands that print what `cargo test` prints, and counts over all of them.
pub(crate) fn counted(commands: Vec<Command>) -> Verdict {
    let mut tally = Tally::default();
    let mut notes = Vec::new();
    for mut command in commands {
        if let Err(why) = sh::run_watched(&mut command, |line| tally.read_line(line)) {
            notes.push(why);
        }
    }
    let mut counts = tally.counts();
    if !notes.is_empty() && counts.failed == 0 {
        // Something that does not compile, or dies half-way, prints no count of its own.
        counts.add(Counts::ONE_FAILED);
    }
    notes.extend(tally.ignored().iter().map(|test| format!("skipped: {test}")));
    Verdict::Counted { counts, notes }
}

fn commands(repo: &Repo, soak: bool) -> Vec<Command> {
    if !soak {
        return vec![repo.cargo(&EVERYTHING)];
    }
    // In two runs, because an ignored example in the documentation is one that can't be run at all.
    let mut tests = repo.cargo(&EVERYTHING);
    tests.args(["--tests", "--", "--include-ignored"]).env("STAYWIRE_SOAK", "1");
    let mut examples = repo.cargo(&EVERYTHING);
    examples.arg("--doc");
    vec![tests, examples]
}
