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
        // Whoever reads the line below may signal at once.
        let mut stop = StopSignals::new()?;
        #[cfg(unix)]
        tokio::spawn(read_keys_again(hangups()?, server.clone()));
        let mode = if demo { " (demo: anyone gets a token)" } else { "" };
        println!("staywire-server listens on http://{}{mode}", server.address());
        stop.next().await?;
        eprintln!("staywire-server: draining; a second signal stops at once");
        tokio::select! {
            () = server.shut_down() => {}
            _ = stop.next() => server.stop().await,
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

#[cfg(unix)]
fn hangups() -> std::io::Result<tokio::signal::unix::Signal> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())
}

/// Reads the key set again at each SIGHUP, which is how an issuer's new keys are announced.
#[cfg(unix)]
async fn read_keys_again(mut hangups: tokio::signal::unix::Signal, server: Server) {
    while hangups.recv().await.is_some() {
        match server.gate().verifier().reload() {
            Ok(keys) => eprintln!("staywire-server: tokens are verified with {keys} keys now"),
            Err(error) => eprintln!("staywire-server: the keys stay as they are: {error}"),
        }
    }
}

/// Requests to stop: Ctrl-C, or SIGTERM where there is such a thing.
struct StopSignals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl StopSignals {
    #[cfg(unix)]
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Ok(Self { interrupt: signal(interrupt)?, terminate: signal(terminate)? })
    }

    #[cfg(not(unix))]
    fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    /// Resolves at the next request.
    async fn next(&mut self) -> std::io::Result<()> {
        #[cfg(unix)]
        {
            tokio::select! {
                _ = self.interrupt.recv() => Ok(()),
                _ = self.terminate.recv() => Ok(()),
            }
        }
        #[cfg(not(unix))]
        tokio::signal::ctrl_c().await
    }
}
