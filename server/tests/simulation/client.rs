//! A simulated machine with one client on it: its clocks, its sleep, its token provider, and a
//! driver over [`Connection`] that does what the one on tokio does.

use staywire::connection::{ClientIdentity, Connection};
use staywire::engine::{Config, LinkId, Now, Time, TokenRequest, WallTime};

use crate::app::App;
use crate::world::Event;

/// The wall clock at the beginning of a run, in ms since the Unix epoch.
pub(crate) const EPOCH_MS: u64 = 1_800_000_000_000;

/// A token, as the server sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    pub(crate) ends: u64,
    pub(crate) issued: u64,
}

/// How the token provider behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    Fresh,
    Fails,
    Hangs,
    Expired,
    Slow(u64),
}

/// What happens to an attempt to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DialMode {
    Works,
    Refused,
    Hangs,
    TooMany { retry_after: Option<u64> },
    Unavailable { retry_after: Option<u64> },
    Forbidden,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkState {
    Dialing,
    Open(usize),
}

pub(crate) struct SimClient {
    pub(crate) conn: Connection,
    pub(crate) app: App,
    pub(crate) subject: String,
    pub(crate) links: Vec<(LinkId, LinkState)>,
    pub(crate) credential: Option<Token>,
    pub(crate) provider: Provider,
    /// The question that the provider is busy with.
    pub(crate) asked: Option<TokenRequest>,
    pub(crate) dial: DialMode,
    /// The monotonic clock stands still while the machine sleeps.
    pub(crate) stops_in_sleep: bool,
    /// Since when it sleeps.
    pub(crate) asleep: Option<u64>,
    /// What happened to it in its sleep, and is seen when it wakes.
    pub(crate) backlog: Vec<Event>,
    pub(crate) lost_in_sleep: u64,
    pub(crate) wall_offset: i64,
    /// How late timers fire.
    pub(crate) lateness: u64,
    pub(crate) timer: Option<u64>,
    pub(crate) timer_generation: u64,
    /// The newest link that carried what the application sends.
    pub(crate) carrier: u32,
    pub(crate) online: bool,
    /// Timeouts handled at one instant, to notice a busy loop.
    pub(crate) spins: (u64, u32),
}

impl SimClient {
    pub(crate) fn new(
        name: usize,
        subject: String,
        config: Config,
        queue: usize,
        seed: u64,
    ) -> Self {
        let identity = ClientIdentity {
            instance: format!("instance-{name}"),
            producer: format!("producer-{name}"),
        };
        Self {
            conn: Connection::new(config, identity, seed),
            app: App::new(name, queue),
            subject,
            links: Vec::new(),
            credential: None,
            provider: Provider::Fresh,
            asked: None,
            dial: DialMode::Works,
            stops_in_sleep: true,
            asleep: None,
            backlog: Vec::new(),
            lost_in_sleep: 0,
            wall_offset: 0,
            lateness: 0,
            timer: None,
            timer_generation: 0,
            carrier: 0,
            online: true,
            spins: (0, 0),
        }
    }

    /// This machine's clocks at a true time.
    pub(crate) fn now(&self, now: u64) -> Now {
        let wall = (EPOCH_MS + now).saturating_add_signed(self.wall_offset);
        Now { time: Time(1_000 + now - self.lost_in_sleep), wall: WallTime(wall) }
    }

    /// The true time at which its monotonic clock will show `at`.
    pub(crate) fn true_time(&self, at: Time, now: u64) -> u64 {
        now + at.since(self.now(now).time).0
    }

    pub(crate) fn pipe_of(&self, link: LinkId) -> Option<usize> {
        self.links.iter().find_map(|(known, state)| match state {
            LinkState::Open(pipe) if *known == link => Some(*pipe),
            _ => None,
        })
    }

    pub(crate) fn knows(&self, link: LinkId) -> bool {
        self.links.iter().any(|(known, _)| *known == link)
    }

    pub(crate) fn forget(&mut self, link: LinkId) {
        self.links.retain(|(known, _)| *known != link);
    }
}
