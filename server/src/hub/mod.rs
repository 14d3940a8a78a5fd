//! Who is in which room, and where each of them stands in its log.
//!
//! A member is either *live*, and gets events as they are appended, or *behind*, and is caught up
//! from the log: after a join with history, a resume, or because its connection reads slowly. One
//! mechanism serves all three. The hub knows no frames but those that place a member in a log, no
//! rights, and no time but what it is told.

mod member;
mod outbound;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use serde_json::value::RawValue;
use staywire::wire::control::{Bound, Gap, History};
use staywire::wire::encode_frame;

use crate::bus::{Bus, BusError, Known, Listener, RoomKey, Slice, Stamp, StoredEvent};
use member::{Member, Members, Mode};
pub use outbound::{Outbound, Outgoing, Waker};

/// Where a subscription begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// With the next event; with the room's state as of now, where it has one.
    Tip,
    /// With at most this many past events.
    History(u32),
    /// After a known event.
    After {
        /// The epoch that the offset belongs to.
        epoch: String,
        /// The last event that the client has.
        offset: u64,
    },
}

/// The state of a room as of an offset, for those who join in the middle.
pub trait SnapshotSource: Send + Sync {
    /// The state; `None` if there is none yet.
    fn snapshot(&self) -> Option<Snapshot>;
}

/// The state of a room.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The log that it is of.
    pub epoch: Arc<str>,
    /// The last event that it holds.
    pub offset: u64,
    /// The state, as the room's service defines it.
    pub data: Box<RawValue>,
    /// The type of the event by which the documents' clients are told it, who know no snapshots.
    pub plain: Option<&'static str>,
}

/// A connection's place in a room. Leave it with [`Hub::leave`].
#[derive(Debug, Clone)]
pub struct Membership {
    room: RoomKey,
    members: Arc<Mutex<Members>>,
    id: u64,
    subscription: u32,
}

impl Membership {
    /// The room.
    pub fn room(&self) -> &RoomKey {
        &self.room
    }
}

/// All rooms of this instance.
pub struct Hub {
    bus: Arc<dyn Bus>,
    history: History,
    rooms: Arc<Rooms>,
    snapshots: RwLock<HashMap<RoomKey, Arc<dyn SnapshotSource>>>,
}

#[derive(Default)]
struct Rooms {
    by_key: RwLock<HashMap<RoomKey, Arc<Mutex<Members>>>>,
    ids: std::sync::atomic::AtomicU64,
}

impl Hub {
    /// Events that are read from a log at a time.
    const CHUNK: usize = 256;

    /// A hub over a bus; `history` is what the bus keeps, and what clients are told.
    pub fn new(bus: Arc<dyn Bus>, history: History) -> Self {
        let rooms = Arc::new(Rooms::default());
        bus.listen(Arc::new(Fan(rooms.clone())));
        Self { bus, history, rooms, snapshots: RwLock::default() }
    }

    /// The logs below.
    pub fn bus(&self) -> &Arc<dyn Bus> {
        &self.bus
    }

    /// Gives a room a state that late joiners begin with.
    pub fn set_snapshot(&self, room: RoomKey, source: Arc<dyn SnapshotSource>) {
        write(&self.snapshots).insert(room, source);
    }

    /// Takes a room's state away again.
    pub fn clear_snapshot(&self, room: &RoomKey) {
        write(&self.snapshots).remove(room);
    }

    /// Puts a connection in a room, and answers it with `joined` or `resumed`. Events follow; what
    /// is missing is said.
    pub async fn join(
        &self,
        room: RoomKey,
        subscription: u32,
        begin: Begin,
        out: &Arc<Outbound>,
        now_ms: u64,
    ) -> Result<Membership, BusError> {
        let id = self.rooms.ids.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let members = self.rooms.enter(&room, id, Member::new(subscription, out.clone()));
        let membership = Membership { room, members, id, subscription };
        // A member first and a reader second: what is appended in between is noted as unread.
        let after = match &begin {
            Begin::After { offset, .. } => *offset,
            Begin::Tip | Begin::History(_) => u64::MAX - 1,
        };
        // The state before the log, so that the log reaches at least as far.
        let snapshot =
            read(&self.snapshots).get(&membership.room).and_then(|source| source.snapshot());
        let slice = match self.bus.read(&membership.room, after, 0, now_ms).await {
            Ok(slice) => slice,
            Err(error) => {
                self.leave(&membership);
                return Err(error);
            }
        };
        self.place(&membership, &begin, &slice, snapshot, out);
        loop {
            match self.catch_up(&membership, out, now_ms).await {
                Ok(true) => {}
                Ok(false) => return Ok(membership),
                Err(error) => {
                    self.leave(&membership);
                    return Err(error);
                }
            }
        }
    }

