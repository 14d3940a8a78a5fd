//! `cargo xtask`: everything this repository does, by name, so that people and CI type the same words.
//!
//! This file only finds the task that was asked for. It never does a task's work: each has a file.

mod bench;
mod cache;
mod counts;
mod demo;
mod deny;
mod hygiene;
mod interop;
mod layers;
mod lint;
mod packages;
mod repo;
mod schema;
mod sh;
mod suite;
mod unit;
mod version;
mod wasm;
mod web;

use std::process::ExitCode;

use repo::Repo;

const HELP: &str = "\
cargo xtask TASK: everything this repository does, by name

  demo [--serve]   see it work: builds the server, runs the demonstration against it and ends;
                   with --serve it stays up for a browser
  test             every check there is, each with the set-up it needs; this is what CI runs
    --list           name the suites and what each one proves
    --only SUITE     run that suite alone (give it again for more, or join names by commas)
    --soak           run the long tests too: those marked #[ignore], with STAYWIRE_SOAK=1
  bench [ARGS]     measure, beside peers in the same run; ARGS go to the benchmark program
  schema           write the JSON Schema of the events again, after a change to their types
  wasm             build the browser's module into target/wasm-package and print its size

First time here: `cargo xtask demo`. Before a commit: `cargo xtask test`.
While you work:  `cargo xtask test --only unit`, or plain `cargo test -p CRATE`.";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = match args.split_first() {
        Some((task, rest)) => (task.as_str(), rest),
        None => ("help", &[][..]),
    };
    let outcome = Repo::find().and_then(|repo| match task {
        "help" | "-h" | "--help" => {
            println!("{HELP}");
            Ok(())
        }
        "demo" => demo::run(&repo, rest),
        "test" => suite::run(&repo, rest),
        "bench" => bench::run(&repo, rest),
        "schema" => schema::run(&repo, rest),
        "wasm" => wasm::run(&repo, rest),
        other => Err(format!("there is no task `{other}`\n\n{HELP}")),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
