//! Plays the main job: an AI answer streams token by token, the connection is killed in the
//! middle, and nothing is lost.
//!
//! The server is a process of its own. One client is connected through a proxy that kills its
//! socket; another is connected directly, and is the witness of what was really said.

mod count;
mod server;
mod stream;

use std::process::ExitCode;

use server::ServerProcess;

const HELP: &str = "\
Usage: cargo xtask demo [--serve]

Plays an AI answer that streams over a connection that is killed in the middle,
and counts what arrived.

  --serve   leave the server up afterwards, on http://127.0.0.1:8000, until Ctrl-C
";

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
    let counted = stream::play(server.address()).await?;
    println!("\n{counted}");
    if serve {
        println!("\nThe server stays up on http://{}; Ctrl-C ends it.", server.address());
        tokio::signal::ctrl_c().await?;
    }
    server.stop().await?;
    Ok(counted.is_whole())
}
