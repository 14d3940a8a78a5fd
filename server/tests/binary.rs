//! The program itself: its flags, the line that says it is ready, and how it takes leave.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test that can't go on should stop")]

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);

/// The server as a process, which ends with this.
struct Program(Child);

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_staywire-server"));
        program.args(arguments).stdin(Stdio::null());
        Self(program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// The first line that it prints.
    fn first_line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        line
    }

    fn signal(&self, signal: &str) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// How it ended, and what it said of it.
    fn end(mut self) -> (ExitStatus, String) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut said = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status, said)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The address in the line that says it is ready.
fn address(line: &str) -> &str {
    let rest = line.split_once("listens on http://").unwrap_or_else(|| panic!("{line:?}")).1;
    rest.split_whitespace().next().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_hands_out_tokens_and_takes_leave_of_its_clients() {
    let mut program = Program::start(&["--demo", "--listen", "127.0.0.1:0"]);
    let line = program.first_line();
    assert!(line.contains("demo"), "{line}");
    let address = address(&line).to_owned();

    let url = format!("http://{address}/auth/token");
    let ask = move || {
        let user = json!({"user": "ada", "tenant": "acme"});
        ureq::post(&url).send_json(user).unwrap().body_mut().read_json::<Value>().unwrap()
    };
    let issued = tokio::task::spawn_blocking(ask).await.unwrap();
    assert!(issued["expires_at"].is_string() || issued["expires_at"].is_number(), "{issued}");
    let token = issued["token"].as_str().unwrap().to_owned();

    let client = staywire::Client::builder(&format!("ws://{address}/ws/ai/chat")).token(token);
    let client = client.build().unwrap();
    tokio::time::timeout(PATIENCE, client.connect()).await.unwrap().unwrap();
    assert_eq!(client.identity().unwrap().subject, "ada");

    program.signal("-TERM");
    let mut state = client.state();
    let left = state.wait_for(|state| !matches!(state, staywire::State::Connected));
    tokio::time::timeout(PATIENCE, left).await.unwrap();
    client.close().await;
    let (status, said) = program.end();
    assert!(status.success(), "{status}: {said}");
    assert!(said.contains("draining"), "{said}");
}

/// A configuration file that is gone with this.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("staywire-{name}-{}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_server_that_trusts_nobody_does_not_start_and_says_what_to_do() {
    let (status, said) = Program::start(&["--listen", "127.0.0.1:0"]).end();
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("hs256_secret") && said.contains("--demo"), "{said}");
}

#[test]
fn without_the_demo_nobody_gets_a_token() {
    let secret = "auth.hs256_secret = \"a secret of no less than 32 bytes\"\n";
    let file = File::new("secret", secret);
    let mut program = Program::start(&["--config", file.path(), "--listen", "127.0.0.1:0"]);
    let line = program.first_line();
    assert!(!line.contains("demo"), "{line}");
    let url = format!("http://{}/auth/token", address(&line));
    let refused = ureq::post(&url).send_json(json!({"user": "ada", "tenant": "acme"}));
    assert!(matches!(refused, Err(ureq::Error::StatusCode(404))), "{refused:?}");
    program.signal("-INT");
    assert!(program.end().0.success());
}

/// A set of public keys, with one that RFC 8037, A.2 shows.
fn key_set(names: &[&str]) -> String {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let keys = names.iter().map(
        |kid| json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x}),
    );
    json!({"keys": keys.collect::<Vec<_>>()}).to_string()
}

#[test]
fn keys_are_read_again_at_a_hangup_and_bad_ones_change_nothing() {
    let keys = File::new("keys", &key_set(&["old"]));
    let config = format!("[auth]\njwks_file = {:?}\nalgorithm = \"EdDSA\"\n", keys.path());
    let config = File::new("jwks", &config);
    let mut program = Program::start(&["--config", config.path(), "--listen", "127.0.0.1:0"]);
    program.first_line();
    let mut said = BufReader::new(program.0.stderr.take().unwrap()).lines();
    let mut next = || said.next().unwrap().unwrap();

    std::fs::write(keys.path(), key_set(&["old", "new"])).unwrap();
    program.signal("-HUP");
    assert!(next().contains("2 keys"));
    std::fs::write(keys.path(), "nonsense").unwrap();
    program.signal("-HUP");
    let refused = next();
    assert!(refused.contains("stay as they are") && refused.contains(keys.path()), "{refused}");
}

#[test]
fn a_configuration_that_is_wrong_is_named_and_nothing_is_served() {
    let file = File::new("wrong", "[limits]\nmax_frame_bites = 1\n");
    let (status, said) = Program::start(&["--config", file.path()]).end();
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("max_frame_bites"), "{said}");
    let (status, said) = Program::start(&["--config", "no/such/file.toml"]).end();
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("no/such/file.toml"), "{said}");
}
