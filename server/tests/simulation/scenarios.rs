//! Long or exact stories in virtual time, each with one promise to keep.

use staywire::engine::{
    BackoffConfig, Cause, Config, CredentialsMode, From, ProtocolChoice, State,
};
use staywire_server::config::{DedupConfig, HeartbeatConfig, LimitsConfig};

use crate::client::Provider;
use crate::network::{End, Pace};
use crate::run::wanted_seed;
use crate::schedule::{Break, Fault, Which};
use crate::server::ClusterConfig;
use crate::world::{Event, Kill, Moment, Setup, World};

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const DAY: u64 = 24 * HOUR;

/// Two clients' worth of an ordinary day: two instances, a good network, the defaults.
fn ordinary(token_life: u64) -> Setup {
    Setup {
        clients: 1,
        client: Config {
            protocol: ProtocolChoice::StaywireV1,
            credentials: CredentialsMode::Provider,
            backoff: BackoffConfig::default(),
            ..Config::default()
        },
        cluster: ClusterConfig {
            instances: 2,
            heartbeat: HeartbeatConfig::default(),
            limits: LimitsConfig::default(),
            history_events: 100_000,
            history_age_ms: 10 * DAY,
            dedup: DedupConfig::default(),
            socket_bytes: 64_000,
        },
        pace: Pace { delay: 20, jitter: 0 },
        token_life,
        client_queue: 100_000,
        planted: None,
    }
}

/// A world whose clients are connected and in room `a`.
fn started(setup: Setup, seed: u64) -> World {
    let mut world = World::new(setup, seed, false);
    world.most_steps = u64::MAX;
    for client in 0..world.clients.len() {
        world.with(client, |sim, now, oracle| {
            sim.conn.connect(now);
            sim.app.join("a", From::Tip, &mut sim.conn, now, oracle);
        });
    }
    world.run_until(SECOND);
    world
}

fn feed(world: &mut World, from: u64, every: u64, until: u64) {
    world.at(from, Event::Feed { room: "a", every, until });
}

/// Everything fed was delivered, once, without a gap, and nothing else is wrong.
fn complete(world: &mut World) -> Result<(), String> {
    if world.violations.is_empty() {
        world.check_end();
    }
    for sim in &world.clients {
        for stay in sim.app.stays.iter().filter(|stay| stay.active) {
            if stay.delivered != world.fed || stay.gaps > 0 {
                let (got, gaps) = (stay.delivered, stay.gaps);
                return Err(format!("{got} of {} events and {gaps} gaps", world.fed));
            }
        }
    }
    match world.violations.is_empty() {
        true => Ok(()),
        false => Err(world.violations.join("\n")),
    }
}

fn only_connected(world: &World) {
    for sim in &world.clients {
        assert_eq!(sim.app.states, [State::Connecting, State::Connected], "it was never away");
    }
}

#[test]
fn a_week_of_heartbeats_needs_one_link_and_no_memory() {
    if wanted_seed().is_some() {
        return;
    }
    let mut world = started(ordinary(30 * DAY), 1);
    world.run_until(DAY);
    let due = world.due();
    world.run_until(7 * DAY);
    assert!(world.due() <= due + 2, "{} things are due, {due} were after a day", world.due());
    assert_eq!(world.clients[0].links.len(), 1);
    assert_eq!(world.net.opened(), 1, "one link in a week");
    only_connected(&world);
    complete(&mut world).unwrap();
}

