//! Plays the main jobs: an AI answer streams token by token, a website grows out of a prompt, a
//! dashboard ticks; the connection is killed in the middle of each, and nothing is lost.
//!
//! The server is a process of its own. One client is connected through a proxy that kills its
//! socket; another is connected directly, and is the witness of what was really said.

mod answer;
mod count;
mod dashboard;
mod generation;
mod screen;
mod server;
mod stage;

use std::process::ExitCode;

use screen::{Ink, Screen};
use server::ServerProcess;
use stage::Stage;

const HELP: &str = "\
Usage: cargo xtask demo [--serve]

Plays an AI answer, the generation of a website and a dashboard over a connection
that is killed in the middle of each, and counts what arrived.

  --serve   leave the server up afterwards, on http://127.0.0.1:8000, until Ctrl-C
";

/// How often the wire is cut, two times in each scene: less would prove less.
const CUTS: usize = 6;

#[tokio::main]
async fn main() -> ExitCode {
    let mut serve = false;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--serve" => serve = true,
            "-h" | "--help" => {
                print!("{HELP}");
                return ExitCode::SUCCESS;
            }
            other => {
                eprintln!("staywire-demo: unknown argument {other:?}\n\n{HELP}");
                return ExitCode::from(2);
            }
        }
    }
    match play(serve).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("staywire-demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// True if nothing was lost or doubled.
async fn play(serve: bool) -> Result<bool, Box<dyn std::error::Error>> {
    let mut server = ServerProcess::start(serve).await?;
    let mut screen = Screen::new();
    let stage = Stage::set(server.address(), &mut screen).await?;
    screen.blank();
    let answer = answer::play(&stage, &mut screen).await?;
    screen.blank();
    let site = generation::play(&stage, server.address(), &mut screen).await?;
    screen.blank();
    let board = dashboard::play(&stage, &mut screen).await?;
    if stage.cuts() != CUTS {
        return Err(format!("the wire was cut {} times and not {CUTS}", stage.cuts()).into());
    }
    stage.leave().await;
    let counted = answer + site + board;
    let ink = if counted.is_whole() { Ink::Good } else { Ink::Bad };
    println!("\n{}", screen.ink(ink, &counted.to_string()));
    if serve {
        println!("\nThe server stays up on http://{}; Ctrl-C ends it.", server.address());
        tokio::signal::ctrl_c().await?;
    }
    server.stop().await?;
    Ok(counted.is_whole())
}
