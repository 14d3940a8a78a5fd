//! The suites that let cargo's own tools judge the sources: `format`, `lint`, `features` and `docs`.
//!
//! They never change a file; `cargo fmt` and `cargo clippy --fix` do.

use crate::counts::Counts;
use crate::sh;
use crate::suite::{Context, Verdict};

/// What the core must build with: the features, and who lives on that set.
const FEATURE_SETS: [(&str, &str); 4] = [
    ("", "the engine alone, as in browsers"),
    ("wire", "codecs without a runtime, as in the server"),
    ("client", "the client without TLS"),
    ("socketio", "the client of Socket.IO servers"),
];

pub(crate) fn format(context: &Context<'_>) -> Result<Verdict, String> {
    sh::run(&mut context.repo.cargo(&["fmt", "--all", "--check"]))
        .map_err(|why| format!("{why}; `cargo fmt` mends it"))?;
    Ok(Verdict::Passed)
}

pub(crate) fn clippy(context: &Context<'_>) -> Result<Verdict, String> {
    let everything = ["clippy", "--workspace", "--all-targets", "--all-features", "--"];
    // A skipped test has to say why, in its attribute, where it can be counted and printed.
    sh::run(context.repo.cargo(&everything).args([
        "-D",
        "warnings",
        "-D",
        "clippy::ignore_without_reason",
    ]))?;
    Ok(Verdict::Passed)
}

/// Clippy and not `check`, because code that only a left-out feature uses shows up as dead.
pub(crate) fn features(context: &Context<'_>) -> Result<Verdict, String> {
    let mut counts = Counts::default();
    let mut notes = Vec::new();
    for (features, who) in FEATURE_SETS {
        let core = ["clippy", "-p", "staywire", "--lib", "--no-default-features", "--features"];
        let outcome = sh::run(context.repo.cargo(&core).args([features, "--", "-D", "warnings"]));
        counts.add(if outcome.is_ok() { Counts::ONE_PASSED } else { Counts::ONE_FAILED });
        notes.extend(outcome.err().map(|why| format!("{who}: {why}")));
    }
    Ok(Verdict::Counted { counts, notes })
}

pub(crate) fn docs(context: &Context<'_>) -> Result<Verdict, String> {
    let doc = ["doc", "--workspace", "--no-deps", "--all-features"];
    sh::run(context.repo.cargo(&doc).env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Verdict::Passed)
}
