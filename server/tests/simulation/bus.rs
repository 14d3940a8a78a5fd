//! The store of the simulation: the memory bus, watched, and able to fail in the ways that a
//! remote one does: out of reach, or with news that never reach an instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use staywire_server::bus::memory::{DedupBounds, HistoryBounds, MemoryBus};
use staywire_server::bus::{
    Bus, BusError, FirstReply, Known, Listener, RoomKey, Slice, Stamp, StoredEvent,
};

/// Faults of the store that a schedule switches on and off, or that are planted.
#[derive(Debug, Default)]
pub(crate) struct BusFaults {
    /// Every operation fails.
    pub(crate) down: AtomicBool,
    /// Appends are not told to the instances.
    pub(crate) deaf: AtomicBool,
    /// Planted: repeats are not recognised.
    pub(crate) forgetful: AtomicBool,
    /// Planted: a new store uses the old one's epochs.
    pub(crate) same_epochs: AtomicBool,
}

impl BusFaults {
    fn epoch(&self, epoch: &Arc<str>) -> Arc<str> {
        if !self.same_epochs.load(Ordering::Relaxed) {
            return epoch.clone();
        }
        let number = epoch.split_once('.').map_or("", |(_, number)| number);
        Arc::from(format!("same.{number}"))
    }

    fn reply(&self, known: Known) -> Known {
        match known {
            Known::Answered(FirstReply::Appended { epoch, offset }) => {
                Known::Answered(FirstReply::Appended { epoch: self.epoch(&epoch), offset })
            }
            known => known,
        }
    }

    fn check(&self) -> Result<(), BusError> {
        match self.down.load(Ordering::Relaxed) {
            true => Err(BusError::Unreachable("the schedule says so".into())),
            false => Ok(()),
        }
    }
}

pub(crate) struct ModelBus {
    inner: MemoryBus,
    faults: Arc<BusFaults>,
}

impl ModelBus {
    pub(crate) fn new(
        store: &str,
        history: HistoryBounds,
        dedup: DedupBounds,
        faults: Arc<BusFaults>,
    ) -> Self {
        Self { inner: MemoryBus::new(store, history, dedup), faults }
    }

    /// Adds a listener that hears everything, whatever the instances hear.
    pub(crate) fn watch(&self, listener: Arc<dyn Listener>) {
        let faults = self.faults.clone();
        self.inner.listen(Arc::new(Ear { listener, faults, deafens: false }));
    }

    pub(crate) fn sweep(&self, now_ms: u64) {
        self.inner.sweep(now_ms);
    }

    /// The log of a room as it is now, past all faults.
    pub(crate) fn look(&self, room: &RoomKey, now_ms: u64) -> Slice {
        let slice = self.inner.read(room, u64::MAX - 1, 0, now_ms).now_or_never();
        let mut slice = slice.expect("it is ready").expect("memory can't fail");
        slice.epoch = self.faults.epoch(&slice.epoch);
        slice
    }
}

impl Bus for ModelBus {
    fn store(&self) -> Arc<str> {
        self.inner.store()
    }

    fn listen(&self, listener: Arc<dyn Listener>) {
        let faults = self.faults.clone();
        self.inner.listen(Arc::new(Ear { listener, faults, deafens: true }));
    }

    fn append<'a>(
        &'a self,
        room: &'a RoomKey,
        event: StoredEvent,
        stamp: Option<&'a Stamp>,
    ) -> BoxFuture<'a, Result<Known, BusError>> {
        if let Err(error) = self.faults.check() {
            return ready(Err(error)).boxed();
        }
        let stamp = stamp.filter(|_| !self.faults.forgetful.load(Ordering::Relaxed));
        self.inner
            .append(room, event, stamp)
            .map(|known| known.map(|known| self.faults.reply(known)))
            .boxed()
    }

    fn recall<'a>(&'a self, stamp: &'a Stamp) -> BoxFuture<'a, Result<Known, BusError>> {
        if let Err(error) = self.faults.check() {
            return ready(Err(error)).boxed();
        }
        if self.faults.forgetful.load(Ordering::Relaxed) {
            return ready(Ok(Known::New)).boxed();
        }
        self.inner.recall(stamp).map(|known| known.map(|known| self.faults.reply(known))).boxed()
    }

    fn refuse<'a>(
        &'a self,
        stamp: &'a Stamp,
        reply: FirstReply,
        now_ms: u64,
    ) -> BoxFuture<'a, Result<Known, BusError>> {
        match self.faults.check() {
            Ok(()) => self.inner.refuse(stamp, reply, now_ms),
            Err(error) => ready(Err(error)).boxed(),
        }
    }

    fn read<'a>(
        &'a self,
        room: &'a RoomKey,
        after: u64,
        limit: usize,
        now_ms: u64,
    ) -> BoxFuture<'a, Result<Slice, BusError>> {
        if let Err(error) = self.faults.check() {
            return ready(Err(error)).boxed();
        }
        self.inner
            .read(room, after, limit, now_ms)
            .map(|slice| {
                slice.map(|slice| Slice { epoch: self.faults.epoch(&slice.epoch), ..slice })
            })
            .boxed()
    }

    fn claim<'a>(
        &'a self,
        room: &'a RoomKey,
        owner: &'a str,
        now_ms: u64,
    ) -> BoxFuture<'a, Result<bool, BusError>> {
        match self.faults.check() {
            Ok(()) => self.inner.claim(room, owner, now_ms),
            Err(error) => ready(Err(error)).boxed(),
        }
    }

    fn signal<'a>(
        &'a self,
        room: &'a RoomKey,
        event: StoredEvent,
    ) -> BoxFuture<'a, Result<(), BusError>> {
        self.inner.signal(room, event)
    }
}

/// A listener, behind the faults.
struct Ear {
    listener: Arc<dyn Listener>,
    faults: Arc<BusFaults>,
    deafens: bool,
}

impl Listener for Ear {
    fn appended(&self, room: &RoomKey, epoch: &Arc<str>, offset: u64, event: &Arc<StoredEvent>) {
        if !self.deafens || !self.faults.deaf.load(Ordering::Relaxed) {
            self.listener.appended(room, &self.faults.epoch(epoch), offset, event);
        }
    }

    fn signalled(&self, room: &RoomKey, event: &Arc<StoredEvent>) {
        self.listener.signalled(room, event);
    }
}