    /// Takes a connection out of a room.
    pub fn leave(&self, membership: &Membership) {
        self.rooms.leave(membership);
    }

    /// The last event of a room that a connection has taken out of its queue; `None` where it stands
    /// nowhere.
    pub fn handed_on(&self, membership: &Membership, out: &Outbound) -> Option<(Arc<str>, u64)> {
        let mut members = lock(&membership.members);
        let member = members.get(membership.id)?;
        let waits = out.first_waiting(membership.subscription);
        let offset = waits.map_or(member.position, |first| first - 1);
        Some((member.epoch.clone()?, offset))
    }

    /// Brings a member that is behind forward by one piece of its log, as far as its queue has
    /// room. True if there is more to do at once.
    pub async fn catch_up(
        &self,
        membership: &Membership,
        out: &Arc<Outbound>,
        now_ms: u64,
    ) -> Result<bool, BusError> {
        let (after, seen_before) = {
            let mut members = lock(&membership.members);
            let Some(member) = members.get(membership.id) else { return Ok(false) };
            match member.mode {
                Mode::Live => return Ok(false),
                Mode::Behind { seen } => (member.position, seen),
            }
        };
        let slice = self.bus.read(&membership.room, after, Self::CHUNK, now_ms).await?;
        let mut members = lock(&membership.members);
        let Some(member) = members.get(membership.id) else { return Ok(false) };
        self.follow(member, membership, &slice);
        for (index, event) in slice.events.iter().enumerate() {
            let offset = slice.first + index as u64;
            if offset <= member.position {
                continue;
            }
            if !out.event(membership.subscription, offset, event) {
                out.fell_behind();
                return Ok(false);
            }
            member.position = offset;
        }
        // What was heard of before the read and is not in it belonged to another log.
        let news = matches!(member.mode, Mode::Behind { seen } if seen != seen_before);
        if member.reached(slice.tip) || (slice.events.is_empty() && !news) {
            member.mode = Mode::Live;
            return Ok(false);
        }
        Ok(true)
    }

    /// Appends an event to a room, once for each stamp.
    pub async fn publish(
        &self,
        room: &RoomKey,
        event: StoredEvent,
        stamp: Option<&Stamp>,
    ) -> Result<Known, BusError> {
        self.bus.append(room, event, stamp).await
    }

    /// Sends an event to whoever is in a room now; it is not logged, and may be missed.
    pub async fn signal(&self, room: &RoomKey, event: StoredEvent) -> Result<(), BusError> {
        self.bus.signal(room, event).await
    }

    /// Compares the tips of occupied rooms with their logs: a last message that was lost on the
    /// way here would otherwise be missed in silence.
    pub async fn compare_tips(&self, now_ms: u64) -> Result<(), BusError> {
        let rooms: Vec<_> = read(&self.rooms.by_key)
            .iter()
            .map(|(key, members)| (key.clone(), members.clone()))
            .collect();
        for (room, members) in rooms {
            let slice = self.bus.read(&room, u64::MAX - 1, 0, now_ms).await?;
            for member in lock(&members).iter_mut() {
                member.noticed(&slice.epoch, slice.tip);
            }
        }
        Ok(())
    }

    /// Rooms with somebody in them.
    pub fn occupied(&self) -> usize {
        read(&self.rooms.by_key).len()
    }

    /// Connections in a room.
    pub fn members(&self, room: &RoomKey) -> usize {
        read(&self.rooms.by_key).get(room).map_or(0, |members| lock(members).len())
    }

    // ---- Private ----

