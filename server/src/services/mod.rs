//! What the server does for its clients, and who may ask for it.
//!
//! Services know the hub and each other's public side; they know no sockets, frames or links.

pub mod ai;
mod chat;
mod notifications;
mod payload;
mod rights;

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use serde_json::value::RawValue;

use crate::gateway::Refusal;
use crate::gateway::limits::Places;
use crate::hub::Hub;
use crate::session::{Caller, Permit, Services};
use ai::AiService;
pub(crate) use payload::random_id;

/// The services of one server.
pub struct AllServices {
    hub: Arc<Hub>,
    ai: Arc<AiService>,
    places: Places,
}

impl AllServices {
    /// All services over one hub.
    pub fn new(hub: Arc<Hub>, ai: Arc<AiService>, places: Places) -> Self {
        Self { hub, ai, places }
    }
}

impl Services for AllServices {
    fn may_join<'a>(
        &'a self,
        caller: &'a Caller,
        room: &'a str,
        now_ms: u64,
    ) -> BoxFuture<'a, Result<(), Refusal>> {
        rights::may_join(&self.ai, caller, room, now_ms).boxed()
    }

    fn may_publish(
        &self,
        caller: &Caller,
        room: &str,
        kind: &str,
        data: Option<&RawValue>,
    ) -> Result<(), Refusal> {
        rights::may_publish(caller, room, kind, data)
    }

    fn call<'a>(
        &'a self,
        caller: &'a Caller,
        method: &'a str,
        data: Option<&'a RawValue>,
        now_ms: u64,
    ) -> BoxFuture<'a, Result<Box<RawValue>, Refusal>> {
        match method {
            "ai.ask" => ai::ask(&self.ai, caller, data, now_ms).boxed(),
            "ai.cancel" => ready(ai::cancel_answer(&self.ai, caller, data)).boxed(),
            "chat.send" => chat::send(&self.hub, caller, data, now_ms).boxed(),
            "notifications.send" => notifications::send(&self.hub, caller, data, now_ms).boxed(),
            _ => ready(Err(Refusal::NotFound(format!(
                "there is no method {:?}; there are ai.ask, ai.cancel, chat.send, notifications.send",
                payload::shorten(method)
            ))))
            .boxed(),
        }
    }

    fn enter(&self, caller: &Caller) -> Result<Permit, Refusal> {
        let permit = self.places.enter(&caller.identity, &caller.instance)?;
        Ok(Box::new(permit))
    }
}
