//! Our server as a process: what it is told in its configuration, and how it is asked and ended.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What another service proves itself with.
pub(crate) const SERVICE_TOKEN: &str = "a service token of thirty-two bytes or more";

/// What lets a test be hasty.
const HASTY: &str = "demo = true
[limits]
attempts_per_second = 100000
attempts_burst = 100000
";

/// A server that runs. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    config: PathBuf,
}

impl Server {
    /// A demonstration, on a free port.
    pub(crate) fn demo() -> Self {
        Self::with("")
    }

    /// The same, with more in its configuration: sections that [`HASTY`] doesn't have.
    pub(crate) fn with(more: &str) -> Self {
        Self::on("127.0.0.1:0", &format!("{HASTY}{more}"))
    }

    /// A server of this whole configuration.
    pub(crate) fn on(listen: &str, config: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("staywire-interop-{}-{number}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, config).unwrap();
        let program = std::env::var_os("STAYWIRE_SERVER")
            .expect("run `cargo xtask test --only interop`, which names the program");
        let mut child = Command::new(program)
            .arg("--config")
            .arg(&path)
            .args(["--listen", listen])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split_whitespace().next());
        let address = address.unwrap_or_else(|| panic!("the server said {line:?}"));
        Self { child, address: address.parse().unwrap(), config: path }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A token of the demonstration.
    pub(crate) fn token(&self, user: &str, tenant: &str) -> String {
        let body = serde_json::json!({ "user": user, "tenant": tenant });
        let mut answer = ureq::post(self.url("/auth/token")).send_json(body).unwrap();
        let answer: Value = answer.body_mut().read_json().unwrap();
        answer["token"].as_str().unwrap().to_owned()
    }

    /// One of its figures; 0 if it has none of that name.
    pub(crate) fn figure(&self, name: &str) -> f64 {
        let text = ureq::get(self.url("/metrics")).call().unwrap();
        let text = text.into_body().read_to_string().unwrap();
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        let mut found = lines.filter(|(key, _)| key.split('{').next() == Some(name));
        found.next().map_or(0.0, |(_, value)| value.parse().unwrap())
    }

    /// Waits until a figure has come down, or up, to this.
    pub(crate) fn until(&self, name: &str, value: f64) {
        let deadline = Instant::now() + PATIENCE;
        while self.figure(name) != value {
            assert!(Instant::now() < deadline, "{name} is {} still", self.figure(name));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What its process has in memory, in bytes; `None` where that can't be known.
    pub(crate) fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1_024)
    }

    /// Asks it to take leave of its clients.
    #[cfg(unix)]
    pub(crate) fn ask_to_stop(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// Waits until it has ended.
    pub(crate) fn ended(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the server does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error says that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.config);
    }
}
