//! `cargo xtask test`: runs the suites in order, goes on after a failure, and adds everything up.
//!
//! Never does a check itself: every suite is a function in another file. A suite is skipped only for
//! something this machine could not have; a tool that is merely missing is a failure that names it.

use std::cell::OnceCell;
use std::time::{Duration, Instant};

use crate::counts::Counts;
use crate::repo::Repo;
use crate::{deny, hygiene, interop, layers, lint, unit, version, wasm, web};

/// What a suite may need to know.
pub(crate) struct Context<'a> {
    pub(crate) repo: &'a Repo,
    pub(crate) soak: bool,
    /// Three suites need it, and it takes long to build.
    pub(crate) wasm_package: OnceCell<Result<wasm::Package, String>>,
}

/// How a suite ended, when it could run at all; `Err` is one failed check.
pub(crate) enum Verdict {
    /// A suite that is a single check.
    Passed,
    /// A suite that counts its checks; its failures are already on the screen.
    Counted { counts: Counts, notes: Vec<String> },
    /// Not run, and why.
    Skipped(String),
}

struct Suite {
    name: &'static str,
    proves: &'static str,
    run: fn(&Context<'_>) -> Result<Verdict, String>,
}

/// In order of cost, so that a slip shows in seconds and not after the long ones.
const SUITES: [Suite; 14] = [
    Suite { name: "format", proves: "rustfmt would change nothing", run: lint::format },
    Suite {
        name: "layers",
        proves: "no source reaches up or out of its layer",
        run: layers::suite,
    },
    Suite {
        name: "version",
        proves: "one version everywhere, and a changelog entry",
        run: version::suite,
    },
    Suite {
        name: "hygiene",
        proves: "no leftovers of a machine or of unfinished work",
        run: hygiene::suite,
    },
    Suite {
        name: "lint",
        proves: "clippy is silent on every target and feature",
        run: lint::clippy,
    },
    Suite {
        name: "features",
        proves: "the core builds with each part left out",
        run: lint::features,
    },
    Suite { name: "no-std", proves: "the engine builds alone for WebAssembly", run: wasm::no_std },
    Suite {
        name: "unit",
        proves: "every test of every crate, examples in the docs too",
        run: unit::suite,
    },
    Suite {
        name: "interop",
        proves: "stock Socket.IO clients and servers of three languages work with ours",
        run: interop::suite,
    },
    Suite {
        name: "docs",
        proves: "the API documentation builds without a warning",
        run: lint::docs,
    },
    Suite {
        name: "wasm-size",
        proves: "the browser's module stays under its budget",
        run: wasm::size,
    },
    Suite {
        name: "wasm",
        proves: "the browser's module works, driven by its own JavaScript",
        run: wasm::face,
    },
    Suite {
        name: "web",
        proves: "the npm package works in Node.js, in React and in a browser, and keeps its size",
        run: web::suite,
    },
    Suite {
        name: "deny",
        proves: "every dependency has a known source and licence",
        run: deny::suite,
    },
];

struct Report {
    name: &'static str,
    counts: Counts,
    took: Duration,
    notes: Vec<String>,
}

pub(crate) fn run(repo: &Repo, args: &[String]) -> Result<(), String> {
    let options = Options::parse(args)?;
    if options.list {
        for suite in &SUITES {
            println!("{:<10} {}", suite.name, suite.proves);
        }
        return Ok(());
    }
    let context = Context { repo, soak: options.soak, wasm_package: OnceCell::new() };
    let mut reports = Vec::new();
    for suite in SUITES.iter().filter(|suite| options.wants(suite.name)) {
        println!("\n== {}: {}", suite.name, suite.proves);
        let report = run_one(suite, &context);
        println!("-- {}: {} in {:.1} s", report.name, report.counts, report.took.as_secs_f64());
        reports.push(report);
    }
    let total = print_table(&reports);
    // The very last line, alone and plain: other programs read it.
    println!("\n{total}");
    if total.failed > 0 {
        std::process::exit(1);
    }
    Ok(())
}

fn run_one(suite: &Suite, context: &Context<'_>) -> Report {
    let start = Instant::now();
    let (counts, notes) = match (suite.run)(context) {
        Ok(Verdict::Passed) => (Counts::ONE_PASSED, Vec::new()),
        Ok(Verdict::Counted { counts, notes }) => (counts, notes),
        Ok(Verdict::Skipped(why)) => (Counts::ONE_SKIPPED, vec![format!("skipped: {why}")]),
        Err(why) => (Counts::ONE_FAILED, vec![format!("failed: {why}")]),
    };
    for note in &notes {
        println!("{note}");
    }
    Report { name: suite.name, counts, took: start.elapsed(), notes }
}

fn print_table(reports: &[Report]) -> Counts {
    let mut total = Counts::default();
    let mut took = Duration::ZERO;
    println!("\n{:<10} {:>7} {:>7} {:>8} {:>8}", "suite", "passed", "failed", "skipped", "seconds");
    for Report { name, counts, took: suite_took, .. } in reports {
        print_row(name, counts, *suite_took);
        total.add(*counts);
        took += *suite_took;
    }
    print_row("all", &total, took);
    for report in reports {
        for note in &report.notes {
            println!("{}: {note}", report.name);
        }
    }
    total
}

fn print_row(name: &str, counts: &Counts, took: Duration) {
    let Counts { passed, failed, skipped } = counts;
    println!("{name:<10} {passed:>7} {failed:>7} {skipped:>8} {:>8.1}", took.as_secs_f64());
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    list: bool,
    soak: bool,
    only: Vec<String>,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--list" => options.list = true,
                "--soak" => options.soak = true,
                "--only" => {
                    let names = args.next().ok_or("--only needs the name of a suite")?;
                    options.only.extend(names.split(',').map(str::to_owned));
                }
                other => return Err(format!("`cargo xtask test` has no option `{other}`")),
            }
        }
        for name in &options.only {
            if !SUITES.iter().any(|suite| suite.name == name) {
                let known: Vec<_> = SUITES.iter().map(|suite| suite.name).collect();
                return Err(format!("there is no suite `{name}`; there are: {}", known.join(", ")));
            }
        }
        Ok(options)
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Options, String> {
        Options::parse(&args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn without_options_every_suite_is_wanted() {
        let options = parse(&[]).unwrap();
        assert!(SUITES.iter().all(|suite| options.wants(suite.name)));
    }

    #[test]
    fn only_may_be_repeated_and_joined() {
        let options = parse(&["--only", "unit,docs", "--soak", "--only", "deny"]).unwrap();
        assert!(options.soak);
        let wanted: Vec<_> =
            SUITES.iter().map(|suite| suite.name).filter(|name| options.wants(name)).collect();
        assert_eq!(wanted, ["unit", "docs", "deny"]);
    }

    #[test]
    fn an_unknown_suite_is_refused_with_the_names_there_are() {
        let why = parse(&["--only", "unity"]).unwrap_err();
        assert!(why.contains("`unity`") && why.contains("unit, interop"), "{why}");
    }
}
