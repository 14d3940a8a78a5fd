//! What only a Socket.IO server can do: options, events with bytes, answers both ways.

use std::future::Future;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::oneshot;
use url::Url;

use super::dispatch::Command;
use super::error::{AnswerError, BuildError};
use super::token::apart;
use super::{CallError, CallOptions, Client, SendError};
use crate::connection::Body;
use crate::connection::socketio::{Continuity, Reply};
use crate::driver::{Auth, ProviderError, SocketIoDial, SocketIoTransport};
use crate::wire::Event;
use crate::wire::socketio::{Arguments, Limits, Parser};

/// How to speak to a Socket.IO server. Everything has a default: that of the official client, but that
/// a WebSocket is tried before long polling.
#[must_use = "nothing happens before it is handed to the builder"]
pub struct SocketIoOptions {
    namespace: Option<String>,
    path: String,
    query: Vec<(String, String)>,
    transports: Vec<SocketIoTransport>,
    upgrade: bool,
    auth: Option<Auth>,
    continuity: Continuity,
    recovery: bool,
    stays_away: bool,
    parser: Parser,
    max_attachments: usize,
}

impl std::fmt::Debug for SocketIoOptions {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SocketIoOptions")
            .field("namespace", &self.namespace)
            .field("path", &self.path)
            .field("transports", &self.transports)
            .field("continuity", &self.continuity)
            .finish_non_exhaustive()
    }
}

impl Default for SocketIoOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl SocketIoOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            namespace: None,
            path: "/socket.io/".to_owned(),
            query: Vec::new(),
            transports: vec![SocketIoTransport::WebSocket, SocketIoTransport::Polling],
            upgrade: true,
            auth: None,
            continuity: Continuity::Off,
            recovery: true,
            stays_away: true,
            parser: Parser::Json,
            max_attachments: Limits::default().attachments,
        }
    }

    /// The namespace. Default: the path of the URL. A client has one; for another, make another
    /// client.
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Where the server listens. Default `/socket.io/`.
    pub fn path(mut self, path: &str) -> Self {
        self.path = format!("/{}/", path.trim_matches('/'));
        self
    }

    /// Adds this to the query of every request.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Which transports to use: each is tried if the one before doesn't open, and what worked last
    /// is tried first. Default: WebSocket, then long polling.
    pub fn transports(mut self, transports: impl IntoIterator<Item = SocketIoTransport>) -> Self {
        self.transports = transports.into_iter().collect();
        self
    }

    /// Whether a connection that polls goes on over a WebSocket if the server has one, and it is
    /// among the transports. Default: yes.
    pub fn upgrade(mut self, upgrade: bool) -> Self {
        self.upgrade = upgrade;
        self
    }

    /// Asks this function for what to prove this client with, anew for each connection: an object of
    /// JSON. Default: `{"token": …}` with the token of the builder, if it has one.
    ///
    /// It runs in a task of its own, and has no more time than there is to connect. If it fails, or
    /// the server doesn't let the client in, it is asked again after a wait.
    pub fn auth<F, Fut, T, E>(mut self, ask: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize,
        E: Into<ProviderError>,
    {
        let ask = std::sync::Arc::new(ask);
        self.auth = Some(std::sync::Arc::new(move || {
            let ask = ask.clone();
            apart("the auth function panicked", async move {
                let answer = ask().await.map_err(Into::into)?;
                serde_json::value::to_raw_value(&answer).map_err(Into::into)
            })
        }));
        self
    }

    /// Whether to ask the server for `staywire.v1`, with its rooms and all that is proven there.
    /// Default: not.
    pub fn continuity(mut self, continuity: Continuity) -> Self {
        self.continuity = continuity;
        self
    }

    /// Whether to use the server's connection state recovery, where it is on: a reconnect that it
    /// restored is no gap. The name of its place, which the server puts behind the arguments of each
    /// event then, is no argument here. Default: yes.
    pub fn recovery(mut self, recovery: bool) -> Self {
        self.recovery = recovery;
        self
    }

    /// Whether to come back when the server disconnects this client on purpose. Default: not, as the
    /// official client; the state is closed with [`Cause::Dismissed`](crate::Cause::Dismissed) then.
    pub fn return_when_dismissed(mut self, returns: bool) -> Self {
        self.stays_away = !returns;
        self
    }

    /// How packets are written: as the server's parser has it. Default: as JSON.
    pub fn parser(mut self, parser: Parser) -> Self {
        self.parser = parser;
        self
    }

    /// How many attachments an event of the server may have. Default 256.
    pub fn max_attachments(mut self, attachments: usize) -> Self {
        self.max_attachments = attachments;
        self
    }

    pub(super) fn into_dial(
        self,
        url: &Url,
        max_message_bytes: usize,
        connect_deadline: Duration,
    ) -> Result<SocketIoDial, BuildError> {
        let wrong =
            |option, reason: &str| Err(BuildError::SocketIo { option, reason: reason.to_owned() });
        let namespace = self.namespace.unwrap_or_else(|| url.path().to_owned());
        let namespace = format!("/{}", namespace.trim_start_matches('/'));
        if namespace.contains(',') {
            return wrong("namespace", "it must not contain a comma");
        }
        if self.transports.is_empty() {
            return wrong("transports", "name one at least");
        }
        Ok(SocketIoDial {
            namespace,
            path: self.path,
            query: self.query,
            transports: self.transports,
            upgrade: self.upgrade,
            auth: self.auth,
            continuity: self.continuity,
            recovery: self.recovery,
            stays_away: self.stays_away,
            parser: self.parser,
            limits: Limits { attachments: self.max_attachments, bytes: max_message_bytes },
            connect_deadline,
        })
    }
}

