//! The server side: instances of hub and sessions over one store, each connection served as the
//! gateway serves a socket, and the load balancer before them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use staywire::engine::{Failure, FailureKind, LinkId, Millis};
use staywire::wire::control::History;
use staywire_server::bus::memory::{DedupBounds, HistoryBounds};
use staywire_server::bus::{Bus, RoomKey, StoredEvent};
use staywire_server::config::{DedupConfig, HeartbeatConfig, LimitsConfig};
use staywire_server::gateway::Identity;
use staywire_server::gateway::limits::Places;
use staywire_server::gateway::refusal::Refusal;
use staywire_server::hub::{Hub, Outbound, Outgoing};
use staywire_server::session::{AwayPlaces, Caller, Dialect, Session, Shared};

use crate::app::TENANT;
use crate::bus::{BusFaults, ModelBus};
use crate::client::{DialMode, EPOCH_MS, Token};
use crate::model::{Scribe, Truth};
use crate::network::{End, Packet, Received};
use crate::planted::Planted;
use crate::services::{Desk, Effects};
use crate::world::{DialResult, Event, World};

/// How the server is configured.
#[derive(Debug, Clone)]
pub(crate) struct ClusterConfig {
    pub(crate) instances: usize,
    pub(crate) heartbeat: HeartbeatConfig,
    pub(crate) limits: LimitsConfig,
    pub(crate) history_events: usize,
    pub(crate) history_age_ms: u64,
    pub(crate) dedup: DedupConfig,
    /// Bytes that a socket takes before its peer has read them.
    pub(crate) socket_bytes: usize,
}

/// How long a connection that ends may take to send what is left.
const LINGER_MS: u64 = 5_000;

#[derive(Default)]
pub(crate) struct Instance {
    /// `None` while it is down.
    pub(crate) shared: Option<Arc<Shared>>,
    pub(crate) draining: bool,
}

pub(crate) struct Conn {
    session: Option<Session>,
    out: Arc<Outbound>,
    inbox: VecDeque<Packet>,
    timer: Option<u64>,
    generation: u64,
    linger_until: Option<u64>,
}

pub(crate) struct Cluster {
    pub(crate) config: ClusterConfig,
    pub(crate) bus: Arc<ModelBus>,
    pub(crate) faults: Arc<BusFaults>,
    pub(crate) effects: Arc<Effects>,
    pub(crate) instances: Vec<Instance>,
    pub(crate) conns: BTreeMap<usize, Conn>,
    ready: Arc<Mutex<Vec<usize>>>,
    stores: u64,
    truth: Arc<Mutex<Truth>>,
    planted: Option<Planted>,
}

impl Cluster {
    pub(crate) fn new(
        config: ClusterConfig,
        truth: &Arc<Mutex<Truth>>,
        planted: Option<Planted>,
    ) -> Self {
        let faults = Arc::new(BusFaults::default());
        faults.forgetful.store(planted == Some(Planted::ForgottenRepeats), Ordering::Relaxed);
        faults.same_epochs.store(planted == Some(Planted::SameEpoch), Ordering::Relaxed);
        let mut cluster = Self {
            bus: store_of(&config, 1, &faults),
            instances: (0..config.instances).map(|_| Instance::default()).collect(),
            config,
            faults,
            effects: Arc::default(),
            conns: BTreeMap::new(),
            ready: Arc::default(),
            stores: 1,
            truth: truth.clone(),
            planted,
        };
        cluster.bus.watch(Arc::new(Scribe(truth.clone())));
        for instance in 0..cluster.instances.len() {
            cluster.start(instance);
        }
        cluster
    }

    /// Starts an instance over the store as it is.
    pub(crate) fn start(&mut self, instance: usize) {
        let config = &self.config;
        let history =
            History { max_events: config.history_events as u64, max_age_ms: config.history_age_ms };
        let bus: Arc<dyn Bus> = self.bus.clone();
        let desk = Desk {
            effects: self.effects.clone(),
            places: Places::new(&config.limits),
            twice: self.planted == Some(Planted::CallTwice),
        };
        let shared = Shared {
            hub: Arc::new(Hub::new(bus, history)),
            services: Arc::new(desk),
            limits: config.limits.clone(),
            heartbeat: config.heartbeat.clone(),
            dedup: config.dedup.clone(),
            away: AwayPlaces::default(),
        };
        self.instances[instance] = Instance { shared: Some(Arc::new(shared)), draining: false };
    }

    /// The store is gone with all that was in it, and another takes its place.
    pub(crate) fn lose_store(&mut self, now_ms: u64) {
        self.stores += 1;
        self.bus = store_of(&self.config, self.stores, &self.faults);
        if self.planted == Some(Planted::SameEpoch) {
            crate::planted::bring_back(&self.bus, &self.truth, now_ms);
        }
        self.bus.watch(Arc::new(Scribe(self.truth.clone())));
    }

    /// Connections of sessions in a room, over all instances.
    pub(crate) fn members(&self, room: &str) -> usize {
        let key = RoomKey::new(TENANT, room);
        self.instances
            .iter()
            .filter_map(|instance| instance.shared.as_ref())
            .map(|shared| shared.hub.members(&key))
            .sum()
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.conns.values().map(|conn| conn.out.bytes()).max().unwrap_or(0)
    }
}