#[test]
fn after_each_night_a_proven_link_is_there_within_two_seconds() {
    if wanted_seed().is_some() {
        return;
    }
    for (stops, tell) in [
        (true, Break::Nobody),
        (true, Break::ServerAlone),
        (false, Break::Nobody),
        (true, Break::Both),
        (false, Break::Both),
    ] {
        let mut world = started(ordinary(HOUR), 2);
        feed(&mut world, 0, 60 * SECOND, 7 * DAY);
        for night in 0..7 {
            let dusk = night * DAY + 16 * HOUR + night * 611;
            world.run_until(dusk);
            let sleep = Fault::Sleep { client: 0, for_ms: 8 * HOUR, stops, says_so: true };
            world.at(dusk, Event::Fault(sleep));
            world.at(
                dusk + SECOND,
                Event::Fault(Fault::Links { client: 0, which: Which::All, tell }),
            );
            world.run_until(dusk + 8 * HOUR + 2 * SECOND);
            assert_eq!(world.clients[0].conn.engine().state(), State::Connected, "night {night}");
            let newest = world.clients[0].links.iter().filter_map(|(link, _)| {
                world.clients[0].pipe_of(*link).filter(|pipe| world.net.is_open(*pipe, End::Server))
            });
            assert!(newest.count() > 0, "night {night}: no link reaches the server");
            assert_eq!(world.clients[0].app.stays[0].delivered, world.fed, "night {night}");
        }
        world.run_until(7 * DAY + 600 * SECOND);
        complete(&mut world).unwrap();
    }
}

#[test]
fn a_day_of_token_refreshes_loses_and_doubles_nothing() {
    if wanted_seed().is_some() {
        return;
    }
    let mut world = started(ordinary(HOUR), 3);
    // A thousand events per second over the first three refreshes, a few before and after.
    for refresh in 1..=3 {
        let at = refresh * (HOUR - 60 * SECOND);
        feed(&mut world, at - 5 * SECOND, 1, at + 10 * SECOND);
    }
    feed(&mut world, 2 * SECOND, 10 * SECOND, DAY);
    world.run_until(DAY + 30 * SECOND);
    assert!(world.fed > 45_000 && world.net.opened() >= 24, "{} links", world.net.opened());
    only_connected(&world);
    complete(&mut world).unwrap();
}

#[test]
fn a_bad_token_provider_never_wedges() {
    if wanted_seed().is_some() {
        return;
    }
    for provider in [
        Provider::Fails,
        Provider::Hangs,
        Provider::Expired,
        Provider::Slow(9_900),
        Provider::Slow(30_000),
    ] {
        for bad_from in [0, 20 * SECOND] {
            let mut world = World::new(ordinary(60 * SECOND), 4, false);
            world.most_steps = 100_000;
            world.at(bad_from, Event::Fault(Fault::Provider { client: 0, provider }));
            let fresh = Fault::Provider { client: 0, provider: Provider::Fresh };
            world.at(600 * SECOND, Event::Fault(fresh));
            world.run_until(0);
            world.with(0, |sim, now, oracle| {
                sim.conn.connect(now);
                sim.app.join("a", From::Tip, &mut sim.conn, now, oracle);
            });
            world.run_until(640 * SECOND);
            let state = world.clients[0].conn.engine().state();
            assert_eq!(state, State::Connected, "{provider:?} from {bad_from}");
        }
    }
}

#[test]
fn rooms_come_and_go_while_links_are_replaced() {
    if wanted_seed().is_some() {
        return;
    }
    for seed in 0..6 {
        let mut setup = ordinary(20 * SECOND);
        setup.clients = 2;
        setup.pace = Pace { delay: 20, jitter: 150 };
        let mut world = started(setup, seed);
        feed(&mut world, 0, 5, 80 * SECOND);
        for step in 0..800 {
            world.run_until(SECOND + step * 97);
            for client in 0..2 {
                world.with(client, |sim, now, oracle| match sim.app.stay_in("a") {
                    Some(stay) if step % 5 == client as u64 => sim.app.leave(stay, &mut sim.conn),
                    Some(_) => {}
                    None => sim.app.join("a", From::Tip, &mut sim.conn, now, oracle),
                });
            }
            assert_eq!(world.violations, Vec::<String>::new(), "seed {seed}");
        }
        world.setup.token_life = HOUR;
        world.run_until(120 * SECOND);
        only_connected(&world);
        world.check_end();
        assert_eq!(world.violations, Vec::<String>::new(), "seed {seed}");
    }
}

/// What else goes on while the link is killed.
#[derive(Debug, Clone, Copy)]
enum Meanwhile {
    Nothing,
    /// The link was killed once before, at this message.
    Resume(u64),
    Refresh,
    Drain,
}

/// A story that has come to its end.
struct Ended {
    /// Messages that were sent to clients.
    messages: u64,
    /// The first and the last of those that met two links.
    on_two_links: Option<(u64, u64)>,
}

