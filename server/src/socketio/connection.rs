//! One Engine.IO connection: the namespaces that its client is in, its place, and its end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use engineioxide::socket::DisconnectReason;
use engineioxide::{Socket, Str};
use socketioxide_core::packet::PacketData;
use socketioxide_core::parser::ParserState;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::pipe::Pipe;
use crate::conversation::GOODBYE;
use crate::gateway::limits::ConnectionPermit;
use crate::server::{Parts, Phase};

/// Packets that may wait for one client's session, and their bytes in frames of the largest size.
const PACKETS: usize = 16 * 1024;
const FRAMES: usize = 2;

/// What is known of a connection besides its transport.
#[derive(Debug, Default)]
pub(super) struct Connection {
    pub(super) parser: ParserState,
    pub(super) pipe: Pipe,
    permit: Mutex<Option<ConnectionPermit>>,
    namespaces: Mutex<HashMap<Str, Namespace>>,
    /// CONNECT packets so far.
    connects: AtomicU32,
    stays: AtomicU32,
    /// How many namespaces the client is in.
    inhabited: watch::Sender<usize>,
    gone: watch::Sender<bool>,
}

/// A namespace that a client is in, or is about to be.
#[derive(Debug)]
struct Namespace {
    /// Tells this stay from an earlier one.
    stay: u32,
    packets: mpsc::Sender<(PacketData, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
    /// All of that room.
    most: usize,
}

/// A stay in a namespace, for whoever runs the client's session.
pub(super) struct Stay {
    number: u32,
    packets: mpsc::Receiver<(PacketData, OwnedSemaphorePermit)>,
}

impl Stay {
    /// Tells this stay from others in the same namespace.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// The next packet; `None` once the client has left.
    pub(super) fn poll_packet(&mut self, cx: &mut Context<'_>) -> Poll<Option<PacketData>> {
        self.packets.poll_recv(cx).map(|next| next.map(|(packet, _room)| packet))
    }
}

/// Whether a packet could be handed on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Handed {
    On,
    /// The client is not in that namespace.
    Nowhere,
    /// More waits than may.
    TooMuch,
}

impl Connection {
    /// Keeps the connection's place until it is gone.
    pub(super) fn keep(&self, permit: ConnectionPermit) {
        metrics::gauge!("staywire_socketio_connections").increment(1.0);
        lock(&self.permit).replace(permit);
    }

    /// Counts a CONNECT packet, and returns how many came before.
    pub(super) fn count_connect(&self) -> u32 {
        self.connects.fetch_add(1, Ordering::Relaxed)
    }

    /// Enters a namespace; `None` if the client is in it already.
    pub(super) fn enter(&self, ns: &Str, max_frame_bytes: usize) -> Option<Stay> {
        let mut namespaces = lock(&self.namespaces);
        if namespaces.contains_key(ns) || self.is_gone() {
            return None;
        }
        let number = self.stays.fetch_add(1, Ordering::Relaxed);
        let (sender, packets) = mpsc::channel(PACKETS);
        let most = max_frame_bytes.saturating_mul(FRAMES).min(u32::MAX as usize);
        let room = Arc::new(Semaphore::new(most));
        namespaces.insert(ns.clone(), Namespace { stay: number, packets: sender, room, most });
        self.inhabited.send_replace(namespaces.len());
        Some(Stay { number, packets })
    }

    /// Leaves a namespace: nothing arrives there any more. Does nothing if `stay` is given and has
    /// ended: the client may be there anew.
    pub(super) fn leave(&self, ns: &Str, stay: Option<u32>) {
        let mut namespaces = lock(&self.namespaces);
        let is_meant = |namespace: &Namespace| stay.is_none_or(|stay| stay == namespace.stay);
        if namespaces.get(ns).is_some_and(is_meant) {
            namespaces.remove(ns);
            self.inhabited.send_replace(namespaces.len());
        }
    }

    /// Hands a packet of `bytes` bytes to whoever runs the session of that namespace.
    pub(super) fn hand_on(&self, ns: &Str, packet: PacketData, bytes: usize) -> Handed {
        let namespaces = lock(&self.namespaces);
        let Some(namespace) = namespaces.get(ns) else { return Handed::Nowhere };
        // One that is larger than all that may wait is refused by who reads it.
        let bytes = u32::try_from(bytes.clamp(1, namespace.most)).unwrap_or(u32::MAX);
        let Ok(room) = namespace.room.clone().try_acquire_many_owned(bytes) else {
            return Handed::TooMuch;
        };
        match namespace.packets.try_send((packet, room)) {
            Ok(()) => Handed::On,
            Err(mpsc::error::TrySendError::Full(_)) => Handed::TooMuch,
            Err(mpsc::error::TrySendError::Closed(_)) => Handed::Nowhere,
        }
    }

    /// The connection has ended: every session of it ends too, and its place is free.
    pub(super) fn end(&self) {
        self.gone.send_replace(true);
        lock(&self.namespaces).clear();
        if lock(&self.permit).take().is_some() {
            metrics::gauge!("staywire_socketio_connections").decrement(1.0);
        }
    }

    /// Whether the connection has ended.
    pub(super) fn is_gone(&self) -> bool {
        *self.gone.borrow()
    }
}

/// Ends a connection that is of no use: one whose client is in no namespace for too long, and what is
/// left when the server closes.
pub(super) async fn watch_over(socket: Arc<Socket<Connection>>, parts: Arc<Parts>) {
    let patience = Duration::from_millis(parts.config.socketio.connect_timeout_ms);
    let mut gone = socket.data.gone.subscribe();
    let mut inhabited = socket.data.inhabited.subscribe();
    let mut phase = parts.phase.subscribe();
    loop {
        let is_empty = *inhabited.borrow_and_update() == 0;
        tokio::select! {
            _ = gone.wait_for(|gone| *gone) => return,
            _ = inhabited.changed() => {}
            () = tokio::time::sleep(patience), if is_empty => break,
            // Whoever is in a namespace is told why before.
            () = closed(&mut phase) => break,
        }
    }
    socket.close(DisconnectReason::TransportClose);
}

/// The server closes, and those who were to be told were.
async fn closed(phase: &mut watch::Receiver<Phase>) {
    let _ = phase.wait_for(|phase| *phase == Phase::Closing).await;
    tokio::time::sleep(GOODBYE).await;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
