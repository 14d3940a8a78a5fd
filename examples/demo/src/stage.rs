//! The stage: one user on two devices, one of them behind a wire that is going to be cut.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use staywire::{Client, Event, JoinFrom, Room, RoomEvent, State, Token};
use staywire_chaos::Proxy;
use tokio::task::JoinHandle;

use crate::count::Seen;
use crate::screen::Screen;

pub(crate) type Error = Box<dyn std::error::Error>;
type ProviderError = Box<dyn std::error::Error + Send + Sync>;

/// How long any step may take before the demonstration gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Stage {
    proxy: Proxy,
    cuts: AtomicUsize,
    /// Behind the proxy.
    pub(crate) phone: Client,
    /// Connected directly: the witness of what was really said.
    pub(crate) laptop: Client,
}

impl Stage {
    pub(crate) async fn set(server: SocketAddr, screen: &mut Screen) -> Result<Self, Error> {
        let proxy = Proxy::start(server).await?;
        screen.line("server", &format!("http://{server}, a process of its own"));
        let address = proxy.address();
        screen.line("proxy", &format!("http://{address}, which is going to kill the connection"));
        let phone = connect(proxy.address(), server).await?;
        let laptop = connect(server, server).await?;
        screen.line("ada", "on two devices: the phone through the proxy, the laptop directly");
        Ok(Self { proxy, cuts: AtomicUsize::new(0), phone, laptop })
    }

    /// What the laptop sees of a room from a place on, up to where it ends.
    pub(crate) async fn witness(
        &self,
        room: &str,
        from: JoinFrom,
        mut ends: impl FnMut(&Event) -> bool + Send + 'static,
    ) -> Result<JoinHandle<Result<Seen, String>>, Error> {
        let mut room = self.laptop.join_from(room, from).await?;
        Ok(tokio::spawn(async move {
            let mut seen = Seen::default();
            loop {
                if let Some(event) = take(&mut room, &mut seen).await?
                    && ends(&event)
                {
                    return Ok(seen);
                }
            }
        }))
    }

    /// Cuts the phone's wire, and tells how it came back.
    pub(crate) async fn cut(&self, screen: &mut Screen, so_far: &str) -> Result<(), Error> {
        let mut state = self.phone.state();
        let started = Instant::now();
        self.proxy.cut();
        self.cuts.fetch_add(1, Ordering::Relaxed);
        screen.wire_is_cut(so_far);
        let away = state.wait_for(|state| !matches!(state, State::Connected));
        tokio::time::timeout(PATIENCE, away).await?;
        let back = state.wait_for(|state| matches!(state, State::Connected));
        tokio::time::timeout(PATIENCE, back).await?;
        screen.wire_is_back(started.elapsed().as_millis());
        Ok(())
    }

    /// How often the wire was cut.
    pub(crate) fn cuts(&self) -> usize {
        self.cuts.load(Ordering::Relaxed)
    }

    pub(crate) async fn leave(self) {
        self.phone.close().await;
        self.laptop.close().await;
    }
}

/// Takes the next thing of a room, and notes what was seen.
pub(crate) async fn take(room: &mut Room, seen: &mut Seen) -> Result<Option<Event>, String> {
    match room.next().await {
        None => Err(format!("the room ended: {:?}", room.error())),
        Some(RoomEvent::Snapshot(_)) => Ok(None),
        Some(RoomEvent::Gap(gap)) => {
            seen.gap(gap.from, gap.to);
            Ok(None)
        }
        Some(RoomEvent::Event(event)) => {
            note(&event, seen);
            Ok(Some(event))
        }
    }
}

pub(crate) fn note(event: &Event, seen: &mut Seen) {
    let content = String::from_utf8_lossy(event.raw()).into_owned();
    seen.event(event.offset().unwrap_or(0), content);
}

/// A client of user `ada` that fetches its tokens as an app would.
async fn connect(address: SocketAddr, server: SocketAddr) -> Result<Client, Error> {
    let client = Client::builder(&format!("ws://{address}/ws/ai/chat"))
        .token(move || async move { fetch_token(server).await })
        // It is cut more often than any wire should be, and nobody wants to wait here.
        .backoff(Duration::from_millis(100), Duration::from_millis(800))
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
