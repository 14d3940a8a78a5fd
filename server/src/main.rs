//! The binary `staywire-server`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use staywire_server::Server;
use staywire_server::config::Config;
use tracing_subscriber::EnvFilter;

/// The reference server of Staywire: rooms as logs, AI streams, notifications, on one port.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Flags {
    /// Address and port to listen on. Default 127.0.0.1:8000.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Configuration in TOML; flags count more.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Hand out demo tokens at POST /auth/token, and let anonymous sessions in. Never on the open
    /// internet.
    #[arg(long)]
    demo: bool,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let filter = EnvFilter::try_from_env("STAYWIRE_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match serve(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("staywire-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(flags: Flags) -> Result<(), Box<dyn std::error::Error>> {
    let config = configuration(flags)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let demo = config.demo;
        let server = Server::start(config).await?;
        let mode = if demo { " (demo: anyone gets a token)" } else { "" };
        println!("staywire-server listens on http://{}{mode}", server.address());
        stop_signal().await?;
        eprintln!("staywire-server: draining; a second signal stops at once");
        tokio::select! {
            () = server.shut_down() => {}
            _ = stop_signal() => server.stop().await,
        }
        Ok(())
    })
}

fn configuration(flags: Flags) -> Result<Config, Box<dyn std::error::Error>> {
    let mut config = match &flags.config {
        Some(path) => Config::load(path)?,
        None if flags.demo => Config::for_demo(),
        None => Config::default(),
    };
    config.demo |= flags.demo;
    if let Some(listen) = flags.listen {
        config.listen = listen;
    }
    config.validate()?;
    Ok(config)
}

/// Resolves at the first request to stop: Ctrl-C, or SIGTERM where there is such a thing.
async fn stop_signal() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
