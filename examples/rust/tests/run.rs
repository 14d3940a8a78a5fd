//! Each program runs against a real server and says what it should; each fits on a screen.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should stop where it is")]

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use staywire_server::Server;
use staywire_server::config::Config;
use tokio::process::Command;

/// How long a program may take. Far longer than it does: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

async fn serve() -> String {
    let mut config = Config::for_demo();
    config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::start(config).await.unwrap();
    format!("ws://{}/ws/ai/chat", server.address())
}

async fn run(program: &str, url: &str, input: &str) -> String {
    use tokio::io::AsyncWriteExt;
    let mut child = Command::new(program)
        .env("STAYWIRE_URL", url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let output = output.expect("it ends").unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn ask_prints_an_answer() {
    let said = run(env!("CARGO_BIN_EXE_ask"), &serve().await, "").await;
    assert!(said.contains("gap"), "{said}");
}

#[tokio::test]
async fn chat_says_and_hears() {
    let url = serve().await;
    run(env!("CARGO_BIN_EXE_chat"), &url, "hello\n").await;
    let said = run(env!("CARGO_BIN_EXE_chat"), &url, "again\n").await;
    assert!(said.contains("hello"), "{said}");
}

#[tokio::test]
async fn dashboard_prints_what_it_shows() {
    let said = run(env!("CARGO_BIN_EXE_dashboard"), &serve().await, "").await;
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 5, "{said}");
    assert!(lines.iter().all(|line| line.starts_with("This server: Connections 1, ")), "{said}");
}

#[tokio::test]
async fn generate_shows_its_progress_to_the_end() {
    let said = run(env!("CARGO_BIN_EXE_generate"), &serve().await, "").await;
    assert!(said.contains("100 %") && said.contains("see /preview/"), "{said}");
}

#[tokio::test]
async fn own_events_come_back_typed() {
    let said = run(env!("CARGO_BIN_EXE_own_events"), &serve().await, "").await;
    assert_eq!(said, "the server has it at 1\nknight to f3\n");
}

#[tokio::test]
async fn own_token_names_the_user() {
    let said = run(env!("CARGO_BIN_EXE_own_token"), &serve().await, "").await;
    assert_eq!(said, "connected as ada\n");
}

#[tokio::test]
async fn plain_talks_to_any_server() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let said = socket.next().await.unwrap().unwrap();
        assert!(said.to_text().unwrap().contains("Ada"));
        socket.send(r#"{"type":"hello","data":"Ada"}"#.into()).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
    });
    assert_eq!(run(env!("CARGO_BIN_EXE_plain"), &url, "").await, "hello: \"Ada\"\n");
}

#[test]
fn each_program_fits_on_a_screen() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines < 40, "{} has {lines} lines", path.display());
    }
}
