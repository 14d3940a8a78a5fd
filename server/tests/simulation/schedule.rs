//! Seeded schedules: how a world is set up, what goes wrong in it and when, and how it heals.

use std::sync::atomic::Ordering;

use staywire::engine::{
    BackoffConfig, Config, CredentialsMode, Millis, OutboxConfig, ProtocolChoice,
};
use staywire_server::config::{DedupConfig, HeartbeatConfig, LimitsConfig};
use staywire_server::gateway::refusal::Refusal;

use crate::client::{DialMode, EPOCH_MS, Provider};
use crate::network::{End, Pace};
use crate::planted::Planted;
use crate::rng::Rng;
use crate::server::ClusterConfig;
use crate::world::{Event, Setup, World};

/// Who is told that a connection broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    Both,
    ClientAlone,
    ServerAlone,
    Nobody,
}

/// Which of a client's links; there are two while one replaces the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    Older,
    Newer,
}

/// One thing that goes wrong, or comes right again.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    Links {
        client: usize,
        which: Which,
        tell: Break,
    },
    Stall {
        client: usize,
        for_ms: u64,
    },
    Dial {
        client: usize,
        mode: DialMode,
    },
    Provider {
        client: usize,
        provider: Provider,
    },
    /// Every token issued so far is refused.
    Revoke,
    Sleep {
        client: usize,
        for_ms: u64,
        stops: bool,
        says_so: bool,
    },
    Wake {
        client: usize,
        says_so: bool,
    },
    WallJump {
        client: usize,
        by: i64,
    },
    LateTimers {
        client: usize,
        by: u64,
    },
    Online {
        client: usize,
        online: bool,
    },
    NetworkChanged {
        client: usize,
    },
    Slow {
        client: usize,
        slow: bool,
    },
    Crash {
        instance: usize,
        tell: bool,
    },
    /// Every instance crashes, and the store is gone.
    LoseStore {
        tell: bool,
    },
    Start {
        instance: usize,
    },
    Drain {
        instance: usize,
        window: u64,
        grace: u64,
    },
    Drained {
        instance: usize,
    },
    Store {
        down: bool,
    },
    Deaf {
        deaf: bool,
    },
    Heal,
}

/// How long everything takes to come right at most, after all faults end.
pub(crate) const HEALING_MS: u64 = 120_000;

/// A world and its faults, from a seed.
pub(crate) fn setup(rng: &mut Rng, planted: Option<Planted>) -> Setup {
    let interval_ms = rng.pick(&[2_000, 5_000, 10_000, 30_000]);
    let timeout_ms = rng.pick(&[1_000, 4_000, 10_000]);
    // What is remembered outlives what can be on its way over a link that is not called dead.
    let dedup_ms = (2 * (interval_ms + timeout_ms)).max(rng.pick(&[0, 20_000, 600_000]));
    let slow_lane = rng.percent(5);
    let per_second = |count: u32| count.try_into().expect("it is not 0");
    let limits = LimitsConfig {
        outbound_queue_bytes: rng.pick(&[256, 2_000, 64_000]),
        commands_per_second: per_second(if slow_lane { 5 } else { 200 }),
        commands_burst: per_second(if slow_lane { 20 } else { 2_000 }),
        ..LimitsConfig::default()
    };
    let cluster = ClusterConfig {
        instances: rng.pick(&[1, 2, 2]),
        heartbeat: HeartbeatConfig { interval_ms, timeout_ms },
        limits,
        history_events: rng.pick(&[4, 20, 1_000]),
        history_age_ms: rng.pick(&[15_000, 86_400_000, 86_400_000]),
        dedup: DedupConfig {
            entries_per_producer: rng.pick(&[16, 1_024]),
            max_age_ms: dedup_ms,
            ..DedupConfig::default()
        },
        socket_bytes: rng.pick(&[300, 4_000, 64_000]),
    };
    let client = Config {
        protocol: ProtocolChoice::StaywireV1,
        credentials: CredentialsMode::Provider,
        backoff: BackoffConfig { cap: Millis(rng.pick(&[2_000, 20_000])), ..Default::default() },
        outbox: OutboxConfig {
            // No more than the server remembers, as docs/protocol.md asks for.
            max_entries: cluster.dedup.entries_per_producer,
            ..OutboxConfig::default()
        },
        ..Config::default()
    };
    Setup {
        clients: rng.between(1, 3) as usize,
        client,
        cluster,
        pace: Pace { delay: rng.pick(&[1, 20, 120]), jitter: rng.pick(&[0, 5, 200]) },
        token_life: rng.pick(&[4_000, 15_000, 3_600_000]),
        client_queue: rng.pick(&[3, 12, 500]),
        planted,
    }
}

