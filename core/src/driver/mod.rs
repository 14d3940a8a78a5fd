//! The connection on tokio: sockets, clocks and tasks for a machine that has none of its own.
//!
//! One task owns a [`Connection`] and everything that belongs to it. It decides nothing: it
//! performs what the connection asks for and reports what happened. No lock is held here, and the
//! application's code never runs in this task, so that neither can stall the other.

mod dial;
mod link;
mod native;
#[cfg(feature = "socketio")]
mod socketio;
#[cfg(feature = "tls")]
mod tls;
mod trace;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::Instant;

#[cfg(feature = "socketio")]
use crate::connection::socketio::Ended;
use crate::connection::{Action, Connection, Notice};
#[cfg(feature = "socketio")]
use crate::engine::FailureKind;
use crate::engine::{LinkId, Now, Time, TokenAnswer, TokenRequest, WallTime};

pub use dial::UrlError;
pub(crate) use dial::{DialConfig, parse_url};
use dial::{DialFailure, Opened};
use link::{Link, LinkEvent};
#[cfg(feature = "socketio")]
pub use socketio::SocketIoTransport;
#[cfg(feature = "socketio")]
pub(crate) use socketio::{Auth, SocketIoDial};
#[cfg(feature = "tls")]
pub(crate) use tls::TlsConfig;
pub(crate) use trace::Tracer;
pub use trace::{Trace, Traced};

/// Why a token provider gave no token.
pub(crate) type ProviderError = Box<dyn std::error::Error + Send + Sync>;

/// A token and the end of its life.
#[derive(Clone)]
pub(crate) struct Credential {
    pub(crate) value: String,
    pub(crate) ends: Option<WallTime>,
}

/// The application's side of a connection: gives commands, takes notices.
pub(crate) trait App: Send + 'static {
    /// What the application may ask for.
    type Command: Send + 'static;

    /// Carries a command out.
    fn command(&mut self, command: Self::Command, connection: &mut Connection, now: Now);

    /// Takes a notice.
    fn notice(&mut self, notice: Notice, connection: &mut Connection, now: Now);

    /// Asks for a token.
    fn token(&mut self) -> BoxFuture<'static, Result<Credential, ProviderError>>;
}

