//! Scenarios of the engine alone, in virtual time: one input after another, and what it asks for.

mod credentials;
mod links;
mod rooms;
mod sending;

use alloc::vec::Vec;

use super::*;

/// An engine, its clocks, and everything it asked for.
struct Bench {
    engine: Engine,
    now: Now,
    outputs: Vec<Output>,
}

impl Bench {
    fn new(config: Config) -> Self {
        let now = Now { time: Time(1_000), wall: WallTime(1_000_000) };
        Self { engine: Engine::new(config, 7), now, outputs: Vec::new() }
    }

    fn v1() -> Self {
        Self::new(Config { protocol: ProtocolChoice::StaywireV1, ..Config::default() })
    }

    /// A connected client; its link is 1.
    fn connected() -> Self {
        let mut bench = Self::v1();
        bench.connect();
        bench.greet(bench.opened());
        bench
    }

    /// One mutation, drained.
    fn act<T>(&mut self, act: impl FnOnce(&mut Engine, Now) -> T) -> T {
        let result = act(&mut self.engine, self.now);
        loop {
            match self.engine.poll_output() {
                Output::Timeout(_) => return result,
                output => self.outputs.push(output),
            }
        }
    }

    fn connect(&mut self) {
        self.act(|engine, now| engine.connect(now));
    }

    fn pass(&mut self, ms: u64) {
        self.now.time = self.now.time + Millis(ms);
        self.now.wall.0 += ms;
    }

    /// Lets time pass, stopping at every wake-up on the way.
    fn run(&mut self, ms: u64) {
        let end = self.now.time + Millis(ms);
        while let Some(at) = self.next_wake().filter(|at| *at <= end) {
            let step = at.since(self.now.time);
            self.pass(step.0);
            self.act(|engine, now| engine.handle_timeout(now));
        }
        let rest = end.since(self.now.time);
        self.pass(rest.0);
    }

    fn next_wake(&mut self) -> Option<Time> {
        match self.engine.poll_output() {
            Output::Timeout(at) => at.map(|(at, _)| at),
            output => panic!("not drained: {output:?}"),
        }
    }

    /// Lets the machine sleep: only the wall clock moves.
    fn sleep(&mut self, ms: u64) {
        self.now.wall.0 += ms;
    }

    /// The link that was asked for last.
    fn opened(&self) -> LinkId {
        self.outputs
            .iter()
            .rev()
            .find_map(|output| match output {
                Output::Open { link, .. } => Some(*link),
                _ => None,
            })
            .expect("a link was asked for")
    }

    fn open(&mut self, link: LinkId) {
        self.act(|engine, now| engine.handle_opened(link, Wire::StaywireV1, now));
    }

    /// Lets time pass until another link is asked for, and forgets what was asked before.
    fn redial(&mut self) -> LinkId {
        self.take();
        for _ in 0..300 {
            self.run(100);
            if self.outputs.iter().any(|output| matches!(output, Output::Open { .. })) {
                return self.opened();
            }
        }
        panic!("no link was asked for in 30 s");
    }

    /// The server asks for another link at once.
    fn goaway(&mut self, link: LinkId) {
        self.act(|engine, now| engine.handle_goaway(link, Millis(0), now));
        self.run(0);
    }

    /// Opens and greets a link.
    fn greet(&mut self, link: LinkId) {
        self.open(link);
        self.welcome(link, "demo ada", "store", None);
    }

    fn welcome(&mut self, link: LinkId, identity: &str, store: &str, life: Option<u64>) {
        let welcome = Welcome {
            heartbeat: None,
            token_ends_in: life.map(Millis),
            identity: identity.into(),
            store: store.into(),
            window: Millis(600_000),
            entries: 1_024,
        };
        self.act(|engine, now| {
            engine.handle_heard(link, now);
            engine.handle_welcome(link, welcome, now);
        });
    }

    fn close(&mut self, link: LinkId, kind: FailureKind) {
        let failure = Failure { kind, retry_after: None };
        self.act(|engine, now| engine.handle_closed(link, failure, now));
    }

    fn join(&mut self, from: From) -> RoomId {
        self.act(|engine, now| engine.join(from, now)).expect("there is room")
    }

    fn bind(&mut self, link: LinkId, subscription: u32, epoch: &str, offset: u64, tip: u64) {
        let binding = Binding { subscription, epoch: epoch.into(), offset, tip };
        self.act(|engine, now| engine.handle_bound(link, binding, now));
    }

    fn data(&mut self, link: LinkId, subscription: u32, first: u64, count: u32) -> Verdict {
        let frame = DataFrame { subscription, first, count };
        self.act(|engine, now| {
            engine.handle_heard(link, now);
            engine.handle_data(link, frame, now)
        })
    }

    /// Everything asked for since the last look.
    fn take(&mut self) -> Vec<Output> {
        core::mem::take(&mut self.outputs)
    }

    /// Messages sent on a link since the last look.
    fn sent(&mut self, link: LinkId) -> Vec<Outgoing> {
        self.take()
            .into_iter()
            .filter_map(|output| match output {
                Output::Send { link: on, message } if on == link => Some(message),
                _ => None,
            })
            .collect()
    }

    /// The subscriptions that were asked for since the last look, in a hello or alone.
    fn subscribed(&mut self) -> Vec<Subscribe> {
        let mut found = Vec::new();
        for output in self.take() {
            if let Output::Send { message: Outgoing::Join(room), .. } = output {
                found.push(room);
            }
        }
        found
    }

    fn states(&self) -> Vec<State> {
        self.outputs
            .iter()
            .filter_map(|output| match output {
                Output::StateChanged { state, .. } => Some(*state),
                _ => None,
            })
            .collect()
    }

    fn gaps(&self) -> Vec<Gap> {
        self.outputs
            .iter()
            .filter_map(|output| match output {
                Output::Gap(gap) => Some(*gap),
                _ => None,
            })
            .collect()
    }
}

const FIRST: LinkId = LinkId(1);
const SECOND: LinkId = LinkId(2);