impl World {
    /// Plans faults up to `until`, and applications that act up to then.
    pub(crate) fn plan(&mut self, until: u64) {
        self.acting_until = until;
        for client in 0..self.clients.len() {
            let at = self.rng.between(0, 3_000);
            self.at(at, Event::Acts { client });
        }
        let faults = self.rng.between(0, 9);
        for _ in 0..faults {
            let at = self.rng.between(500, until);
            self.plan_one(at);
        }
        self.at(until, Event::Fault(Fault::Heal));
    }

    fn plan_one(&mut self, at: u64) {
        let client = self.rng.below(self.clients.len());
        let instance = self.rng.below(self.cluster.instances.len());
        let short = self.rng.between(50, 4_000);
        let long = self.rng.between(200, 30_000);
        let retry_after = self.rng.pick(&[None, Some(500), Some(5_000)]);
        let coin = self.rng.percent(50);
        let (fault, end) = match self.rng.below(26) {
            0..4 => {
                let tell = self.rng.pick(&[
                    Break::Both,
                    Break::ClientAlone,
                    Break::ServerAlone,
                    Break::Nobody,
                ]);
                let which = self.rng.pick(&[Which::All, Which::Older, Which::Newer]);
                (Fault::Links { client, which, tell }, None)
            }
            4 | 5 => (Fault::Stall { client, for_ms: if coin { short } else { long } }, None),
            6..9 => {
                let mode = self.rng.pick(&[
                    DialMode::Refused,
                    DialMode::Hangs,
                    DialMode::TooMany { retry_after },
                    DialMode::Unavailable { retry_after },
                ]);
                let works = Fault::Dial { client, mode: DialMode::Works };
                // Alone it is rarely noticed: what is open breaks as well.
                self.at(
                    at + 1,
                    Event::Fault(Fault::Links { client, which: Which::All, tell: Break::Both }),
                );
                (Fault::Dial { client, mode }, Some((long, works)))
            }
            9 | 10 => {
                let provider = self.rng.pick(&[
                    Provider::Fails,
                    Provider::Hangs,
                    Provider::Expired,
                    Provider::Slow(short),
                    Provider::Slow(long),
                ]);
                let fresh = Fault::Provider { client, provider: Provider::Fresh };
                (Fault::Provider { client, provider }, Some((long, fresh)))
            }
            11 => (Fault::Revoke, None),
            12 | 13 => {
                let for_ms = if coin { long } else { long * 40 };
                let (stops, says_so) = (self.rng.percent(70), self.rng.percent(50));
                (Fault::Sleep { client, for_ms, stops, says_so }, None)
            }
            14 => {
                let by = self.rng.pick(&[-3_600_000, -7_000, 7_000, 3_600_000]);
                (Fault::WallJump { client, by }, None)
            }
            15 => {
                let by = self.rng.pick(&[20, 900, 7_000]);
                let punctual = Fault::LateTimers { client, by: 0 };
                (Fault::LateTimers { client, by }, Some((long, punctual)))
            }
            16 => {
                let online = Fault::Online { client, online: true };
                if coin {
                    self.at(
                        at,
                        Event::Fault(Fault::Links {
                            client,
                            which: Which::All,
                            tell: Break::Nobody,
                        }),
                    );
                }
                (Fault::Online { client, online: false }, Some((long, online)))
            }
            17 => (Fault::NetworkChanged { client }, None),
            18 | 19 => (
                Fault::Slow { client, slow: true },
                Some((long, Fault::Slow { client, slow: false })),
            ),
            20 => (Fault::Crash { instance, tell: coin }, Some((short, Fault::Start { instance }))),
            21 | 22 => (Fault::LoseStore { tell: coin }, None),
            23 => {
                let (window, grace) = (self.rng.between(0, 5_000), self.rng.between(500, 5_000));
                (Fault::Drain { instance, window, grace }, None)
            }
            24 => (Fault::Store { down: true }, Some((short, Fault::Store { down: false }))),
            _ => (Fault::Deaf { deaf: true }, Some((short, Fault::Deaf { deaf: false }))),
        };
        self.at(at, Event::Fault(fault));
        if let Some((after, fault)) = end {
            self.at(at + after, Event::Fault(fault));
        }
    }

