//! The world of one run: one true time, one queue of events, and everybody who lives by it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::{Arc, Mutex};

use staywire::engine::{Config, LinkId, TokenRequest};
use staywire_server::bus::memory::HistoryBounds;

use crate::client::{SimClient, Token};
use crate::model::Truth;
use crate::network::{End, Network, Pace};
use crate::planted::Planted;
use crate::rng::Rng;
use crate::schedule::{Break, Fault, Which};
use crate::server::{Cluster, ClusterConfig};
use crate::trace::Trace;

/// What a world is made of.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) clients: usize,
    pub(crate) client: Config,
    pub(crate) cluster: ClusterConfig,
    pub(crate) pace: Pace,
    pub(crate) token_life: u64,
    /// Events that wait for a slow application at most.
    pub(crate) client_queue: usize,
    pub(crate) planted: Option<Planted>,
}

/// When a link is killed, against a message that the server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The message was not sent yet.
    Before,
    /// It is on its way, and lost.
    Inside,
    /// It arrived.
    After,
}

/// Kills a client's links at one message of all that are sent to clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kill {
    pub(crate) message: u64,
    pub(crate) moment: Moment,
    pub(crate) which: Which,
    pub(crate) tell: Break,
}

/// What is due at a time.
#[derive(Debug)]
pub(crate) enum Event {
    Arrives {
        pipe: usize,
        at: End,
    },
    /// An end learns that the connection broke.
    Breaks {
        pipe: usize,
        at: End,
    },
    DialArrives {
        client: usize,
        link: LinkId,
        token: Option<Token>,
    },
    DialEnds {
        client: usize,
        link: LinkId,
        result: DialResult,
    },
    ClientTimer {
        client: usize,
        generation: u64,
    },
    TokenAnswer {
        client: usize,
        request: TokenRequest,
        token: Option<Token>,
    },
    Acts {
        client: usize,
    },
    ConnTimer {
        pipe: usize,
        generation: u64,
    },
    Tips,
    Fault(Fault),
    /// A service appends an event to a room of its own accord.
    Feed {
        room: &'static str,
        every: u64,
        until: u64,
    },
}

/// How an attempt to connect ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DialResult {
    Open(usize),
    Failed(staywire::engine::Failure),
}

#[derive(Debug)]
pub(crate) struct Due {
    at: u64,
    order: u64,
    event: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) rng: Rng,
    pub(crate) setup: Setup,
    pub(crate) net: Network,
    pub(crate) cluster: Cluster,
    pub(crate) clients: Vec<SimClient>,
    pub(crate) truth: Arc<Mutex<Truth>>,
    pub(crate) trace: Trace,
    pub(crate) violations: Vec<String>,
    /// Applications act until then.
    pub(crate) acting_until: u64,
    /// Messages to clients so far, for faults that are planted or placed at one of them.
    pub(crate) to_clients: u64,
    pub(crate) kills: Vec<Kill>,
    /// The first and the last message that was sent to a client with two links.
    pub(crate) on_two_links: Option<(u64, u64)>,
    pub(crate) revoked_before: u64,
    pub(crate) planted_done: bool,
    pub(crate) fed: u64,
    steps: u64,
    /// A run that takes more than this goes round in circles.
    pub(crate) most_steps: u64,
    queue: BinaryHeap<Reverse<Due>>,
    order: u64,
}

impl World {
    pub(crate) fn new(setup: Setup, seed: u64, readable: bool) -> Self {
        let history = HistoryBounds {
            bytes: 1 << 20,
            events: setup.cluster.history_events,
            max_age_ms: setup.cluster.history_age_ms,
        };
        let truth = Arc::new(Mutex::new(Truth::new(history)));
        let mut rng = Rng::new(seed);
        let clients = (0..setup.clients)
            .map(|name| {
                // The first two are devices of one user.
                let subject = format!("user-{}", name.max(1));
                SimClient::new(name, subject, setup.client, setup.client_queue, rng.next())
            })
            .collect();
        let mut world = Self {
            now: 0,
            rng,
            net: Network::new(setup.pace),
            cluster: Cluster::new(setup.cluster.clone(), &truth, setup.planted),
            clients,
            truth,
            trace: Trace::new(readable),
            violations: Vec::new(),
            acting_until: 0,
            to_clients: 0,
            kills: Vec::new(),
            on_two_links: None,
            revoked_before: 0,
            planted_done: false,
            fed: 0,
            steps: 0,
            most_steps: 200_000,
            queue: BinaryHeap::new(),
            order: 0,
            setup,
        };
        world.at(10_000, Event::Tips);
        world
    }

    pub(crate) fn at(&mut self, at: u64, event: Event) {
        self.order += 1;
        self.queue.push(Reverse(Due { at: at.max(self.now), order: self.order, event }));
    }

    pub(crate) fn fail(&mut self, what: String) {
        self.trace.line(self.now, format_args!("VIOLATION {what}"));
        if self.violations.len() < 20 {
            self.violations.push(format!("at {} ms: {what}", self.now));
        }
    }

    /// Lets everything happen that is due up to `until`, or until something is wrong.
    pub(crate) fn run_until(&mut self, until: u64) {
        while let Some(Reverse(due)) = self.queue.peek()
            && due.at <= until
            && self.violations.is_empty()
        {
            let Some(Reverse(due)) = self.queue.pop() else { break };
            self.now = due.at;
            self.steps += 1;
            if self.steps > self.most_steps {
                self.fail("it never comes to rest".into());
                break;
            }
            self.happen(due.event);
            self.serve_ready();
        }
        self.now = self.now.max(until);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrives { pipe, at: End::Client } => self.arrives_at_client(pipe),
            Event::Arrives { pipe, at: End::Server } => self.arrives_at_server(pipe),
            Event::Breaks { pipe, at: End::Client } => self.client_sees_end(pipe, None),
            Event::Breaks { pipe, at: End::Server } => self.server_sees_end(pipe),
            Event::DialArrives { client, link, token } => self.dial_arrives(client, link, token),
            Event::DialEnds { client, link, result } => self.dial_ends(client, link, result),
            Event::ClientTimer { client, generation } => self.client_timer(client, generation),
            Event::TokenAnswer { client, request, token } => {
                self.token_answer(client, request, token);
            }
            Event::Acts { client } => self.acts(client),
            Event::ConnTimer { pipe, generation } => self.conn_timer(pipe, generation),
            Event::Tips => {
                self.compare_tips();
                self.at(self.now + 10_000, Event::Tips);
            }
            Event::Fault(fault) => self.strike(fault),
            Event::Feed { room, every, until } => {
                self.feed(room);
                if self.now + every <= until {
                    self.at(self.now + every, Event::Feed { room, every, until });
                }
            }
        }
    }

    /// Events that are due later; bounded, or something breeds.
    pub(crate) fn due(&self) -> usize {
        self.queue.len()
    }

    /// Two ends of connections that are held, by client.
    pub(crate) fn held(&self) -> BTreeMap<usize, usize> {
        (0..self.clients.len()).map(|client| (client, self.net.of_client(client).len())).collect()
    }
}