fn store_of(config: &ClusterConfig, number: u64, faults: &Arc<BusFaults>) -> Arc<ModelBus> {
    let history = HistoryBounds {
        events: config.history_events,
        bytes: 1 << 20,
        max_age_ms: config.history_age_ms,
    };
    let dedup = DedupBounds {
        entries: config.dedup.entries_per_producer,
        max_age_ms: config.dedup.max_age_ms,
    };
    Arc::new(ModelBus::new(&format!("store{number}"), history, dedup, faults.clone()))
}

/// Everything that a session does over this store is done at once.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("nothing waits over a store in memory")
}

impl World {
    pub(crate) fn server_ms(&self) -> u64 {
        EPOCH_MS + self.now
    }

    // ---- The load balancer and the upgrade ----

    pub(crate) fn dial_arrives(&mut self, client: usize, link: LinkId, token: Option<Token>) {
        let failed = |kind, retry_after: Option<u64>| {
            DialResult::Failed(Failure { kind, retry_after: retry_after.map(Millis) })
        };
        let healthy: Vec<usize> = (0..self.cluster.instances.len())
            .filter(|index| self.cluster.instances[*index].shared.is_some())
            .collect();
        let taking: Vec<usize> = healthy
            .iter()
            .copied()
            .filter(|index| !self.cluster.instances[*index].draining)
            .collect();
        let result = match self.clients[client].dial {
            DialMode::Hangs => return,
            DialMode::Refused => failed(FailureKind::Network, None),
            DialMode::TooMany { retry_after } => failed(FailureKind::RateLimited, retry_after),
            DialMode::Unavailable { retry_after } => failed(FailureKind::Unavailable, retry_after),
            DialMode::Forbidden => failed(FailureKind::Forbidden, None),
            DialMode::Works if healthy.is_empty() => failed(FailureKind::Network, None),
            DialMode::Works if taking.is_empty() => failed(FailureKind::Unavailable, Some(1_000)),
            DialMode::Works => match token {
                Some(token) if token.ends > self.now && token.issued >= self.revoked_before => {
                    let instance = self.rng.pick(&taking);
                    DialResult::Open(self.accept(client, link, instance, token))
                }
                _ => failed(FailureKind::Unauthorized, None),
            },
        };
        let latency = self.net.latency(&mut self.rng);
        self.at(self.now + latency, Event::DialEnds { client, link, result });
    }

    fn accept(&mut self, client: usize, link: LinkId, instance: usize, token: Token) -> usize {
        let pipe = self.net.open(client, link, instance);
        let now_ms = self.server_ms();
        let Some(shared) = self.cluster.instances[instance].shared.clone() else { return pipe };
        let ready = self.cluster.ready.clone();
        let waker = Box::new(move || ready.lock().expect("no poison").push(pipe));
        let out = Arc::new(Outbound::new(shared.limits.outbound_queue_bytes, false, waker));
        let identity = Identity {
            subject: self.clients[client].subject.clone(),
            tenant: TENANT.to_owned(),
            roles: Vec::new(),
            expires_at_ms: Some(EPOCH_MS + token.ends),
            anonymous: false,
        };
        let caller = Caller { identity, instance: String::new(), session_id: None };
        let mut session = Session::new(shared, caller, Dialect::V1, out.clone(), now_ms);
        at_once(session.start(now_ms)).expect("such a session starts with nothing");
        self.cluster.conns.insert(
            pipe,
            Conn {
                session: Some(session),
                out,
                inbox: VecDeque::new(),
                timer: None,
                generation: 0,
                linger_until: None,
            },
        );
        self.serve(pipe);
        pipe
    }

    // ---- One connection ----

    pub(crate) fn arrives_at_server(&mut self, pipe: usize) {
        match self.net.receive(pipe, End::Server, self.now) {
            Received::Nothing => {}
            Received::Later(at) => self.at(at, Event::Arrives { pipe, at: End::Server }),
            Received::Packet(Packet::Close(_)) => self.server_sees_end(pipe),
            Received::Packet(packet) => {
                self.trace.mix(self.now, packet.bytes());
                if let Some(conn) = self.cluster.conns.get_mut(&pipe) {
                    conn.inbox.push_back(packet);
                    self.serve(pipe);
                }
            }
        }
    }

    pub(crate) fn server_sees_end(&mut self, pipe: usize) {
        self.trace.line(self.now, format_args!("server: pipe {pipe} ended"));
        self.net.let_go(pipe, End::Server);
        self.cluster.conns.remove(&pipe);
    }

    pub(crate) fn conn_timer(&mut self, pipe: usize, generation: u64) {
        let now_ms = self.server_ms();
        let Some(conn) = self.cluster.conns.get_mut(&pipe) else { return };
        if conn.generation != generation {
            return;
        }
        conn.timer = None;
        if conn.linger_until.is_some_and(|until| until <= self.now) {
            self.hang_up(pipe, None);
            return;
        }
        if let Some(session) = &mut conn.session
            && let Err(refusal) = session.handle_timeout(now_ms)
        {
            self.refuse(pipe, &refusal);
        }
        self.serve(pipe);
    }