impl Client {
    /// Emits an event to a Socket.IO server, with any number of arguments and bytes in them, and
    /// resolves when it is known to have arrived.
    ///
    /// The outbox keeps it while there is no connection, and sends in order. It is never sent twice:
    /// if the connection is lost after it was sent and before it is known to have arrived, that is
    /// [`SendError::Uncertain`]. Dropping the future takes it back if it was never sent.
    pub async fn emit(&self, event: &str, arguments: Arguments) -> Result<(), SendError> {
        self.send_body(event, Body::Arguments(arguments)).await
    }

    /// The same, and waits for the server's answer. [`Client::call`] does so with one argument.
    pub async fn emit_with_ack(
        &self,
        event: &str,
        arguments: Arguments,
        options: CallOptions,
    ) -> Result<Reply, CallError> {
        let body = Body::Arguments(arguments);
        let (data, attachments) = self.call_body(event, body, options).await?;
        Ok(Reply { data, attachments })
    }

    /// Emits an event if there is a connection now, and forgets it. False if there is none.
    pub async fn emit_volatile(&self, event: &str, arguments: Arguments) -> bool {
        let kind = event.to_owned();
        self.hand_over(|sent| Command::SendNow { kind, arguments, sent }).await
    }

    /// Answers an event of a Socket.IO server that waits for it: see [`Event::wants_answer`].
    pub async fn answer(&self, event: &Event, arguments: Arguments) -> Result<(), AnswerError> {
        let ask = event.ask().ok_or(AnswerError::NotAsked)?.clone();
        if !ask.take() {
            return Err(AnswerError::Answered);
        }
        let sent = self.hand_over(|answered| Command::Answer { ask, arguments, answered }).await;
        if sent { Ok(()) } else { Err(AnswerError::Gone) }
    }

    async fn hand_over(&self, command: impl FnOnce(oneshot::Sender<bool>) -> Command) -> bool {
        let (sender, answer) = oneshot::channel();
        self.command(command(sender));
        answer.await.unwrap_or(false)
    }
}
