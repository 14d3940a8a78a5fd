//! A room whose log is told by a service, and the state that its events add up to.
//!
//! One event is told at a time, and the state never shows more or less than the log up to its
//! place. It knows no rights and no kinds of events.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use staywire::events::EventData;
use tokio::sync::Mutex as AsyncMutex;

use super::payload;
use crate::bus::{FirstReply, Known, RoomKey, Stamp};
use crate::gateway::Refusal;
use crate::hub::{Hub, Snapshot, SnapshotSource};
use crate::session::{reply_to, unavailable};
use crate::time::unix_ms;

/// An event's log and offset.
pub(super) type Place = (Arc<str>, u64);

/// A room and its state. Make it known to the hub with [`StateRoom::open`] or [`StateRoom::show`].
pub(super) struct StateRoom<S> {
    hub: Arc<Hub>,
    key: RoomKey,
    /// The event by which those are told the state who know no snapshots.
    plain: Option<&'static str>,
    inner: Mutex<Inner<S>>,
    /// Held while an event is told, so that state and log go forward together.
    turn: Arc<AsyncMutex<()>>,
}

struct Inner<S> {
    state: S,
    /// The last event that the state holds; `None` before anything can be shown.
    place: Option<Place>,
}

impl<S: Serialize + Send + 'static> StateRoom<S> {
    pub(super) fn new(hub: Arc<Hub>, key: RoomKey, state: S) -> Arc<Self> {
        Self::told_as(hub, key, state, None)
    }

    /// The same, with the event by which those are told the state who know no snapshots.
    pub(super) fn told_as(
        hub: Arc<Hub>,
        key: RoomKey,
        state: S,
        plain: Option<&'static str>,
    ) -> Arc<Self> {
        let inner = Mutex::new(Inner { state, place: None });
        Arc::new(Self { hub, key, plain, inner, turn: Arc::default() })
    }

    pub(super) fn key(&self) -> &RoomKey {
        &self.key
    }

    /// Shows the state to those who join from now on, and returns the place that it is of.
    pub(super) async fn open(self: &Arc<Self>) -> Result<Place, Refusal> {
        let turn = self.turn.clone().lock_owned().await;
        let place = payload::tip(&self.hub, &self.key, unix_ms()).await?;
        self.look(|inner| inner.place = Some(place.clone()));
        drop(turn);
        self.show();
        Ok(place)
    }

    /// The same, unless the state has a place already.
    pub(super) async fn open_if_new(self: &Arc<Self>) -> Result<(), Refusal> {
        match self.look(|inner| inner.place.is_some()) {
            true => Ok(()),
            false => self.open().await.map(drop),
        }
    }

    /// Shows the state to those who join from now on, once an event was told.
    pub(super) fn show(self: &Arc<Self>) {
        self.hub.set_snapshot(self.key.clone(), self.clone());
    }

    /// Takes the state away from those who join from now on.
    pub(super) fn close(&self) {
        self.hub.clear_snapshot(&self.key);
    }

    /// Looks at the state, or changes what no event tells.
    pub(super) fn with<R>(&self, look: impl FnOnce(&mut S) -> R) -> R {
        self.look(|inner| look(&mut inner.state))
    }

    /// The same as [`StateRoom::say`] for an event from outside that may come twice: a repeat is
    /// answered as the first was, and changes nothing. The reply is its place.
    pub(super) async fn say_once<E>(
        self: &Arc<Self>,
        event: E,
        stamp: Option<Stamp>,
        fold: impl FnOnce(&mut S, E) + Send + 'static,
    ) -> Result<Box<RawValue>, Refusal>
    where
        E: EventData + Send + 'static,
    {
        let turn = self.turn.clone().lock_owned().await;
        let room = self.clone();
        let told = tokio::spawn(async move {
            if let Some(stamp) = &stamp {
                // Within the turn: no repeat can come in between.
                let known = room.hub.bus().recall(stamp).await;
                match known.map_err(|error| unavailable(&error))? {
                    Known::New => {}
                    known => return reply_to(known),
                }
            }
            let stored = payload::stored(&event, unix_ms())?;
            let known = room.hub.publish(&room.key, stored, stamp.as_ref()).await;
            let known = known.map_err(|error| unavailable(&error))?;
            if let Known::Answered(FirstReply::Appended { epoch, offset }) = &known {
                room.look(|inner| {
                    inner.place = Some((epoch.clone(), *offset));
                    fold(&mut inner.state, event);
                });
            }
            drop(turn);
            reply_to(known)
        });
        told.await.unwrap_or(Err(Refusal::Internal))
    }

    /// Tells an event, and folds it into the state. Once begun it is told to the end, even if
    /// the caller is dropped meanwhile.
    pub(super) async fn say<E>(
        self: &Arc<Self>,
        event: E,
        fold: impl FnOnce(&mut S, E) + Send + 'static,
    ) -> Result<Place, Refusal>
    where
        E: EventData + Send + 'static,
    {
        self.say_in_turn(|| (event, fold)).await
    }

    /// The same, with an event that is made once everything before it was told.
    pub(super) async fn say_in_turn<E, F>(
        self: &Arc<Self>,
        make: impl FnOnce() -> (E, F),
    ) -> Result<Place, Refusal>
    where
        E: EventData + Send + 'static,
        F: FnOnce(&mut S, E) + Send + 'static,
    {
        let turn = self.turn.clone().lock_owned().await;
        let (event, fold) = make();
        let room = self.clone();
        let told = tokio::spawn(async move {
            let stored = payload::stored(&event, unix_ms())?;
            let place = payload::append(&room.hub, &room.key, stored).await?;
            room.look(|inner| {
                inner.place = Some(place.clone());
                fold(&mut inner.state, event);
            });
            drop(turn);
            Ok(place)
        });
        told.await.unwrap_or(Err(Refusal::Internal))
    }

    fn look<R>(&self, look: impl FnOnce(&mut Inner<S>) -> R) -> R {
        look(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Serialize + Send + 'static> SnapshotSource for StateRoom<S> {
    fn snapshot(&self) -> Option<Snapshot> {
        self.look(|inner| {
            let (epoch, offset) = inner.place.clone()?;
            let data = to_raw_value(&inner.state).ok()?;
            Some(Snapshot { epoch, offset, data, plain: self.plain })
        })
    }
}
