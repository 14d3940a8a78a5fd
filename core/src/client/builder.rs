//! Describes a client before it is made.

use std::time::Duration;

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use tokio::sync::{mpsc, watch};

use super::Client;
use super::dispatch::Dispatcher;
use super::error::BuildError;
#[cfg(feature = "socketio")]
use super::socketio::SocketIoOptions;
use super::token::{Source, TokenSource, source_of};
use crate::connection::{Bounds, ClientIdentity, Connection};
use crate::driver::{self, Clock, DialConfig, Trace, Tracer};
use crate::engine::{
    BackoffConfig, Config, CredentialsMode, HeartbeatConfig, Millis, OnOverflow, ProtocolChoice,
    State,
};

/// Describes a client. Everything has a default but the URL.
#[must_use = "nothing happens before build()"]
pub struct ClientBuilder {
    url: String,
    config: Config,
    source: Option<Source>,
    headers: Vec<(String, String)>,
    max_message_bytes: usize,
    queue: Bounds,
    tracer: Option<Tracer>,
    #[cfg(feature = "socketio")]
    socketio: Option<SocketIoOptions>,
    #[cfg(feature = "tls")]
    roots: Vec<rustls::pki_types::CertificateDer<'static>>,
}

impl std::fmt::Debug for ClientBuilder {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ClientBuilder")
            .field("url", &self.url)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            config: Config::default(),
            source: None,
            headers: Vec::new(),
            max_message_bytes: 16 << 20,
            queue: Bounds { events: 4_096, bytes: 4 << 20 },
            tracer: None,
            #[cfg(feature = "socketio")]
            socketio: None,
            #[cfg(feature = "tls")]
            roots: Vec::new(),
        }
    }

    /// Which protocol to speak. Default: [`ProtocolChoice::Auto`].
    pub fn protocol(mut self, protocol: ProtocolChoice) -> Self {
        self.config.protocol = protocol;
        self
    }

    /// Speaks Socket.IO. The path of the URL is the namespace then, as with the official client.
    #[cfg(feature = "socketio")]
    pub fn socketio(mut self, options: SocketIoOptions) -> Self {
        self.socketio = Some(options);
        self
    }

    /// Where tokens come from. Default: none is sent.
    pub fn token(mut self, source: impl TokenSource) -> Self {
        let source = source_of(source);
        // A fixed token is asked for like any other, but never a second time.
        self.config.credentials = match &source {
            Source::Fixed(_) => CredentialsMode::Fixed,
            Source::Provider(_) => CredentialsMode::Provider,
        };
        self.source = Some(source);
        self
    }

    /// Sends this header with every upgrade request.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The waits between attempts: upper bounds of the first and of all. Each wait is drawn from
    /// zero to its bound, which doubles from one to the next. Default 0.5 s and 20 s.
    pub fn backoff(mut self, base: Duration, cap: Duration) -> Self {
        let backoff = self.config.backoff;
        self.config.backoff = BackoffConfig { base: millis(base), cap: millis(cap), ..backoff };
        self
    }

    /// Closes the client after this many failed attempts in a row. Default: never.
    pub fn give_up_after(mut self, attempts: u32) -> Self {
        self.config.backoff.give_up_after = Some(attempts);
        self
    }

    /// How long a link may take from dialling to the server's greeting. Default 10 s.
    pub fn connect_deadline(mut self, deadline: Duration) -> Self {
        self.config.connect_deadline = millis(deadline);
        self
    }

    /// How long the token provider may take. Default 10 s.
    pub fn token_deadline(mut self, deadline: Duration) -> Self {
        self.config.token_deadline = millis(deadline);
        self
    }

    /// How long before its end a token is renewed; at 80 % of a shorter life. Default 60 s.
    pub fn refresh_margin(mut self, margin: Duration) -> Self {
        self.config.refresh_margin = millis(margin);
        self
    }

    /// The pace of pings and how long their answer may take, where the server doesn't say.
    /// Default 30 s and 10 s.
    pub fn heartbeat(mut self, interval: Duration, timeout: Duration) -> Self {
        self.config.heartbeat =
            HeartbeatConfig { interval: millis(interval), timeout: millis(timeout) };
        self
    }

    /// Says that a `plain` server answers `{"type":"ping"}` with any frame, so that a dead link
    /// can be told. Default: no; then no link to a `plain` server is ever called dead.
    pub fn plain_heartbeat(mut self, answers: bool) -> Self {
        self.config.plain_heartbeat = answers;
        self
    }

    /// How much the outbox keeps, in messages and payload bytes, and what to do beyond.
    /// Default 1,000, 1 MiB, and to refuse the new one.
    pub fn outbox(mut self, messages: usize, bytes: usize, on_overflow: OnOverflow) -> Self {
        let outbox = &mut self.config.outbox;
        (outbox.max_entries, outbox.max_bytes, outbox.on_overflow) = (messages, bytes, on_overflow);
        self
    }

    /// How many calls may wait for their answers at a time. Default 1,024.
    pub fn max_calls(mut self, calls: usize) -> Self {
        self.config.max_calls = calls;
        self
    }

    /// How much may wait for the application in each room, in events and bytes, before the rest is
    /// left to be fetched again later. Default 4,096 and 4 MiB.
    pub fn room_queue(mut self, events: usize, bytes: usize) -> Self {
        self.queue = Bounds { events: events.max(1), bytes: bytes.max(1) };
        self
    }

    /// The largest message that the server may send, in bytes; a larger one breaks the link.
    /// Default 16 MiB.
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.max_message_bytes = bytes;
        self
    }

    /// Trusts this certificate (DER) beside the platform's.
    #[cfg(feature = "tls")]
    pub fn trust_certificate(mut self, der: Vec<u8>) -> Self {
        self.roots.push(rustls::pki_types::CertificateDer::from(der));
        self
    }

    /// Shows what goes over the links: every frame, and every link that comes and goes. What is
    /// not taken in time is counted and dropped.
    pub fn trace(mut self) -> (Self, mpsc::Receiver<Trace>) {
        let (tracer, traces) = Tracer::new();
        self.tracer = Some(tracer);
        (self, traces)
    }

    /// Makes the client. It does nothing until [`Client::connect`] is called.
    ///
    /// It needs a running tokio runtime, where its one task lives.
    #[cfg_attr(not(feature = "socketio"), allow(unused_mut, reason = "only Socket.IO changes it"))]
    pub fn build(mut self) -> Result<Client, BuildError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        let url = driver::parse_url(&self.url)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let (name, value) = header(name, value)?;
            headers.append(name, value);
        }
        if let Some(Source::Fixed(token)) = &self.source
            && HeaderValue::from_str(token.text()).is_err()
        {
            return Err(BuildError::Token);
        }
        #[cfg(feature = "tls")]
        let tls = match url.scheme() {
            "wss" => Some(
                driver::TlsConfig::new(self.roots)
                    .map_err(|error| BuildError::Tls(error.to_string()))?,
            ),
            _ => None,
        };
        #[cfg(feature = "socketio")]
        let socketio = match self.socketio {
            Some(options) => {
                // It has no subprotocols to fall back from.
                self.config.protocol = ProtocolChoice::Plain;
                let deadline = Duration::from_millis(self.config.connect_deadline.0);
                Some(options.into_dial(&url, self.max_message_bytes, deadline)?.into())
            }
            None => None,
        };
        let dial = DialConfig {
            #[cfg(feature = "socketio")]
            socketio,
            url: url.into(),
            headers,
            max_message_bytes: self.max_message_bytes,
            #[cfg(feature = "tls")]
            tls,
        };
        let identity = ClientIdentity { instance: random_name()?, producer: random_name()? };
        let connection = Connection::new(self.config, identity, random_seed()?);
        let (commands, receiver) = mpsc::unbounded_channel();
        let (state, watch) = watch::channel(State::Idle);
        let clock = Clock::new();
        let (identity, told) = watch::channel(None);
        let fixed = self.source.as_ref().and_then(Source::fixed);
        let dispatcher = Dispatcher::new(self.source, state, identity, self.queue);
        runtime.spawn(driver::run(
            dispatcher,
            receiver,
            connection,
            dial,
            clock,
            fixed,
            self.tracer,
        ));
        Ok(Client::new(commands, (watch, told), clock, self.queue))
    }
}

fn millis(span: Duration) -> Millis {
    Millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), BuildError> {
    let bad = |reason: &dyn std::fmt::Display| BuildError::Header {
        name: name.to_owned(),
        reason: reason.to_string(),
    };
    let key = HeaderName::from_bytes(name.as_bytes()).map_err(|error| bad(&error))?;
    let value = HeaderValue::from_str(value).map_err(|error| bad(&error))?;
    Ok((key, value))
}

fn random_seed() -> Result<u64, BuildError> {
    getrandom::u64().map_err(|error| BuildError::NoRandomness(error.to_string()))
}

fn random_name() -> Result<String, BuildError> {
    Ok(format!("{:016x}{:016x}", random_seed()?, random_seed()?))
}