    /// Decides where a new member stands, and tells it.
    fn place(
        &self,
        membership: &Membership,
        begin: &Begin,
        slice: &Slice,
        snapshot: Option<Snapshot>,
        out: &Arc<Outbound>,
    ) {
        let kept_from = slice.oldest - 1;
        let mut snapshot = snapshot.filter(|state| {
            state.epoch == slice.epoch && (kept_from..=slice.tip).contains(&state.offset)
        });
        let mut missing = None;
        let (kind, offset) = match begin {
            Begin::Tip => ("joined", slice.tip),
            Begin::History(most) => {
                snapshot = None;
                ("joined", slice.tip.saturating_sub(u64::from(*most)).max(kept_from))
            }
            Begin::After { epoch, offset } if **epoch == *slice.epoch && *offset <= slice.tip => {
                if *offset >= kept_from {
                    snapshot = None;
                } else if snapshot.is_none() {
                    missing = Some(kept_from);
                }
                ("resumed", *offset)
            }
            // Another log, or one that lost what the client has of it: all that is kept is new.
            Begin::After { .. } => ("resumed", kept_from),
        };
        // A state stands for all that led to it: deliveries go on behind it.
        let offset = snapshot.as_ref().map_or(offset, |state| state.offset);
        let mut members = lock(&membership.members);
        let Some(member) = members.get(membership.id) else { return };
        member.epoch = Some(slice.epoch.clone());
        member.position = offset;
        let state = snapshot.as_ref().map(|state| &*state.data);
        out.control(self.bound(kind, membership, slice, offset, state));
        if let Some(Snapshot { plain: Some(plain), data, .. }) = &snapshot {
            out.plain_frame(encode_frame(plain, None, Some(data)));
        }
        if let Some(to) = missing {
            out.frame(gap(membership, offset + 1, to));
            member.position = to;
        }
    }

    /// Follows a log that was trimmed, or began anew, under a member.
    fn follow(&self, member: &mut Member, membership: &Membership, slice: &Slice) {
        let kept_from = slice.oldest - 1;
        let same = member.epoch.as_ref() == Some(&slice.epoch) && slice.tip >= member.position;
        if !same {
            member.epoch = Some(slice.epoch.clone());
            member.position = kept_from;
            member.out.control(self.bound("epoch", membership, slice, kept_from, None));
        } else if member.position < kept_from {
            member.out.frame(gap(membership, member.position + 1, kept_from));
            member.position = kept_from;
        }
    }

    fn bound(
        &self,
        kind: &str,
        membership: &Membership,
        slice: &Slice,
        offset: u64,
        snapshot: Option<&RawValue>,
    ) -> String {
        let bound = Bound {
            subscription: membership.subscription,
            room: membership.room.room().into(),
            epoch: (&*slice.epoch).into(),
            offset,
            tip: slice.tip,
            history: Some(self.history),
            snapshot,
        };
        encode_frame(kind, None, Some(&bound))
    }
}

fn gap(membership: &Membership, from: u64, to: u64) -> String {
    let gap = Gap {
        subscription: membership.subscription,
        room: membership.room.room().into(),
        from,
        to,
        reason: "expired".into(),
    };
    encode_frame("gap", None, Some(&gap))
}

impl Rooms {
    fn enter(&self, room: &RoomKey, id: u64, member: Member) -> Arc<Mutex<Members>> {
        let mut rooms = write(&self.by_key);
        let members = rooms.entry(room.clone()).or_default();
        lock(members).add(id, member);
        members.clone()
    }

    fn leave(&self, membership: &Membership) {
        // The table first, so that a room is never dropped under somebody who is entering it.
        let mut rooms = write(&self.by_key);
        let mut members = lock(&membership.members);
        members.remove(membership.id);
        if members.len() == 0 {
            rooms.remove(&membership.room);
        }
    }
}

/// Hands what happens on the bus to the members of this instance.
struct Fan(Arc<Rooms>);

impl Fan {
    fn each(&self, room: &RoomKey, mut act: impl FnMut(&mut Member)) {
        let members = read(&self.0.by_key).get(room).cloned();
        if let Some(members) = members {
            lock(&members).iter_mut().for_each(&mut act);
        }
    }
}

impl Listener for Fan {
    fn appended(&self, room: &RoomKey, epoch: &Arc<str>, offset: u64, event: &Arc<StoredEvent>) {
        self.each(room, |member| member.appended(epoch, offset, event));
    }

    fn signalled(&self, room: &RoomKey, event: &Arc<StoredEvent>) {
        self.each(room, |member| member.signalled(event));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