fn killed(kill: Option<Kill>, meanwhile: Meanwhile) -> Result<Ended, String> {
    let mut setup = ordinary(HOUR);
    setup.cluster.heartbeat = HeartbeatConfig { interval_ms: 1_000, timeout_ms: 500 };
    if let Meanwhile::Refresh = meanwhile {
        setup.token_life = 3 * SECOND;
    }
    let mut world = started(setup, 5);
    if let Meanwhile::Drain = meanwhile {
        let drain = Fault::Drain { instance: world.net.pipe(0).instance, window: 200, grace: 500 };
        world.at(2_000, Event::Fault(drain));
    }
    if let Meanwhile::Resume(at) = meanwhile {
        let (moment, which, tell) = (Moment::Before, Which::All, Break::Both);
        world.kills.push(Kill { message: at, moment, which, tell });
    }
    world.kills.extend(kill);
    feed(&mut world, SECOND, 10, 3 * SECOND - 10);
    world.run_until(4 * SECOND);
    world.setup.token_life = HOUR;
    world.run_until(20 * SECOND);
    complete(&mut world)?;
    Ok(Ended { messages: world.to_clients, on_two_links: world.on_two_links })
}

fn killed_everywhere(meanwhile: Meanwhile, messages: std::ops::Range<u64>) {
    if wanted_seed().is_some() {
        return;
    }
    let whole = killed(None, meanwhile).unwrap_or_else(|what| panic!("{meanwhile:?}: {what}"));
    let links = match (meanwhile, whole.on_two_links) {
        (Meanwhile::Refresh | Meanwhile::Drain, Some((first, last))) => {
            assert!(
                messages.start < first && last < messages.end,
                "two links from {first} to {last}, and kills at {messages:?}"
            );
            &[Which::All, Which::Older, Which::Newer][..]
        }
        (Meanwhile::Refresh | Meanwhile::Drain, None) => panic!("{meanwhile:?} did not happen"),
        (Meanwhile::Nothing | Meanwhile::Resume(_), _) => &[Which::All],
    };
    let mut reached = 0;
    for message in messages.clone() {
        for moment in [Moment::Before, Moment::Inside, Moment::After] {
            for tell in [Break::Both, Break::ClientAlone, Break::ServerAlone, Break::Nobody] {
                for which in links {
                    let kill = Kill { message, moment, which: *which, tell };
                    match killed(Some(kill), meanwhile) {
                        Ok(ended) => reached = reached.max(ended.messages),
                        Err(what) => panic!("{kill:?} {meanwhile:?}: {what}"),
                    }
                }
            }
        }
    }
    assert!(reached > messages.end, "the last kill is within the stream of {reached}");
}

#[test]
fn a_link_killed_at_any_message_of_a_stream_loses_nothing() {
    killed_everywhere(Meanwhile::Nothing, 1..205);
}

#[test]
fn a_link_killed_at_any_message_of_a_resume_loses_nothing() {
    killed_everywhere(Meanwhile::Resume(100), 100..130);
}

#[test]
fn a_link_killed_at_any_message_of_a_refresh_loses_nothing() {
    killed_everywhere(Meanwhile::Refresh, 140..220);
}

#[test]
fn a_link_killed_at_any_message_of_a_drain_loses_nothing() {
    killed_everywhere(Meanwhile::Drain, 90..190);
}

#[test]
fn a_client_that_is_forbidden_closes_and_says_why() {
    if wanted_seed().is_some() {
        return;
    }
    let mut world = started(ordinary(HOUR), 6);
    let mode = crate::client::DialMode::Forbidden;
    world.at(2 * SECOND, Event::Fault(Fault::Dial { client: 0, mode }));
    world.at(
        3 * SECOND,
        Event::Fault(Fault::Links { client: 0, which: Which::All, tell: Break::Both }),
    );
    world.run_until(60 * SECOND);
    let state = world.clients[0].conn.engine().state();
    assert_eq!(state, State::Closed { reason: Cause::Forbidden });
    assert!(world.clients[0].links.is_empty() && world.cluster.conns.is_empty());
}