    /// Says why a connection ends, and lets what waits leave before it does.
    pub(crate) fn refuse(&mut self, pipe: usize, refusal: &Refusal) {
        self.trace.line(self.now, format_args!("server: pipe {pipe} is refused: {refusal}"));
        if let Some(conn) = self.cluster.conns.get_mut(&pipe)
            && let Some(session) = conn.session.take()
        {
            session.refuse(refusal);
            conn.linger_until = Some(self.now + LINGER_MS);
        }
    }

    pub(crate) fn goaway(&mut self, pipe: usize, reconnect_after_ms: u64) {
        if let Some(conn) = self.cluster.conns.get(&pipe)
            && let Some(session) = &conn.session
        {
            session.goaway("drain", reconnect_after_ms);
        }
    }

    fn hang_up(&mut self, pipe: usize, code: Option<u16>) {
        self.send(pipe, End::Client, Packet::Close(code));
        self.net.let_go(pipe, End::Server);
        self.cluster.conns.remove(&pipe);
    }

    /// Serves whatever became ready, in an order that doesn't depend on who called whom.
    pub(crate) fn serve_ready(&mut self) {
        for turn in 0.. {
            if turn > 10_000 {
                self.fail("connections wake each other without end".into());
                return;
            }
            let mut ready = std::mem::take(&mut *self.cluster.ready.lock().expect("no poison"));
            if ready.is_empty() {
                return;
            }
            ready.sort_unstable();
            ready.dedup();
            for pipe in ready {
                self.serve(pipe);
            }
        }
    }

    /// Reads commands and writes what waits, as far as the connection goes.
    pub(crate) fn serve(&mut self, pipe: usize) {
        let now_ms = self.server_ms();
        for turn in 0.. {
            let Some(conn) = self.cluster.conns.get_mut(&pipe) else { return };
            if turn > 10_000 {
                self.fail(format!("the server serves pipe {pipe} without end"));
                return;
            }
            let mut result = Ok(());
            let mut idle = true;
            if let Some(session) = &mut conn.session {
                if !conn.out.is_clogged()
                    && let Some(packet) = conn.inbox.pop_front()
                {
                    idle = false;
                    result = handle(session, packet, now_ms);
                } else if conn.out.take_behind() {
                    idle = false;
                    result = at_once(session.catch_up(now_ms));
                }
            }
            let message =
                if self.net.in_flight(pipe, End::Client) < self.cluster.config.socket_bytes {
                    conn.out.take()
                } else {
                    None
                };
            if let Err(refusal) = result {
                self.refuse(pipe, &refusal);
                idle = false;
            }
            match message {
                Some(Outgoing::Text(text)) => self.send_to_client(pipe, Packet::Text(text)),
                Some(Outgoing::Binary(bytes)) => self.send_to_client(pipe, Packet::Binary(bytes)),
                None if idle => break,
                // Pings of the WebSocket layer go to plain peers alone; there are none here.
                Some(Outgoing::Event { .. } | Outgoing::Ping) | None => {}
            }
        }
        let Some(conn) = self.cluster.conns.get_mut(&pipe) else { return };
        if let Some((code, _)) = conn.out.closing() {
            self.hang_up(pipe, Some(code));
            return;
        }
        let due = match (&conn.session, conn.linger_until) {
            (_, Some(until)) => until,
            (Some(session), None) => session.deadline().saturating_sub(EPOCH_MS).max(self.now + 1),
            (None, None) => return,
        };
        // A timer that is early looks again; one that is late would be a fault.
        if conn.timer.is_none_or(|at| at > due) {
            conn.timer = Some(due);
            conn.generation += 1;
            let generation = conn.generation;
            self.at(due, Event::ConnTimer { pipe, generation });
        }
    }

    // ---- The store ----

    pub(crate) fn compare_tips(&mut self) {
        for instance in &self.cluster.instances {
            if let Some(shared) = &instance.shared {
                // A store that is out of reach is asked again the next time.
                let _ = at_once(shared.hub.compare_tips(EPOCH_MS + self.now));
            }
        }
        self.cluster.bus.sweep(EPOCH_MS + self.now);
    }

    pub(crate) fn feed(&mut self, room: &str) {
        self.fed += 1;
        let json = format!(r#"{{"type":"fed","data":{{"uid":{}}}}}"#, self.fed);
        let event = StoredEvent { json: json.into(), binary: None, at_ms: self.server_ms() };
        let _ = at_once(self.cluster.bus.append(&RoomKey::new(TENANT, room), event, None));
    }
}

fn handle(session: &mut Session, packet: Packet, now_ms: u64) -> Result<(), Refusal> {
    match packet {
        Packet::Text(text) => at_once(session.handle_text(&text, now_ms)),
        Packet::Binary(bytes) => at_once(session.handle_binary(&Bytes::clone(&bytes), now_ms)),
        Packet::Close(_) => Ok(()),
    }
}
