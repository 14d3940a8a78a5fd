//! The program as it is run: its output, its errors and its exit codes.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should stop where it is")]

use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use staywire_chaos::Proxy;
use staywire_server::Server;
use staywire_server::config::Config;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// How long anything may take. Far longer than it does: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

async fn serve() -> Server {
    let mut config = Config::for_demo();
    config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.ai.offline.token_delay = Duration::from_millis(1);
    Server::start(config).await.unwrap()
}

fn staywire(address: SocketAddr, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_staywire"));
    command
        .args(arguments)
        .env("STAYWIRE_URL", format!("ws://{address}/ws/ai/chat"))
        .env_remove("STAYWIRE_TOKEN")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn run(address: SocketAddr, arguments: &[&str]) -> (i32, String, String) {
    ended(staywire(address, arguments).spawn().unwrap()).await
}

async fn ended(child: Child) -> (i32, String, String) {
    let ended = tokio::time::timeout(PATIENCE, child.wait_with_output());
    let Output { status, stdout, stderr } = ended.await.expect("it ends").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

async fn line(lines: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = tokio::time::timeout(PATIENCE, lines.next_line());
    let line = line.await.expect("a line in time").unwrap().expect("a line");
    serde_json::from_str(&line).expect("JSON")
}

/// A listener that has joined, and its output.
async fn listener(address: SocketAddr, more: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut arguments = vec!["--json", "listen", "chat:1"];
    arguments.extend(more);
    let mut child = staywire(address, &arguments).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

#[tokio::test]
async fn a_question_is_answered_as_text_and_as_objects() {
    let server = serve().await;
    let (code, text, _) = run(server.address(), &["ask", "What", "is", "a", "gap?"]).await;
    assert_eq!(code, 0);
    assert!(text.to_lowercase().contains("gap"), "{text}");
    let (code, lines, notes) = run(server.address(), &["--json", "ask", "What is a gap?"]).await;
    assert_eq!((code, notes.as_str()), (0, ""));
    let objects: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let tokens: String = objects.iter().filter_map(|object| object["token"].as_str()).collect();
    let last = objects.last().unwrap();
    assert_eq!((&last["kind"], &last["text"]), (&"complete".into(), &tokens.as_str().into()));
    assert_eq!(tokens, text.trim_end());
}

#[tokio::test]
async fn what_is_sent_is_listened_to_over_a_cut() {
    let server = serve().await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    let (mut child, mut lines) =
        listener(proxy.address(), &["--history", "9", "--count", "3"]).await;
    let (code, place, _) = run(server.address(), &["send", "chat:1", "n", "1"]).await;
    assert_eq!(code, 0, "{place}");
    let first = line(&mut lines).await;
    assert_eq!((&first["type"], &first["data"]), (&"n".into(), &1.into()));
    proxy.cut();
    run(server.address(), &["send", "chat:1", "--text", "hello"]).await;
    run(server.address(), &["send", "chat:1", "n", "{\"a\":[2]}"]).await;
    assert_eq!(line(&mut lines).await["data"]["text"], "hello");
    let third = line(&mut lines).await;
    assert_eq!((&third["offset"], &third["data"]["a"][0]), (&3.into(), &2.into()));
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert!(status.success());
    assert!(proxy.accepted() >= 2, "it was cut, and came back");
}

#[tokio::test]
async fn a_website_is_generated_and_written() {
    let server = serve().await;
    let folder = std::env::temp_dir().join(format!("staywire-cli-{}", std::process::id()));
    let out = folder.to_str().unwrap();
    let arguments = ["generate", "A shop for garden tools", "--out", out];
    let (code, url, notes) = run(server.address(), &arguments).await;
    assert_eq!(code, 0, "{notes}");
    assert!(url.starts_with(&format!("http://{}/preview/", server.address())), "{url}");
    let page = std::fs::read_to_string(folder.join("index.html")).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    for part in ["<!doctype html>", "<h1", "href=\"style.css\"", "src=\"script.js\""] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[tokio::test]
async fn tasks_are_started_listed_and_watched() {
    let server = serve().await;
    let token = server.gate().verifier().issue("ada", "acme", &[], 3_600_000, now_ms()).unwrap();
    let ada = |arguments: &[&str]| {
        let mut command = staywire(server.address(), arguments);
        ended(command.env("STAYWIRE_TOKEN", &token.token).spawn().unwrap())
    };
    let input = r#"{"prompt":"What is a gap?"}"#;
    let (code, id, _) = ada(&["tasks", "start", "answer", input, "--detach"]).await;
    assert_eq!(code, 0);
    let (code, shown, _) = ada(&["tasks", "watch", id.trim()]).await;
    assert_eq!(code, 0, "{shown}");
    assert!(shown.lines().last().unwrap().contains("done"), "{shown}");
    let (_, listed, _) = ada(&["--json", "tasks", "list"]).await;
    assert!(listed.contains(id.trim()) && listed.contains("\"done\""), "{listed}");
    let (code, _, error) = ada(&["tasks", "start", "dance"]).await;
    assert_eq!(code, 1);
    assert!(error.contains("dance"), "{error}");
}

#[tokio::test]
async fn a_dashboard_is_listed_shown_and_followed() {
    let server = serve().await;
    let (code, listed, _) = run(server.address(), &["dashboard"]).await;
    assert_eq!((code, listed.as_str()), (0, "server               This server\n"));
    let (code, shown, notes) =
        run(server.address(), &["dashboard", "server", "--count", "2"]).await;
    assert_eq!(code, 0, "{notes}");
    assert!(shown.starts_with("  Connections              1\n"), "{shown}");
    assert_eq!(shown.lines().count(), 5 + 2, "the tiles, then the changes: {shown}");
    let (_, lines, notes) =
        run(server.address(), &["--json", "dashboard", "server", "--count", "1"]).await;
    let objects: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((objects[0]["kind"].as_str(), notes.as_str()), (Some("snapshot"), ""));
    assert_eq!(objects[0]["data"]["tiles"][0]["tile_id"], "connections");
    assert_eq!(objects[1]["type"], "dashboard:updated");
}

#[tokio::test]
async fn lines_of_standard_input_are_events() {
    use tokio::io::AsyncWriteExt;
    let server = serve().await;
    let mut child = staywire(server.address(), &["send", "chat:1", "n", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"1\n\n{\"b\":2}\n").await.unwrap();
    let (code, places, _) = ended(child).await;
    assert_eq!((code, places.lines().count()), (0, 2), "{places}");
    let listen = ["--json", "listen", "chat:1", "--history", "9", "--count", "2"];
    let (_, lines, _) = run(server.address(), &listen).await;
    assert!(lines.contains("{\"b\":2}"), "{lines}");
}

#[tokio::test]
async fn each_end_has_its_exit_code() {
    let server = serve().await;
    let address = server.address();
    let nowhere = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    for (address, arguments, code, words) in [
        (address, &["send", "user:somebody", "n"][..], 1, "forbidden"),
        (address, &["send", "chat:1", "n", "this"], 2, "quote a text"),
        (address, &["listen", "chat:1", "--after", "nonsense"], 2, "EPOCH:OFFSET"),
        (address, &["listen", "--token-file", "/no/such/file"], 2, "/no/such/file"),
        (address, &["dashboard", "nothing"], 1, "`dashboards.list`"),
        (address, &["dance"], 2, "unrecognized subcommand"),
        (nowhere, &["--patience", "0.5", "ask", "x"], 3, "NetworkFailed (code 200)"),
        (address, &["listen", "chat:1", "--after", "other.1:5", "--strict"], 4, "missing"),
    ] {
        let (found, out, error) = run(address, arguments).await;
        assert_eq!(found, code, "{arguments:?}: {out}{error}");
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
    server.shut_down().await;
}

#[tokio::test]
async fn every_frame_is_shown_and_no_token() {
    let server = serve().await;
    let token = server.gate().verifier().issue("ada", "acme", &[], 3_600_000, now_ms()).unwrap();
    let mut child = staywire(server.address(), &["--json", "inspect", "chat:1"])
        .env("STAYWIRE_TOKEN", &token.token)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut shown = Vec::new();
    loop {
        let object = line(&mut lines).await;
        let joined = object["detail"]["type"] == "joined";
        shown.push(object);
        if joined {
            break;
        }
    }
    let said = |what: &str| shown.iter().any(|object| object["detail"]["type"] == what);
    assert!(said("hello") && said("welcome") && said("join"), "{shown:?}");
    assert!(shown.iter().any(|object| object["state"] == "connected"));
    assert!(shown.iter().any(|object| object["detail"]["data"]["subject"] == "ada"));
    child.kill().await.unwrap();
    let mut notes = String::new();
    child.stderr.take().unwrap().read_to_string(&mut notes).await.unwrap();
    let all = format!("{shown:?}{notes}");
    let signature = token.token.rsplit('.').next().unwrap();
    assert!(!all.contains(signature), "a token must never be printed");
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}
