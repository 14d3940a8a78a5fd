//! The client side: does what a connection asks for and tells it what happened, as the driver on
//! tokio does, and holds it to the rules on links.

use bytes::Bytes;
use staywire::connection::{Action, Message};
use staywire::engine::{
    Failure, FailureKind, From, LinkId, TokenAnswer, TokenRequest, WallTime, Wire,
};

use crate::app::{App, Oracle};
use crate::client::{EPOCH_MS, LinkState, Provider, Token};
use crate::network::{End, Packet, Received};
use crate::services::{CLOSED_ROOM, FORBIDDEN_EVENT};
use crate::world::{DialResult, Event, World};

/// The rooms that applications use.
pub(crate) const ROOMS: [&str; 3] = ["a", "b", "c"];

impl World {
    /// Runs `act` on a client with its clocks, then does all that it asks for.
    pub(crate) fn with<T>(
        &mut self,
        client: usize,
        act: impl FnOnce(&mut crate::client::SimClient, staywire::engine::Now, &Oracle<'_>) -> T,
    ) -> T {
        let now_ms = self.server_ms();
        let truth = self.truth.lock().expect("no poison");
        let oracle = Oracle { truth: &truth, bus: &self.cluster.bus, now_ms };
        let sim = &mut self.clients[client];
        let now = sim.now(self.now);
        let result = act(sim, now, &oracle);
        drop(truth);
        self.perform(client);
        result
    }

    fn perform(&mut self, client: usize) {
        loop {
            let timeout = self.perform_actions(client);
            let sim = &mut self.clients[client];
            let truth = self.truth.lock().expect("no poison");
            let went_on = sim.app.take(&truth, &mut sim.conn);
            drop(truth);
            let violations = std::mem::take(&mut sim.app.violations);
            for what in violations {
                self.fail(format!("client {client}: {what}"));
            }
            if went_on {
                continue;
            }
            self.arm(client, timeout);
            return;
        }
    }

    fn perform_actions(&mut self, client: usize) -> Option<staywire::engine::Time> {
        loop {
            match self.clients[client].conn.poll() {
                Action::Open { link, .. } => self.open(client, link),
                Action::Transmit { link, message } => self.transmit(client, link, message),
                Action::Close { link, in_order } => self.close(client, link, in_order),
                Action::NeedToken { request } => self.need_token(client, request),
                Action::DropToken { .. } => self.clients[client].asked = None,
                Action::Notify(notice) => {
                    self.trace.line(self.now, format_args!("client {client}: {notice:?}"));
                    let now_ms = self.server_ms();
                    let truth = self.truth.lock().expect("no poison");
                    let oracle = Oracle { truth: &truth, bus: &self.cluster.bus, now_ms };
                    let sim = &mut self.clients[client];
                    sim.app.notice(notice, &mut sim.conn, &oracle);
                }
                Action::Timeout(wake) => return wake.map(|(at, _)| at),
            }
        }
    }

    fn arm(&mut self, client: usize, timeout: Option<staywire::engine::Time>) {
        let now = self.now;
        let sim = &mut self.clients[client];
        let due = timeout.map(|at| sim.true_time(at, now) + sim.lateness);
        if sim.timer == due {
            return;
        }
        sim.timer = due;
        sim.timer_generation += 1;
        let generation = sim.timer_generation;
        if let Some(due) = due {
            self.at(due, Event::ClientTimer { client, generation });
        }
    }

    // ---- What it asks for ----

    fn open(&mut self, client: usize, link: LinkId) {
        self.trace.line(self.now, format_args!("client {client}: dials {link:?}"));
        let sim = &mut self.clients[client];
        sim.links.push((link, LinkState::Dialing));
        let token = sim.credential;
        if sim.links.len() > 2 {
            self.fail(format!("client {client} opens {link:?} beside two others"));
        }
        let latency = self.net.latency(&mut self.rng);
        self.at(self.now + latency, Event::DialArrives { client, link, token });
    }

    fn transmit(&mut self, client: usize, link: LinkId, message: Message) {
        let packet = match message {
            Message::Text(text) => Packet::Text(text),
            Message::Binary(bytes) => Packet::Binary(bytes),
            other => unreachable!("no link of Socket.IO is open: {other:?}"),
        };
        self.trace.line(self.now, format_args!("client {client} {link:?} -> {packet:?}"));
        let sim = &mut self.clients[client];
        let Some(pipe) = sim.pipe_of(link) else {
            self.fail(format!("client {client} sends on {link:?}, which is not open"));
            return;
        };
        if let Packet::Text(text) = &packet
            && [r#"{"type":"publish""#, r#"{"type":"add""#, r#"{"type":"put""#]
                .iter()
                .any(|kind| text.starts_with(kind))
        {
            if link.0 < sim.carrier {
                let newer = sim.carrier;
                self.fail(format!(
                    "client {client} sends on {link:?} after link {newer} took over"
                ));
                return;
            }
            sim.carrier = link.0;
        }
        let packet = self.plant_to_server(packet);
        self.send(pipe, End::Server, packet);
    }

    fn close(&mut self, client: usize, link: LinkId, in_order: bool) {
        self.trace.line(self.now, format_args!("client {client}: closes {link:?}, {in_order}"));
        let sim = &mut self.clients[client];
        let pipe = sim.pipe_of(link);
        sim.forget(link);
        if let Some(pipe) = pipe {
            self.send(pipe, End::Server, Packet::Close(in_order.then_some(1000)));
            self.net.let_go(pipe, End::Client);
        }
    }

    fn need_token(&mut self, client: usize, request: TokenRequest) {
        let sim = &mut self.clients[client];
        sim.asked = Some(request);
        let latency = self.net.latency(&mut self.rng);
        let fresh = Token { issued: self.now, ends: self.now + self.setup.token_life };
        let (after, token) = match sim.provider {
            Provider::Hangs => return,
            Provider::Fails => (latency, None),
            Provider::Fresh => (latency, Some(fresh)),
            Provider::Expired => (latency, Some(Token { ends: self.now, ..fresh })),
            Provider::Slow(after) => (after, Some(fresh)),
        };
        self.at(self.now + after, Event::TokenAnswer { client, request, token });
    }

    /// Sends, and sees to it that what is sent arrives.
    pub(crate) fn send(&mut self, pipe: usize, to: End, packet: Packet) {
        if let Some(at) = self.net.send(pipe, to, packet, self.now, &mut self.rng) {
            self.at(at, Event::Arrives { pipe, at: to });
        }
    }

    // ---- What happens to it ----

    /// Whether the machine sleeps; then `event` comes when it wakes.
    fn sleeps_through(&mut self, client: usize, event: Event) -> bool {
        let sim = &mut self.clients[client];
        if sim.asleep.is_some() {
            sim.backlog.push(event);
        }
        sim.asleep.is_some()
    }

    pub(crate) fn arrives_at_client(&mut self, pipe: usize) {
        let client = self.net.pipe(pipe).client;
        if self.sleeps_through(client, Event::Arrives { pipe, at: End::Client }) {
            return;
        }
        let link = self.net.pipe(pipe).link;
        if self.clients[client].pipe_of(link) != Some(pipe) {
            // It arrived before the upgrade was seen to be over, or after the end.
            if self.clients[client].knows(link) {
                self.at(self.now + 1, Event::Arrives { pipe, at: End::Client });
            }
            return;
        }
        match self.net.receive(pipe, End::Client, self.now) {
            Received::Nothing => {}
            Received::Later(at) => self.at(at, Event::Arrives { pipe, at: End::Client }),
            Received::Packet(Packet::Close(code)) => self.client_sees_end(pipe, code),
            Received::Packet(packet) => {
                self.trace.mix(self.now, packet.bytes());
                self.trace.line(self.now, format_args!("client {client} {link:?} <- {packet:?}"));
                self.with(client, |sim, now, _| match packet {
                    Packet::Text(text) => sim.conn.handle_text(link, Bytes::from(text), now),
                    Packet::Binary(bytes) => sim.conn.handle_binary(link, &bytes, now),
                    Packet::Close(_) => {}
                });
                // There is room in the socket again.
                self.serve(pipe);
            }
        }
    }

    pub(crate) fn client_sees_end(&mut self, pipe: usize, code: Option<u16>) {
        let client = self.net.pipe(pipe).client;
        let link = self.net.pipe(pipe).link;
        if self.sleeps_through(client, Event::Breaks { pipe, at: End::Client })
            || self.clients[client].pipe_of(link) != Some(pipe)
        {
            return;
        }
        self.trace.line(self.now, format_args!("client {client}: {link:?} ended, {code:?}"));
        self.net.let_go(pipe, End::Client);
        // The closing handshake, or the reset: the server's end learns of it as well.
        if self.net.is_open(pipe, End::Server) {
            self.send(pipe, End::Server, Packet::Close(code));
        }
        self.clients[client].forget(link);
        self.with(client, |sim, now, _| sim.conn.handle_closed(link, code, now));
    }

    pub(crate) fn dial_ends(&mut self, client: usize, link: LinkId, result: DialResult) {
        if self.sleeps_through(client, Event::DialEnds { client, link, result }) {
            return;
        }
        let wanted = self.clients[client].knows(link);
        let failed = match result {
            DialResult::Failed(failure) => Some(failure),
            DialResult::Open(pipe) if !self.net.is_open(pipe, End::Client) => {
                Some(Failure { kind: FailureKind::Network, retry_after: None })
            }
            DialResult::Open(_) => None,
        };
        self.trace.line(self.now, format_args!("client {client}: {link:?} dialled: {result:?}"));
        if let Some(failure) = failed {
            self.clients[client].forget(link);
            self.with(client, |sim, now, _| sim.conn.handle_open_failed(link, failure, now));
            return;
        }
        let DialResult::Open(pipe) = result else { return };
        if !wanted {
            self.send(pipe, End::Server, Packet::Close(None));
            self.net.let_go(pipe, End::Client);
            return;
        }
        for known in &mut self.clients[client].links {
            if known.0 == link {
                known.1 = LinkState::Open(pipe);
            }
        }
        self.with(client, |sim, now, _| sim.conn.handle_opened(link, Wire::StaywireV1, now));
    }

    pub(crate) fn client_timer(&mut self, client: usize, generation: u64) {
        if self.clients[client].timer_generation != generation
            || self.sleeps_through(client, Event::ClientTimer { client, generation })
        {
            return;
        }
        let sim = &mut self.clients[client];
        sim.timer = None;
        match &mut sim.spins {
            (at, count) if *at == self.now => *count += 1,
            spins => *spins = (self.now, 1),
        }
        if sim.spins.1 > 50 {
            self.fail(format!("client {client} asks to be woken without end"));
            return;
        }
        self.with(client, |sim, now, _| sim.conn.handle_timeout(now));
    }

    pub(crate) fn token_answer(
        &mut self,
        client: usize,
        request: TokenRequest,
        token: Option<Token>,
    ) {
        if self.sleeps_through(client, Event::TokenAnswer { client, request, token }) {
            return;
        }
        // A provider that was cancelled has no answer to give.
        if self.clients[client].asked != Some(request) {
            return;
        }
        self.clients[client].asked = None;
        self.trace.line(self.now, format_args!("client {client}: {request:?} is {token:?}"));
        let answer = match token {
            None => TokenAnswer::Failed,
            Some(token) => {
                self.clients[client].credential = Some(token);
                TokenAnswer::Token { ends: Some(WallTime(EPOCH_MS + token.ends)) }
            }
        };
        self.with(client, |sim, now, _| sim.conn.handle_token(request, answer, now));
    }

    // ---- What its application does ----

    pub(crate) fn acts(&mut self, client: usize) {
        if self.now > self.acting_until || self.sleeps_through(client, Event::Acts { client }) {
            return;
        }
        let pause = self.rng.between(20, 1_500);
        self.at(self.now + pause, Event::Acts { client });
        let room = self.rng.pick(&ROOMS);
        let choice = self.rng.below(100);
        let extra = self.rng.next();
        self.with(client, |sim, now, oracle| {
            let (app, conn) = (&mut sim.app, &mut sim.conn);
            match choice {
                0..45 => app.publish(room, App::KINDS[0], (extra % 40) as usize, conn, now),
                45..55 => {
                    for index in 0..extra % 12 {
                        app.publish(room, App::KINDS[0], (index * 30) as usize, conn, now);
                    }
                }
                55..57 => app.publish(room, FORBIDDEN_EVENT, 0, conn, now),
                57..72 => app.call(extra.is_multiple_of(3), conn, now),
                72..98 => match app.stay_in(room) {
                    Some(stay) if extra.is_multiple_of(3) => app.leave(stay, conn),
                    Some(_) => {}
                    None => {
                        let begin = match extra % 4 {
                            0 => From::Tip,
                            1 => From::History((extra >> 8) as u32 % 12),
                            _ => app.last_position(room).unwrap_or(From::Tip),
                        };
                        app.join(room, begin, conn, now, oracle);
                    }
                },
                98 if app.stay_in(CLOSED_ROOM).is_none() => {
                    app.join(CLOSED_ROOM, From::Tip, conn, now, oracle);
                }
                _ => {}
            }
        });
    }
}