    /// Makes a fault come true.
    pub(crate) fn strike(&mut self, fault: Fault) {
        self.trace.line(self.now, format_args!("fault: {fault:?}"));
        match fault {
            Fault::Links { client, which, tell } => {
                let pipes = self.net.of_client(client);
                let pipes = match which {
                    Which::All => &pipes[..],
                    Which::Older => &pipes[..pipes.len().min(1)],
                    Which::Newer => &pipes[pipes.len().saturating_sub(1)..],
                };
                for pipe in pipes {
                    self.break_pipe(*pipe, tell);
                }
            }
            Fault::Stall { client, for_ms } => {
                for pipe in self.net.of_client(client) {
                    self.net.stall(pipe, self.now + for_ms);
                }
            }
            Fault::Dial { client, mode } => self.clients[client].dial = mode,
            Fault::Provider { client, provider } => self.clients[client].provider = provider,
            Fault::Revoke => self.revoked_before = self.now,
            Fault::Sleep { client, for_ms, stops, says_so } => {
                let sim = &mut self.clients[client];
                if sim.asleep.is_none() {
                    sim.asleep = Some(self.now);
                    sim.stops_in_sleep = stops;
                    self.at(self.now + for_ms, Event::Fault(Fault::Wake { client, says_so }));
                }
            }
            Fault::Wake { client, says_so } => self.wake(client, says_so),
            Fault::WallJump { client, by } => self.clients[client].wall_offset += by,
            Fault::LateTimers { client, by } => self.clients[client].lateness = by,
            Fault::Online { client, online } => {
                if self.clients[client].asleep.is_none() {
                    self.clients[client].online = online;
                    self.with(client, |sim, now, _| sim.conn.handle_online(online, now));
                }
            }
            Fault::NetworkChanged { client } => {
                if self.clients[client].asleep.is_none() {
                    self.with(client, |sim, now, _| sim.conn.handle_network_changed(now));
                }
            }
            Fault::Slow { client, slow } => {
                self.clients[client].app.slow = slow;
                self.with(client, |_, _, _| ());
            }
            Fault::Crash { instance, tell } => self.crash(instance, tell),
            Fault::LoseStore { tell } => {
                for instance in 0..self.cluster.instances.len() {
                    self.crash(instance, tell);
                    let after = self.rng.between(100, 3_000);
                    self.at(self.now + after, Event::Fault(Fault::Start { instance }));
                }
                self.cluster.lose_store(EPOCH_MS + self.now);
            }
            Fault::Start { instance } => {
                if self.cluster.instances[instance].shared.is_none() {
                    self.cluster.start(instance);
                }
            }
            Fault::Drain { instance, window, grace } => self.drain(instance, window, grace),
            Fault::Drained { instance } => {
                if self.cluster.instances[instance].draining {
                    for pipe in self.net.of_instance(instance) {
                        self.refuse(pipe, &Refusal::Draining { retry_after_ms: 500 });
                        self.serve(pipe);
                    }
                    self.cluster.start(instance);
                }
            }
            Fault::Store { down } => self.cluster.faults.down.store(down, Ordering::Relaxed),
            Fault::Deaf { deaf } => self.cluster.faults.deaf.store(deaf, Ordering::Relaxed),
            Fault::Heal => self.heal(),
        }
    }

    fn wake(&mut self, client: usize, says_so: bool) {
        let sim = &mut self.clients[client];
        let Some(since) = sim.asleep.take() else { return };
        if sim.stops_in_sleep {
            sim.lost_in_sleep += self.now - since;
        }
        // What is due on its clocks is due at another true time now.
        sim.timer = None;
        for event in std::mem::take(&mut sim.backlog) {
            self.at(self.now + 1, event);
        }
        self.with(client, |sim, now, _| {
            if says_so {
                sim.conn.handle_wake(now);
            }
        });
    }

    pub(crate) fn break_pipe(&mut self, pipe: usize, tell: Break) {
        self.net.vanish(pipe);
        for end in End::BOTH {
            let told = match tell {
                Break::Both => true,
                Break::ClientAlone => end == End::Client,
                Break::ServerAlone => end == End::Server,
                Break::Nobody => false,
            };
            if told {
                let latency = self.net.latency(&mut self.rng);
                self.at(self.now + latency, Event::Breaks { pipe, at: end });
            }
        }
    }

    fn crash(&mut self, instance: usize, tell: bool) {
        for pipe in self.net.of_instance(instance) {
            self.break_pipe(pipe, if tell { Break::ClientAlone } else { Break::Nobody });
            self.server_sees_end(pipe);
        }
        self.cluster.instances[instance].shared = None;
    }

    fn drain(&mut self, instance: usize, window: u64, grace: u64) {
        if self.cluster.instances[instance].shared.is_none() {
            return;
        }
        self.cluster.instances[instance].draining = true;
        for pipe in self.net.of_instance(instance) {
            let after = self.rng.between(0, window);
            self.goaway(pipe, after);
        }
        self.at(self.now + window + grace, Event::Fault(Fault::Drained { instance }));
    }

    /// Ends all faults but those that nobody was told of.
    fn heal(&mut self) {
        for client in 0..self.clients.len() {
            self.wake(client, true);
            let sim = &mut self.clients[client];
            (sim.dial, sim.provider, sim.lateness) = (DialMode::Works, Provider::Fresh, 0);
            sim.app.slow = false;
            if !sim.online {
                self.strike(Fault::Online { client, online: true });
            }
            self.with(client, |_, _, _| ());
        }
        self.setup.token_life = 3_600_000;
        self.strike(Fault::Store { down: false });
        self.strike(Fault::Deaf { deaf: false });
        for instance in 0..self.cluster.instances.len() {
            self.strike(Fault::Start { instance });
        }
    }
}
