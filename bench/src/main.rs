//! Measures the client beside bare peers, and says for each goal whether it is reached.
//!
//! Nothing is compared with a figure of another machine or another day: each goal is a ratio of
//! two things that were measured in turns in the same run.

mod alloc;
mod idle;
mod lone;
mod receivers;
mod report;
mod sender;
mod stats;
mod typed;
mod workload;

use std::process::ExitCode;

use report::{Failure, Outcome};

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

const HELP: &str = "\
Usage: cargo xtask bench [--quick] [--only NAME]

Prints a line for each goal: `goal NAME ratio R needs N ok`, or `short` where the
whole 95 % interval of the ratio lies below the need.

  --quick       fewer and shorter rounds: the intervals are wider
  --only NAME   one figure: typed_events_1 (a note, no goal), typed_events_16, typed_events_64,
                idle_memory, lone_event; or the beginning of such a name
";

/// What the command line asked for.
struct Options {
    quick: bool,
    only: String,
}

fn main() -> ExitCode {
    let mut options = Options { quick: false, only: String::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // The process at the other end: this program again.
            sender::SUBCOMMAND => return sender::main(),
            "--quick" => options.quick = true,
            "--only" => match arguments.next() {
                Some(name) => options.only = name,
                None => return usage("--only needs the name of a goal"),
            },
            "-h" | "--help" => {
                print!("{HELP}");
                return ExitCode::SUCCESS;
            }
            other => return usage(&format!("unknown argument {other:?}")),
        }
    }
    match run(&options) {
        Ok(Some(outcome)) => outcome.exit_code(),
        Ok(None) => usage(&format!("no goal is called {:?}", options.only)),
        Err(failure) => {
            eprintln!("staywire-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn usage(problem: &str) -> ExitCode {
    eprintln!("staywire-bench: {problem}\n\n{HELP}");
    ExitCode::from(2)
}

/// Measures what is asked for; `None` if that is nothing.
fn run(options: &Options) -> Result<Option<Outcome>, Failure> {
    // One thread for everything, as for the bare loop: no hand-over between cores on either side.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sender = sender::Process::start()?;
    let wanted = |name: &str| name.starts_with(&options.only);
    let mut outcome = None;
    // First, while the process is small: memory that others freed would hide what is resident.
    if wanted(idle::NAME) {
        let goal = runtime.block_on(idle::measure(&sender, options.quick))?;
        outcome = Some(Outcome::and(outcome, goal));
    }
    for events in typed::EVENTS_PER_FRAME {
        if wanted(&typed::name(events)) {
            let goal = runtime.block_on(typed::measure(&sender, events, options.quick))?;
            outcome = Some(Outcome::and(outcome, goal));
        }
    }
    if wanted(lone::NAME) {
        let goal = runtime.block_on(lone::measure(&sender, options.quick))?;
        outcome = Some(Outcome::and(outcome, goal));
    }
    Ok(outcome)
}
