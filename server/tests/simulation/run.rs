//! Runs of seeded schedules: one, or ten thousand of them over all cores.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use staywire::engine::From;

use crate::driver::ROOMS;
use crate::planted::Planted;
use crate::rng::Rng;
use crate::schedule::{HEALING_MS, setup};
use crate::world::World;

/// How many schedules are run unless `STAYWIRE_RUNS` says otherwise.
const RUNS: u64 = 10_000;

/// What became of a run.
pub(crate) struct Outcome {
    pub(crate) result: Result<(), Vec<String>>,
    pub(crate) hash: u64,
    pub(crate) lines: Vec<String>,
    pub(crate) totals: Totals,
}

/// What a run was made of: a simulation in which nothing happens proves nothing.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Totals {
    events: u64,
    gaps: u64,
    overflows: u64,
    links: u64,
    sent: u64,
    messages: u64,
    virtual_ms: u64,
}

/// Runs the schedule of a seed.
pub(crate) fn random(seed: u64, planted: Option<Planted>, readable: bool) -> Outcome {
    let mut rng = Rng::new(seed);
    let setup = setup(&mut rng, planted);
    let mut world = World::new(setup, rng.next(), readable);
    let setup = world.setup.clone();
    world.trace.line(0, format_args!("{setup:#?}"));
    let until = rng.between(5_000, 40_000);
    for client in 0..world.clients.len() {
        world.with(client, |sim, now, oracle| {
            sim.conn.connect(now);
            for room in ROOMS {
                sim.app.join(room, From::Tip, &mut sim.conn, now, oracle);
            }
        });
    }
    world.plan(until);
    world.run_until(until + HEALING_MS);
    if world.violations.is_empty() {
        world.check_end();
    }
    finish(world)
}

pub(crate) fn finish(mut world: World) -> Outcome {
    let mut totals =
        Totals { virtual_ms: world.now, messages: world.to_clients, ..Totals::default() };
    for sim in &world.clients {
        totals.sent += sim.app.sent.len() as u64;
        totals.links += u64::from(sim.carrier);
        for stay in &sim.app.stays {
            totals.events += stay.delivered;
            totals.gaps += stay.gaps;
            totals.overflows += stay.overflows;
        }
    }
    let violations = std::mem::take(&mut world.violations);
    Outcome {
        result: if violations.is_empty() { Ok(()) } else { Err(violations) },
        hash: world.trace.hash(),
        lines: world.trace.take_lines(),
        totals,
    }
}

impl Totals {
    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.gaps += other.gaps;
        self.overflows += other.overflows;
        self.links += other.links;
        self.sent += other.sent;
        self.messages += other.messages;
        self.virtual_ms += other.virtual_ms;
    }
}

/// The seed that the caller wants to see, if any.
pub(crate) fn wanted_seed() -> Option<u64> {
    std::env::var("STAYWIRE_SEED").ok()?.parse().ok()
}

/// Says something past the test harness, which keeps what a passing test prints.
fn say(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

fn replay(seed: u64) {
    let outcome = random(seed, None, true);
    for line in &outcome.lines {
        say(format_args!("{line}"));
    }
    say(format_args!("seed {seed}: trace {:016x}, {:?}", outcome.hash, outcome.totals));
    if let Err(violations) = outcome.result {
        panic!("seed {seed}:\n{}", violations.join("\n"));
    }
}

/// One run, with whatever the product's own assertions say as a violation.
fn guarded(seed: u64) -> Result<Outcome, Vec<String>> {
    match catch_unwind(AssertUnwindSafe(|| random(seed, None, false))) {
        Ok(Outcome { result: Err(violations), .. }) => Err(violations),
        Ok(outcome) => Ok(outcome),
        Err(_) => Err(vec!["it panicked".into()]),
    }
}

#[test]
fn random_schedules() {
    if let Some(seed) = wanted_seed() {
        return replay(seed);
    }
    let runs =
        std::env::var("STAYWIRE_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS);
    let first =
        std::env::var("STAYWIRE_FIRST").ok().and_then(|runs| runs.parse().ok()).unwrap_or(0);
    let started = Instant::now();
    let next = AtomicU64::new(first);
    let stop = AtomicBool::new(false);
    let totals = Mutex::new(Totals::default());
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + runs {
                        return;
                    }
                    match guarded(seed) {
                        Ok(outcome) => totals.lock().expect("no poison").add(outcome.totals),
                        Err(violations) => {
                            let mut failed = failed.lock().expect("no poison");
                            failed.push((seed, violations));
                            stop.store(failed.len() >= 10, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().expect("no poison");
    failed.sort();
    for (seed, violations) in &failed {
        say(format_args!(
            "STAYWIRE_SEED={seed} cargo test -p staywire-server --test simulation\n    {}",
            violations.join("\n    ")
        ));
    }
    let totals = totals.into_inner().expect("no poison");
    say(format_args!("{runs} schedules in {:.1} s: {totals:?}", started.elapsed().as_secs_f64()));
    assert!(failed.is_empty(), "{} schedules failed", failed.len());
    assert!(runs < 100 || (totals.gaps > 0 && totals.overflows > 0), "too little happened");
}

#[test]
fn a_seed_gives_the_same_run_twice() {
    if wanted_seed().is_some() {
        return;
    }
    for seed in 0..20 {
        let (one, two) = (random(seed, None, false), random(seed, None, true));
        assert_eq!(one.hash, two.hash, "seed {seed}");
        assert!(two.lines.len() > 10, "the trace can be read");
    }
    assert_ne!(random(0, None, false).hash, random(1, None, false).hash);
}
