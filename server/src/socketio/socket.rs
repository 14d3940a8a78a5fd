//! One client in one namespace: its conversation, carried over Socket.IO.

use std::sync::Arc;
use std::task::{Poll, ready};

use engineioxide::socket::DisconnectReason;
use engineioxide::{Socket, Str};
use futures_util::Stream;
use futures_util::stream::poll_fn;
use socketioxide_core::Value;
use staywire::wire::encode_frame;

use super::connection::{Connection, Stay};
use super::pipe::Place;
use super::{connect, packets, pipe};
use crate::conversation::{Conversation, GOODBYE, Incoming, Outlet};
use crate::gateway::Refusal;
use crate::hub::Outgoing;
use crate::server::Parts;
use crate::services::random_id;
use crate::session::Dialect;

/// Runs it from the CONNECT packet to its end.
pub(super) async fn run(
    parts: Arc<Parts>,
    socket: Arc<Socket<Connection>>,
    ns: Str,
    auth: Option<Value>,
    stay: Stay,
) {
    let number = stay.number();
    let ended = match begin(&parts, &socket, &ns, auth.as_ref()).await {
        Ok((conversation, spelling)) => {
            let arriving = arriving(stay, spelling, parts.config.limits.max_frame_bytes);
            carry(conversation, spelling, &socket, &ns, arriving).await
        }
        Err(refusal) => {
            metrics::counter!("staywire_refusals_total", "code" => refusal.code()).increment(1);
            let _ = pipe::send(&socket, packets::connect_error(&ns, &refusal), None).await;
            End::Here
        }
    };
    socket.data.leave(&ns, Some(number));
    if ended == End::Everywhere {
        socket.close(DisconnectReason::TransportClose);
    }
}

/// What ends with a conversation.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The client's stay in the namespace.
    Here,
    /// The connection. A stock client that is sent out of a namespace stays away for good; one whose
    /// connection ends comes back by itself.
    Everywhere,
}

/// How what the session says is spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Stock,
    Carried,
}

/// Admits the client, and starts its session.
async fn begin(
    parts: &Arc<Parts>,
    socket: &Arc<Socket<Connection>>,
    ns: &Str,
    auth: Option<&Value>,
) -> Result<(Conversation, Spelling), Refusal> {
    // Not the connection's own id: whoever knows that one could speak for it.
    let sid = random_id()?;
    let (caller, dialect) = connect::admit(parts, &socket.req_parts, auth, &sid)?;
    let spelling = match dialect {
        Dialect::V1 => Spelling::Carried,
        _ => Spelling::Stock,
    };
    let mut conversation = Conversation::new(parts.clone(), caller, dialect);
    conversation.start().await?;
    // Where this can't be sent, the conversation ends as soon as it has begun.
    let _ = pipe::send(socket, packets::connected(ns, &sid), None).await;
    if spelling == Spelling::Carried {
        let accepted = packets::carried_text(ns, &encode_frame::<()>("accepted", None, None));
        let _ = pipe::send(socket, accepted, None).await;
    }
    Ok((conversation, spelling))
}

/// What the client sends, as the session takes it.
fn arriving(
    mut stay: Stay,
    spelling: Spelling,
    limit_bytes: usize,
) -> impl Stream<Item = Result<Incoming, Refusal>> + Unpin {
    poll_fn(move |cx| {
        loop {
            let Some(packet) = ready!(stay.poll_packet(cx)) else { return Poll::Ready(None) };
            let read = packets::read(packet, spelling == Spelling::Carried, limit_bytes);
            if let Some(message) = read.transpose() {
                return Poll::Ready(Some(message));
            }
        }
    })
}

async fn carry(
    mut conversation: Conversation,
    spelling: Spelling,
    socket: &Arc<Socket<Connection>>,
    ns: &Str,
    arriving: impl Stream<Item = Result<Incoming, Refusal>> + Unpin,
) -> End {
    let outlet = conversation.outlet();
    let mut writer = tokio::spawn(write(socket.clone(), ns.clone(), outlet, spelling));
    let ended = tokio::select! {
        refusal = conversation.run(arriving) => match refusal {
            None => End::Here,
            Some(refusal) => {
                conversation.refuse(&refusal);
                let _ = tokio::time::timeout(GOODBYE, &mut writer).await;
                match spelling {
                    Spelling::Stock => End::Everywhere,
                    Spelling::Carried => End::Here,
                }
            }
        },
        _ = &mut writer => End::Here,
    };
    if !writer.is_finished() {
        writer.abort();
        let _ = writer.await;
    }
    // One that left by itself is not expected back.
    if ended == End::Everywhere || socket.data.is_gone() || socket.is_closed() {
        conversation.went_away(&socket.data.pipe.unsent(ns));
    }
    ended
}

/// Sends what is queued until told to close, or the connection is gone.
async fn write(socket: Arc<Socket<Connection>>, ns: Str, outlet: Outlet, spelling: Spelling) {
    let out = &outlet.out;
    loop {
        while let Some(message) = out.take() {
            let place = match &message {
                Outgoing::Event { subscription, offset, .. } if *offset > 0 => {
                    Some(Place(ns.clone(), *subscription, *offset))
                }
                _ => None,
            };
            if let Some(packet) = spell(&ns, message, spelling) {
                metrics::counter!("staywire_frames_sent_total").increment(1);
                if pipe::send(&socket, packet, place).await.is_err() {
                    return;
                }
            }
            outlet.left();
        }
        if let Some((code, reason)) = out.closing() {
            if spelling == Spelling::Carried {
                let close = serde_json::json!({ "code": code, "reason": reason });
                let close = encode_frame("close", None, Some(&close));
                let _ = pipe::send(&socket, packets::carried_text(&ns, &close), None).await;
                let _ = pipe::send(&socket, packets::disconnect(&ns), None).await;
            }
            return pipe::drained(&socket).await;
        }
        outlet.left();
        tokio::select! {
            () = outlet.to_write.notified() => {}
            // So that what has left is not held on to.
            () = pipe::drained(&socket) => outlet.to_write.notified().await,
        }
    }
}

fn spell(ns: &Str, message: Outgoing, spelling: Spelling) -> Option<Value> {
    match (message, spelling) {
        (Outgoing::Text(json), Spelling::Carried) => Some(packets::carried_text(ns, &json)),
        (Outgoing::Binary(bytes), Spelling::Carried) => Some(packets::carried_binary(ns, bytes)),
        (Outgoing::Text(json), Spelling::Stock) => packets::stock(ns, &json, None),
        (Outgoing::Event { event, .. }, Spelling::Stock) => {
            packets::stock(ns, &event.json, event.binary.as_ref())
        }
        // Engine.IO has pings of its own.
        (Outgoing::Ping, _) => None,
        (Outgoing::Binary(_), Spelling::Stock) | (Outgoing::Event { .. }, Spelling::Carried) => {
            None
        }
    }
}