/// Both clocks of this machine. The monotonic one stands still in sleep on Linux and macOS.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let wall = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        Now { time: self.time(Instant::now()), wall: WallTime(wall) }
    }

    pub(crate) fn instant(&self, time: Time) -> Instant {
        self.origin + std::time::Duration::from_millis(time.0)
    }

    fn time(&self, instant: Instant) -> Time {
        let elapsed = instant.saturating_duration_since(self.origin);
        Time(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Runs a connection until every handle to it is gone. `credential` is the token to begin with;
/// the provider's answers replace it.
pub(crate) async fn run<A: App>(
    app: A,
    commands: mpsc::UnboundedReceiver<A::Command>,
    connection: Connection,
    dial: DialConfig,
    clock: Clock,
    credential: Option<Credential>,
    tracer: Option<Tracer>,
) {
    let mut driver = Driver {
        app,
        commands,
        connection,
        dial,
        clock,
        credential,
        tracer,
        links: Vec::new(),
        dials: Vec::new(),
        token: None,
        #[cfg(feature = "socketio")]
        learnt: socketio::Learnt::default(),
        abandoned: false,
        turn: 0,
    };
    driver.run().await;
}

type DialFuture = BoxFuture<'static, Result<Opened, DialFailure>>;

struct Driver<A: App> {
    app: A,
    commands: mpsc::UnboundedReceiver<A::Command>,
    connection: Connection,
    dial: DialConfig,
    clock: Clock,
    credential: Option<Credential>,
    tracer: Option<Tracer>,
    links: Vec<Link>,
    dials: Vec<(LinkId, DialFuture)>,
    token: Option<(TokenRequest, BoxFuture<'static, Result<Credential, ProviderError>>)>,
    #[cfg(feature = "socketio")]
    learnt: socketio::Learnt,
    /// Every handle is gone.
    abandoned: bool,
    turn: usize,
}

enum Input<C> {
    Command(C),
    Abandoned,
    Link(usize, LinkEvent),
    Dialed(LinkId, Box<Result<Opened, DialFailure>>),
    Token(TokenRequest, Result<Credential, ProviderError>),
    Timeout,
}

impl<A: App> Driver<A> {
    /// What is read in a row before the rest gets its turn: messages, and bytes of them.
    const ROW: (usize, usize) = (128, 32 * 1024);

    async fn run(&mut self) {
        // One timer, moved when the deadline moves: a new one for each input would be registered
        // and removed each time.
        let mut sleep = std::pin::pin!(tokio::time::sleep_until(Instant::now()));
        let mut now = self.clock.now();
        loop {
            self.perform(now);
            let deadline = self.connection.next_timeout().map(|(at, _)| self.clock.instant(at));
            let finished = self.links.is_empty() && self.dials.is_empty();
            if self.abandoned && finished {
                return;
            }
            if let Some(at) = deadline
                && sleep.deadline() != at
            {
                sleep.as_mut().reset(at);
            }
            let mut timer = deadline.is_some().then_some(sleep.as_mut());
            let input = std::future::poll_fn(|cx| self.poll_input(cx, timer.as_mut())).await;
            now = self.clock.now();
            self.handle(input, now);
            self.read_row(now).await;
        }
    }

    /// Handles what the links have ready, at one time and without looking at anything else. A row
    /// that is full makes way: for commands and time, and for the application, whose queue would
    /// overflow on a single thread however fast it is.
    async fn read_row(&mut self, now: Now) {
        let (mut messages, mut bytes) = (0, 0);
        while messages < Self::ROW.0 && bytes < Self::ROW.1 {
            self.perform(now);
            let ready = std::future::poll_fn(|cx| Poll::Ready(self.poll_links(cx))).await;
            let Poll::Ready((index, event)) = ready else { return };
            messages += 1;
            bytes += event.size();
            self.handle_link(index, event, now);
        }
        tokio::task::yield_now().await;
    }

    /// Does all that the connection asks for.
    fn perform(&mut self, now: Now) {
        while let Some(action) = self.connection.next_action() {
            match action {
                Action::Open { link, offer_staywire } => {
                    let token = self.credential.as_ref().map(|credential| credential.value.clone());
                    self.trace(link, || Traced::Opening);
                    let dial = self.dial_for(link, token, offer_staywire);
                    self.dials.push((link, dial));
                }
                Action::Transmit { link, message } => {
                    if let Some(link) = self.links.iter_mut().find(|known| known.id() == link) {
                        if let Some(tracer) = &mut self.tracer {
                            tracer.sent(link.id().0, &message);
                        }
                        link.queue(message);
                    }
                }
                Action::Close { link, in_order } => self.close(link, in_order),
                Action::NeedToken { request } => self.token = Some((request, self.app.token())),
                Action::DropToken { request } => {
                    self.token.take_if(|(asked, _)| *asked == request);
                }
                Action::Notify(notice) => self.app.notice(notice, &mut self.connection, now),
                // Asked for once all else is done.
                Action::Timeout(_) => {}
            }
        }
    }

    fn dial_for(&self, link: LinkId, token: Option<String>, offer_staywire: bool) -> DialFuture {
        #[cfg(feature = "socketio")]
        if let Some(dial) = self.dial.socketio.clone() {
            let mut learnt = self.learnt.clone();
            if !self.links.is_empty() {
                // The session that lives can't be gone on with.
                learnt.restore = None;
            }
            let open = socketio::open(link, self.dial.clone(), dial, learnt, token);
            return Box::pin(async { open.await.map(|up| Opened::SocketIo(Box::new(up))) });
        }
        let _ = link;
        Box::pin(dial::open(self.dial.clone(), token, offer_staywire))
    }

    /// Drops a link, and keeps what a later one can use.
    fn forget(&mut self, link: LinkId) {
        let Some(index) = self.links.iter().position(|known| known.id() == link) else { return };
        let _link = self.links.swap_remove(index);
        #[cfg(feature = "socketio")]
        if let Link::SocketIo(link) = _link {
            self.learnt.restore = link.restore();
        }
    }

    fn close(&mut self, link: LinkId, in_order: bool) {
        self.trace(link, || Traced::Dropped);
        if in_order {
            if let Some(link) = self.links.iter_mut().find(|known| known.id() == link) {
                link.begin_close();
            }
        } else {
            self.forget(link);
        }
        // A dial that hangs would hold its socket for as long as the peer likes.
        self.dials.retain(|(known, _)| *known != link);
    }

    /// Looks at everything that can bring an input: the links last, since they have a turn of
    /// their own in each row.
    fn poll_input(
        &mut self,
        cx: &mut Context<'_>,
        timer: Option<&mut Pin<&mut tokio::time::Sleep>>,
    ) -> Poll<Input<A::Command>> {
        if !self.abandoned
            && let Poll::Ready(command) = self.commands.poll_recv(cx)
        {
            return Poll::Ready(command.map_or(Input::Abandoned, Input::Command));
        }
        for index in 0..self.dials.len() {
            if let Poll::Ready(result) = self.dials[index].1.as_mut().poll(cx) {
                let (link, _) = self.dials.swap_remove(index);
                return Poll::Ready(Input::Dialed(link, Box::new(result)));
            }
        }
        if let Some((request, answer)) = &mut self.token
            && let Poll::Ready(answer) = Pin::new(answer).poll(cx)
        {
            let request = *request;
            self.token = None;
            return Poll::Ready(Input::Token(request, answer));
        }
        if let Some(timer) = timer
            && timer.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Input::Timeout);
        }
        self.poll_links(cx).map(|(index, event)| Input::Link(index, event))
    }

    /// Asks each link, beginning with another one each time.
    fn poll_links(&mut self, cx: &mut Context<'_>) -> Poll<(usize, LinkEvent)> {
        self.turn = self.turn.wrapping_add(1);
        let count = self.links.len();
        for step in 0..count {
            let index = self.turn.wrapping_add(step) % count;
            if let Poll::Ready(event) = self.links[index].poll(cx) {
                return Poll::Ready((index, event));
            }
        }
        Poll::Pending
    }

    fn handle(&mut self, input: Input<A::Command>, now: Now) {
        match input {
            Input::Command(command) => self.app.command(command, &mut self.connection, now),
            Input::Abandoned => {
                self.abandoned = true;
                self.connection.close();
            }
            Input::Link(index, event) => self.handle_link(index, event, now),
            Input::Dialed(link, result) => self.handle_dialed(link, *result, now),
            Input::Token(request, Ok(credential)) => {
                let ends = credential.ends;
                self.credential = Some(credential);
                self.connection.handle_token(request, TokenAnswer::Token { ends }, now);
            }
            Input::Token(request, Err(error)) => {
                tracing::warn!(%error, "the token provider failed");
                self.connection.handle_token(request, TokenAnswer::Failed, now);
            }
            Input::Timeout => self.connection.handle_timeout(now),
        }
    }

    fn handle_link(&mut self, index: usize, event: LinkEvent, now: Now) {
        let link = self.links[index].id();
        self.trace_event(link, &event);
        match event {
            LinkEvent::Text(text) => self.connection.handle_text(link, text, now),
            LinkEvent::Binary(bytes) => self.connection.handle_binary(link, &bytes, now),
            LinkEvent::Heard => self.connection.handle_heard(link, now),
            LinkEvent::Unreadable(reason) => self.connection.handle_unreadable(link, reason, now),
            LinkEvent::Closed(code) => {
                self.forget(link);
                self.connection.handle_closed(link, code, now);
            }
            #[cfg(feature = "socketio")]
            event => self.handle_socketio(link, event, now),
        }
    }

    #[cfg(feature = "socketio")]
    fn handle_socketio(&mut self, link: LinkId, event: LinkEvent, now: Now) {
        match event {
            LinkEvent::Event(events) => self.connection.handle_event(link, events, now),
            LinkEvent::Answer(id, reply) => self.connection.handle_answer(link, id, reply, now),
            LinkEvent::Received(ids) => self.connection.handle_received(link, &ids, now),
            LinkEvent::Unsent(ids) => self.connection.handle_unsent(&ids),
            LinkEvent::Malformed(error) => self.connection.handle_malformed(link, *error, now),
            LinkEvent::Ended(ended) => {
                self.forget(link);
                match *ended {
                    Ended::Code(code) => self.connection.handle_closed(link, Some(code), now),
                    Ended::Dismissed => {
                        let dial = self.dial.socketio.as_deref();
                        let kind = dial.map_or(FailureKind::Closed, socketio::dismissed);
                        self.connection.handle_ended(link, kind, now);
                    }
                    Ended::Closed | Ended::Refused(_) | Ended::NotCarried => {
                        self.connection.handle_closed(link, None, now);
                    }
                }
            }
            // It was told when the link was opened; the others are every link's.
            _ => {}
        }
    }

    fn trace(&mut self, link: LinkId, what: impl FnOnce() -> Traced) {
        if let Some(tracer) = &mut self.tracer {
            tracer.tell(link.0, what());
        }
    }

    fn trace_event(&mut self, link: LinkId, event: &LinkEvent) {
        let Some(tracer) = &mut self.tracer else { return };
        let what = match event {
            LinkEvent::Text(text) => Traced::ReceivedText(text.clone()),
            LinkEvent::Binary(bytes) => Traced::ReceivedBinary(bytes.clone()),
            LinkEvent::Closed(code) => Traced::Closed(*code),
            LinkEvent::Unreadable(reason) => Traced::Failed(reason.clone()),
            LinkEvent::Heard => return,
            #[cfg(feature = "socketio")]
            LinkEvent::Event(events) => {
                for event in events.clone() {
                    tracer.tell(link.0, Traced::ReceivedText(event.into_raw()));
                }
                return;
            }
            #[cfg(feature = "socketio")]
            LinkEvent::Answer(_, reply) => Traced::ReceivedText(reply.data.get().to_owned().into()),
            #[cfg(feature = "socketio")]
            LinkEvent::Malformed(error) => Traced::Failed(error.to_string()),
            #[cfg(feature = "socketio")]
            LinkEvent::Ended(_) => Traced::Closed(None),
            #[cfg(feature = "socketio")]
            LinkEvent::Up(_) | LinkEvent::Received(_) | LinkEvent::Unsent(_) => return,
        };
        tracer.tell(link.0, what);
    }

    fn handle_dialed(&mut self, link: LinkId, result: Result<Opened, DialFailure>, now: Now) {
        match result {
            Ok(opened) => {
                self.trace(link, || Traced::Opened);
                match opened {
                    Opened::Native { socket, wire } => {
                        self.links.push(Link::native(link, socket));
                        self.connection.handle_opened(link, wire, now);
                    }
                    #[cfg(feature = "socketio")]
                    Opened::SocketIo(up) => {
                        self.learnt.carried = Some(up.opened.carried);
                        self.learnt.transport = Some(up.transport);
                        self.links.push(Link::SocketIo(up.link));
                        self.connection.handle_session(link, &up.opened, now);
                    }
                }
                // An engine that gave up on this dial has no link of this name.
                if !self.connection.has_link(link) {
                    self.links.retain(|known| known.id() != link);
                }
            }
            Err(failure) => {
                tracing::debug!(error = %failure.message, "a link could not be opened");
                self.trace(link, || Traced::Failed(failure.message.clone()));
                let refusal = failure.refusal.map(|refusal| *refusal);
                self.connection.handle_open_refused(link, failure.failure, refusal, now);
            }
        }
    }
}

/// Messages that wait for a socket.
pub(crate) type SendQueue = VecDeque<crate::connection::Message>;
