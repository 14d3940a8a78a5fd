//! The commands, one in each file.

mod ask;
mod dashboard;
mod generate;
mod inspect;
mod listen;
mod send;
mod tasks;

use crate::args::{Cli, Command};
use crate::failure::Failure;
use crate::output::Output;

pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { connection, json, command } = cli;
    let output = Output::new(json);
    match command {
        Command::Listen(args) => listen::run(&connection, args, output).await,
        Command::Send(args) => send::run(&connection, args, output).await,
        Command::Ask(args) => ask::run(&connection, &args, output).await,
        Command::Generate(args) => generate::run(&connection, args, output).await,
        Command::Tasks(args) => tasks::run(&connection, args, output).await,
        Command::Dashboard(args) => dashboard::run(&connection, args, output).await,
        Command::Inspect(args) => inspect::run(&connection, args, output).await,
    }
}
