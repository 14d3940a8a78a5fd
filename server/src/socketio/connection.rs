//! One Engine.IO connection: the namespaces that its client is in, its place, and its end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engineioxide::socket::DisconnectReason;
use engineioxide::{Socket, Str};
use futures_util::Stream;
use futures_util::stream::poll_fn;
use socketioxide_core::parser::ParserState;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::pipe::Pipe;
use crate::conversation::{GOODBYE, Incoming};
use crate::gateway::Refusal;
use crate::gateway::limits::ConnectionPermit;
use crate::server::{Parts, Phase};

/// Messages that may wait for one client's session, and their bytes in frames of the largest size.
const MESSAGES: usize = 16 * 1024;
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
    /// How many namespaces the client is in.
    inhabited: watch::Sender<usize>,
    gone: watch::Sender<bool>,
}

/// A namespace that a client is in, or is about to be.
#[derive(Debug)]
struct Namespace {
    messages: mpsc::Sender<(Result<Incoming, Refusal>, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
    carried: Arc<AtomicBool>,
}

/// Whether a message could be handed on.
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

    /// Enters a namespace, and returns what will arrive in it; `None` if the client is in it already.
    pub(super) fn enter(
        &self,
        ns: &Str,
        max_frame_bytes: usize,
    ) -> Option<impl Stream<Item = Result<Incoming, Refusal>> + Unpin + use<>> {
        let mut namespaces = lock(&self.namespaces);
        if namespaces.contains_key(ns) || self.is_gone() {
            return None;
        }
        let (messages, mut arriving) = mpsc::channel(MESSAGES);
        let room = Arc::new(Semaphore::new(max_frame_bytes.saturating_mul(FRAMES)));
        namespaces.insert(ns.clone(), Namespace { messages, room, carried: Arc::default() });
        self.inhabited.send_replace(namespaces.len());
        Some(poll_fn(move |cx| {
            arriving.poll_recv(cx).map(|next| next.map(|(message, _room)| message))
        }))
    }

    /// Leaves a namespace: nothing arrives there any more.
    pub(super) fn leave(&self, ns: &Str) {
        let mut namespaces = lock(&self.namespaces);
        namespaces.remove(ns);
        self.inhabited.send_replace(namespaces.len());
    }

    /// In this namespace our own protocol is spoken from now on.
    pub(super) fn speaks_our_own(&self, ns: &Str) {
        if let Some(namespace) = lock(&self.namespaces).get(ns) {
            namespace.carried.store(true, Ordering::Relaxed);
        }
    }

    /// Whether our own protocol is spoken in a namespace; `None` if the client is not in it.
    pub(super) fn is_carried(&self, ns: &Str) -> Option<bool> {
        let namespaces = lock(&self.namespaces);
        namespaces.get(ns).map(|namespace| namespace.carried.load(Ordering::Relaxed))
    }

    /// Hands a message of `bytes` bytes to whoever runs the session of that namespace, or the refusal
    /// that ends it.
    pub(super) fn hand_on(
        &self,
        ns: &Str,
        message: Result<Incoming, Refusal>,
        bytes: usize,
    ) -> Handed {
        let namespaces = lock(&self.namespaces);
        let Some(namespace) = namespaces.get(ns) else { return Handed::Nowhere };
        let bytes = u32::try_from(bytes.max(1)).unwrap_or(u32::MAX);
        let Ok(room) = namespace.room.clone().try_acquire_many_owned(bytes) else {
            return Handed::TooMuch;
        };
        match namespace.messages.try_send((message, room)) {
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
