//! The reference server as a process of its own.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

type Error = Box<dyn std::error::Error>;

pub(crate) struct ServerProcess {
    child: Child,
    address: SocketAddr,
    /// Kept open, so that the server never writes to a closed pipe.
    _output: Lines<BufReader<ChildStdout>>,
    _config: tempfile::NamedTempFile,
}

impl ServerProcess {
    /// Starts it on a free port, or on its default one to be left up, and waits until it is ready.
    pub(crate) async fn start(default_port: bool) -> Result<Self, Error> {
        let program = std::env::var_os("STAYWIRE_SERVER")
            .ok_or("STAYWIRE_SERVER must name the server's program; run `cargo xtask demo`")?;
        // Slow enough to watch.
        let mut config = tempfile::NamedTempFile::new()?;
        writeln!(config, "demo = true\n[ai.offline]\ntoken_delay_ms = 30")?;
        writeln!(config, "[dashboards.server]\ninterval_ms = 300")?;
        let mut command = Command::new(program);
        command.arg("--config").arg(config.path()).stdout(Stdio::piped()).kill_on_drop(true);
        if !default_port {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let mut child = command.spawn()?;
        let output = child.stdout.take().ok_or("the server has no output")?;
        let mut output = BufReader::new(output).lines();
        let Some(ready) = output.next_line().await? else {
            return Err("the server ended before it was ready; its reason is above".into());
        };
        let address = ready
            .split_whitespace()
            .find_map(|word| word.strip_prefix("http://")?.parse().ok())
            .ok_or_else(|| format!("the server's first line names no address: {ready}"))?;
        Ok(Self { child, address, _output: output, _config: config })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it; the demonstration has nobody to drain.
    pub(crate) async fn stop(&mut self) -> Result<(), Error> {
        self.child.kill().await?;
        Ok(())
    }
}
