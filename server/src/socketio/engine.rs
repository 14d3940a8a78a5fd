//! What Engine.IO reports of its connections, handed to whom it concerns. It never waits: what takes
//! time is done by a task of each client.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use engineioxide::handler::EngineIoHandler;
use engineioxide::socket::DisconnectReason;
use engineioxide::{Socket, Str};
use socketioxide_core::Value;
use socketioxide_core::packet::{Packet, PacketData};
use socketioxide_core::parser::{Parse, ParseConfig, ParseError};
use socketioxide_parser_common::CommonParser;

use super::connection::{Connection, Handed, watch_over};
use super::{packets, socket};
use crate::gateway::Refusal;
use crate::gateway::limits::ConnectionPermit;
use crate::server::Parts;

/// Where clients can be.
const NAMESPACES: [&str; 2] = ["/", "/ws"];

/// A connection's place, on its way from the request to the connection.
#[derive(Clone)]
pub(super) struct Place(pub(super) Arc<Mutex<Option<ConnectionPermit>>>);

/// All Socket.IO connections of a server.
pub(super) struct Engine {
    pub(super) parts: Arc<Parts>,
    parse: ParseConfig,
}

impl Engine {
    pub(super) fn new(parts: Arc<Parts>) -> Self {
        let parse = ParseConfig {
            max_incoming_binary_buf_size: parts.config.limits.max_frame_bytes,
            // One can mean something; a few more can be told so.
            max_incoming_binaries: 8,
            ..ParseConfig::default()
        };
        Self { parts, parse }
    }

    fn take(
        self: &Arc<Self>,
        socket: &Arc<Socket<Connection>>,
        packet: Result<Packet, ParseError>,
    ) {
        let Packet { inner, ns } = match packet {
            Ok(packet) => packet,
            Err(ParseError::NeedsMoreBinaryData) => return,
            Err(error) => {
                tracing::debug!(%error, "a packet can't be read");
                return socket.close(DisconnectReason::PacketParsingError);
            }
        };
        match inner {
            PacketData::Connect(auth) => self.connect(socket, ns, auth),
            PacketData::Disconnect => socket.data.leave(&ns, None),
            inner => self.hand_on(socket, &ns, inner),
        }
    }

    fn connect(self: &Arc<Self>, socket: &Arc<Socket<Connection>>, ns: Str, auth: Option<Value>) {
        let refuse = |refusal: &Refusal| {
            metrics::counter!("staywire_refusals_total", "code" => refusal.code()).increment(1);
            if let Value::Str(packet, _) = packets::connect_error(&ns, refusal) {
                // One that asks faster than it reads gets no answer.
                let _ = socket.emit(packet);
            }
        };
        if !NAMESPACES.contains(&ns.as_str()) {
            return refuse(&Refusal::NotFound(
                "there is no such namespace; there are `/` and `/ws`".into(),
            ));
        }
        // The connection itself was counted as an attempt, and its first CONNECT belongs to it.
        if socket.data.count_connect() > 0
            && let Some(peer) = super::connect::peer(&socket.req_parts)
            && let Err(refusal) = self.parts.gate.attempt(peer.ip(), &socket.req_parts.headers)
        {
            return refuse(&refusal);
        }
        let max_frame_bytes = self.parts.config.limits.max_frame_bytes;
        match socket.data.enter(&ns, max_frame_bytes) {
            Some(stay) => {
                tokio::spawn(socket::run(self.parts.clone(), socket.clone(), ns, auth, stay));
            }
            None => tracing::debug!("a second CONNECT in one namespace is passed over"),
        }
    }

    fn hand_on(&self, socket: &Arc<Socket<Connection>>, ns: &Str, packet: PacketData) {
        let bytes = packets::size(&packet);
        if socket.data.hand_on(ns, packet, bytes) == Handed::TooMuch {
            tracing::debug!("a client sends more than is read of it");
            socket.close(DisconnectReason::TransportClose);
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl EngineIoHandler for Engine {
    type Data = Connection;

    fn on_connect(self: Arc<Self>, socket: Arc<Socket<Connection>>) {
        let place = socket.req_parts.extensions.get::<Place>();
        let permit = place
            .and_then(|Place(permit)| permit.lock().unwrap_or_else(PoisonError::into_inner).take());
        let Some(permit) = permit else {
            tracing::error!("a Socket.IO connection came past the gate");
            return socket.close(DisconnectReason::TransportClose);
        };
        socket.data.keep(permit);
        tokio::spawn(watch_over(socket, self.parts.clone()));
    }

    fn on_disconnect(&self, socket: Arc<Socket<Connection>>, reason: DisconnectReason) {
        tracing::debug!(?reason, "a Socket.IO connection ended");
        socket.data.end();
    }

    fn on_message(self: &Arc<Self>, text: Str, socket: Arc<Socket<Connection>>) {
        let packet = CommonParser.decode_str(&self.parse, &socket.data.parser, text);
        self.take(&socket, packet);
    }

    fn on_binary(self: &Arc<Self>, bytes: Bytes, socket: Arc<Socket<Connection>>) {
        let packet = CommonParser.decode_bin(&self.parse, &socket.data.parser, bytes);
        self.take(&socket, packet);
    }
}
