//! The services of the simulated server: a counter that must count each call once, one that may
//! count twice, a room that nobody may enter, and events that nobody may publish.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use serde_json::value::RawValue;
use staywire_server::gateway::limits::Places;
use staywire_server::gateway::refusal::Refusal;
use staywire_server::session::{Caller, Services};

use crate::model::uid_of;

/// The room that nobody may enter.
pub(crate) const CLOSED_ROOM: &str = "closed";

/// The type of events that nobody may publish.
pub(crate) const FORBIDDEN_EVENT: &str = "forbidden";

/// How often each call took effect, over all instances and their restarts.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    counts: Mutex<BTreeMap<u64, u32>>,
}

impl Effects {
    pub(crate) fn of(&self, uid: u64) -> u32 {
        self.counts.lock().expect("no poison").get(&uid).copied().unwrap_or(0)
    }
}

/// The services of one instance.
pub(crate) struct Desk {
    pub(crate) effects: Arc<Effects>,
    pub(crate) places: Places,
    /// Planted: each call takes effect twice.
    pub(crate) twice: bool,
}

impl Services for Desk {
    fn may_join<'a>(
        &'a self,
        _caller: &'a Caller,
        room: &'a str,
        _now_ms: u64,
    ) -> BoxFuture<'a, Result<(), Refusal>> {
        let allowed = match room {
            CLOSED_ROOM => Err(Refusal::Forbidden("nobody may be here".into())),
            _ => Ok(()),
        };
        ready(allowed).boxed()
    }

    fn may_publish(
        &self,
        _caller: &Caller,
        _room: &str,
        kind: &str,
        _data: Option<&RawValue>,
    ) -> Result<(), Refusal> {
        match kind {
            FORBIDDEN_EVENT => Err(Refusal::Forbidden("nobody may say this".into())),
            _ => Ok(()),
        }
    }

    fn call<'a>(
        &'a self,
        _caller: &'a Caller,
        _method: &'a str,
        data: Option<&'a RawValue>,
        _now_ms: u64,
    ) -> BoxFuture<'a, Result<Box<RawValue>, Refusal>> {
        let uid = data.and_then(|data| uid_of(data.get())).unwrap_or(0);
        let times = if self.twice { 2 } else { 1 };
        *self.effects.counts.lock().expect("no poison").entry(uid).or_default() += times;
        ready(Ok(RawValue::from_string(format!("{uid}")).expect("a number is JSON"))).boxed()
    }

    fn appear(&self, _caller: &Caller, _room: &str) -> Option<staywire_server::session::Permit> {
        None
    }

    fn enter(&self, caller: &Caller) -> Result<Box<dyn Send + Sync>, Refusal> {
        let permit = self.places.enter(&caller.identity, &caller.instance)?;
        Ok(Box::new(permit))
    }
}
