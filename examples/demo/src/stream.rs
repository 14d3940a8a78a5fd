//! The scene: a question, an answer, and a wire that is cut in the middle.

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use staywire::{Client, Event, JoinFrom, Room, RoomEvent, State, Token};
use staywire_chaos::Proxy;

use crate::count::{Counted, Seen};

type Error = Box<dyn std::error::Error>;

const QUESTION: &str = "How does a client resume a room after its connection was lost?";

/// How long any step may take before the demonstration gives up.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn play(server: SocketAddr) -> Result<Counted, Error> {
    let proxy = Proxy::start(server).await?;
    println!("server   http://{server}, a process of its own");
    println!("proxy    http://{}, which is going to kill the connection", proxy.address());

    let phone = connect(proxy.address(), server).await?;
    let laptop = connect(server, server).await?;
    println!("ada      on two devices: the phone through the proxy, the laptop directly\n");

    let session_id = format!("demo-{}", std::process::id());
    let room_name = format!("ai:{session_id}");
    let mut on_laptop = laptop.join(&room_name).await?;
    let (epoch, offset) = on_laptop.position();
    let mut on_phone = phone.join_from(&room_name, JoinFrom::Position { epoch, offset }).await?;

    println!("ada      {QUESTION}");
    let ask = json!({"prompt": QUESTION, "session_id": session_id});
    let _: Value = phone.call("ai.ask", &ask).await?;

    let witness = tokio::spawn(async move {
        let mut seen = Seen::default();
        while !take(&mut on_laptop, &mut seen, |_| {}).await? {}
        Ok::<_, String>(seen)
    });

    let cutter = Cutter::new(&phone, &proxy);
    let seen = tokio::time::timeout(PATIENCE, show(&mut on_phone, cutter)).await??;
    let witness = tokio::time::timeout(PATIENCE, witness).await???;
    phone.close().await;
    laptop.close().await;
    Ok(seen.against(&witness))
}

/// A client of user `ada` that fetches its tokens as an app would.
async fn connect(address: SocketAddr, server: SocketAddr) -> Result<Client, Error> {
    let client = Client::builder(&format!("ws://{address}/ws/ai/chat"))
        .token(move || async move { fetch_token(server).await })
        .build()?;
    tokio::time::timeout(PATIENCE, client.connect()).await??;
    Ok(client)
}

async fn fetch_token(server: SocketAddr) -> Result<Token, ProviderError> {
    let url = format!("http://{server}/auth/token");
    let fetch = move || -> Result<String, ureq::Error> {
        let user = json!({"user": "ada", "tenant": "demo"});
        let answer: Value = ureq::post(&url).send_json(&user)?.body_mut().read_json()?;
        Ok(answer["token"].as_str().unwrap_or_default().to_owned())
    };
    Ok(Token::new(tokio::task::spawn_blocking(fetch).await??))
}

type ProviderError = Box<dyn std::error::Error + Send + Sync>;

/// Prints the answer as it comes, and has the wire cut on the way.
async fn show(room: &mut Room, mut cutter: Cutter<'_>) -> Result<Seen, Error> {
    let mut seen = Seen::default();
    print!("ai       ");
    loop {
        let ended = take(room, &mut seen, print_piece).await?;
        std::io::stdout().flush()?;
        if ended {
            return Ok(seen);
        }
        cutter.after(seen.count()).await?;
    }
}

/// Takes the next thing of the room; true if the answer ended with it.
async fn take(
    room: &mut Room,
    seen: &mut Seen,
    mut show: impl FnMut(&Event),
) -> Result<bool, String> {
    match room.next().await {
        None => Err(format!("the room ended: {:?}", room.error())),
        Some(RoomEvent::Snapshot(_)) => Ok(false),
        Some(RoomEvent::Gap(gap)) => {
            seen.gap(gap.from, gap.to);
            Ok(false)
        }
        Some(RoomEvent::Event(event)) => {
            show(&event);
            let kind = event.kind().map_err(|error| error.to_string())?.into_owned();
            let content = String::from_utf8_lossy(event.raw()).into_owned();
            seen.event(event.offset().unwrap_or(0), content);
            Ok(kind == "complete" || kind == "error")
        }
    }
}

fn print_piece(event: &Event) {
    if let Ok(token) = event.data::<staywire::events::AiToken>() {
        print!("{}", token.token);
    }
}

/// Cuts the wire, and tells how the client came back.
struct Cutter<'a> {
    client: &'a Client,
    proxy: &'a Proxy,
    /// Events after which to cut, last first.
    cuts: Vec<usize>,
}

impl<'a> Cutter<'a> {
    fn new(client: &'a Client, proxy: &'a Proxy) -> Self {
        Self { client, proxy, cuts: vec![45, 15] }
    }

    async fn after(&mut self, seen: usize) -> Result<(), Error> {
        if self.cuts.last().is_none_or(|at| seen < *at) {
            return Ok(());
        }
        self.cuts.pop();
        let mut state = self.client.state();
        let started = Instant::now();
        self.proxy.cut();
        print!("\n   ✂    the connection is killed after {seen} events …");
        std::io::stdout().flush()?;
        let away = state.wait_for(|state| !matches!(state, State::Connected));
        tokio::time::timeout(PATIENCE, away).await?;
        let back = state.wait_for(|state| matches!(state, State::Connected));
        tokio::time::timeout(PATIENCE, back).await?;
        print!(" back after {} ms\n        ", started.elapsed().as_millis());
        Ok(())
    }
}
