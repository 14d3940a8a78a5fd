//! Counts what passed, failed and was skipped, and reads those counts out of what `cargo test` prints.
//!
//! Never decides what a suite is: see `suite.rs`.

use std::fmt;

/// What came of some checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Counts {
    pub(crate) const ONE_PASSED: Self = Self { passed: 1, failed: 0, skipped: 0 };
    pub(crate) const ONE_FAILED: Self = Self { passed: 0, failed: 1, skipped: 0 };
    pub(crate) const ONE_SKIPPED: Self = Self { passed: 0, failed: 0, skipped: 1 };

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Sums up the output of one `cargo test`, line by line.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: Counts,
    ignored: Vec<String>,
}

impl Tally {
    pub(crate) fn read_line(&mut self, line: &str) {
        let line = without_colours(line);
        let line = line.trim();
        if let Some(test) = ignored_test(line) {
            self.ignored.push(test);
        } else if let Some(counts) = result_line(line) {
            self.counts.add(counts);
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// The tests that were not run, each with the reason its `#[ignore = "…"]` gives.
    pub(crate) fn ignored(&self) -> &[String] {
        &self.ignored
    }
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; …`
fn result_line(line: &str) -> Option<Counts> {
    let (_verdict, numbers) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut counts = Counts::default();
    for part in numbers.split("; ") {
        let Some((number, what)) = part.split_once(' ') else {
            continue;
        };
        let Ok(number) = number.parse::<u64>() else {
            continue;
        };
        match what {
            "passed" => counts.passed = number,
            "failed" => counts.failed = number,
            "ignored" => counts.skipped = number,
            _ => {}
        }
    }
    Some(counts)
}

/// `test rooms::soak ... ignored, an hour long`
fn ignored_test(line: &str) -> Option<String> {
    let (name, verdict) = line.strip_prefix("test ")?.split_once(" ... ignored")?;
    match verdict.strip_prefix(", ") {
        Some(reason) => Some(format!("{name}: {reason}")),
        None => Some(format!("{name}: no reason given")),
    }
}

/// Drops terminal colours, which `CARGO_TERM_COLOR=always` puts even into a pipe.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // A colour is ESC [ digits m; a letter ends it.
            for c in chars.by_ref() {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(output: &str) -> Tally {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.read_line(line));
        tally
    }

    #[test]
    fn sums_every_binary_of_a_run() {
        let tally = tally(
            "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\n\
             test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.01s\n\
             \n   Doc-tests staywire\n\n\
             test result: ok. 40 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 1.20s\n",
        );
        assert_eq!(tally.counts(), Counts { passed: 41, failed: 1, skipped: 2 });
    }

    #[test]
    fn reads_through_colours() {
        let tally = tally(
            "test result: \u{1b}[32mok\u{1b}[0m. 3 passed; 0 failed; 0 ignored; 0 measured\n",
        );
        assert_eq!(tally.counts(), Counts { passed: 3, failed: 0, skipped: 0 });
    }

    #[test]
    fn other_talk_of_results_counts_nothing() {
        let tally =
            tally("the test result: ok. 5 passed; 0 failed\ntest result: unclear\n5 passed\n");
        assert_eq!(tally.counts(), Counts::default());
    }

    #[test]
    fn an_ignored_test_keeps_its_reason() {
        let tally = tally(
            "test storm ... ignored, an hour long\ntest core/src/lib.rs - (line 3) ... ignored\n",
        );
        assert_eq!(
            tally.ignored(),
            ["storm: an hour long", "core/src/lib.rs - (line 3): no reason given"]
        );
    }

    #[test]
    fn the_closing_line_reads_as_every_test_runner_writes_it() {
        let counts = Counts { passed: 12, failed: 0, skipped: 3 };
        assert_eq!(counts.to_string(), "12 passed, 0 failed, 3 skipped");
    }
}
