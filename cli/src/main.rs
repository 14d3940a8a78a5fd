//! `staywire`: listen, send, ask, generate, tasks, dashboards, and a look at every frame.
//!
//! What a program reads goes to standard output, what a person reads beside it to standard error;
//! with `--json` standard output holds one JSON object per line and nothing else.

mod args;
mod commands;
mod connect;
mod failure;
mod output;

use std::process::ExitCode;

use clap::Parser;

use args::Cli;
use failure::Failure;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&Failure::Failed(format!("no runtime: {error}"))),
    };
    let result = runtime.block_on(async {
        tokio::select! {
            result = commands::run(cli) => result,
            _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
        }
    });
    // Standard input is read on a thread that nobody can interrupt.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

fn report(failure: &Failure) -> ExitCode {
    if !matches!(failure, Failure::Interrupted) {
        eprintln!("staywire: {failure}");
    }
    failure.exit_code()
}
