//! Starts the servers and clients of others, each as a process of its own.
//!
//! A peer prints `ready` and its port as its first line, then may go on talking line by line. It ends
//! when its standard input does, so that none outlives a test that was killed. This never starts a
//! program through a shell, and ends no process but those it started.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// How long a peer may take to start, and to say a line that a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A foreign program that runs. Dropping it kills it.
#[derive(Debug)]
pub struct Peer {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    port: u16,
}

impl Peer {
    /// Starts a script of `interop/node`, and waits until it is ready.
    pub fn node(script: &str, args: &[&str]) -> Self {
        Self::start(Command::new("node").arg(folder("node").join(script)).args(args))
    }

    /// Starts a script of `interop/python`, and waits until it is ready. What it imports comes from
    /// `PYTHONPATH`, which `cargo xtask test --only interop` sets.
    pub fn python(script: &str, args: &[&str]) -> Self {
        let python = if cfg!(windows) { "python" } else { "python3" };
        Self::start(Command::new(python).arg("-u").arg(folder("python").join(script)).args(args))
    }

    /// Starts our server, which `cargo xtask test --only interop` builds, and waits until it is ready.
    pub fn staywire_server(args: &[&str]) -> Self {
        let program = std::env::var_os("STAYWIRE_SERVER")
            .expect("STAYWIRE_SERVER names the server; run `cargo xtask test --only interop`");
        Self::start(Command::new(program).args(["--demo", "--listen", "127.0.0.1:0"]).args(args))
    }

    /// Starts any program whose first line is `ready PORT`, or has its address as a URL, and waits
    /// until it says so.
    pub fn start(command: &mut Command) -> Self {
        let file = |path: &OsStr| {
            let name = Path::new(path).file_name().unwrap_or(path);
            name.to_string_lossy().into_owned()
        };
        let first = command.get_args().next().map(file).unwrap_or_default();
        let name = format!("{} {first}", file(command.get_program()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("{name} can't be started: {error}; run `cargo xtask test --only interop`")
        });
        let stdin = child.stdin.take();
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        let mut peer = Self { name, child, stdin, lines, port: 0 };
        let ready = peer.hear();
        peer.port = port_in(&ready).unwrap_or_else(|| panic!("{} said {ready:?} first", peer.name));
        peer
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Its address as a URL, with a path behind it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// The next line that it prints.
    pub fn hear(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("{} was silent for {PATIENCE:?}", self.name),
            Err(RecvTimeoutError::Disconnected) => {
                panic!("{} ended: {:?}", self.name, self.child.wait())
            }
        }
    }

    /// Writes a line to its standard input.
    pub fn tell(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("it is there until the peer is dropped");
        writeln!(stdin, "{line}").unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Kills it now, and waits until it is gone.
    pub fn kill(&mut self) {
        // An error says that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn port_in(line: &str) -> Option<u16> {
    let port = match line.strip_prefix("ready ") {
        Some(port) => port,
        None => line.split("http://").nth(1)?.split_whitespace().next()?.rsplit(':').next()?,
    };
    port.trim().parse().ok()
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
