//! What the server does for its clients, and who may ask for it.
//!
//! Services know the hub and each other's public side; they know no sockets, frames or links.

pub mod ai;
mod chat;
pub(crate) mod dashboards;
pub(crate) mod emit;
pub mod generation;
mod monitor;
mod notifications;
mod payload;
mod presence;
mod rights;
mod rooms;
mod state_room;
pub mod tasks;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use serde_json::value::RawValue;

use crate::config::Config;
use crate::gateway::Refusal;
use crate::gateway::limits::Places;
use crate::hub::Hub;
use crate::session::{Caller, Permit, Services};
use ai::AiService;
use dashboards::Dashboards;
use generation::{GenerationParts, GenerationService, OfflineGenerator, PreviewStore};
use monitor::Monitor;
use notifications::Notifications;
pub(crate) use payload::random_id;
use presence::PresenceService;
use rights::Rights;
use tasks::{Kind, Tasks};

/// For whoever asked for another one.
const METHODS: &str = "ai.ask, ai.cancel, chat.send, chat.typing, dashboards.list, \
                       generation.start, generation.cancel, generation.retry, get_stats, \
                       log_event, notifications.read, \
                       notifications.send, rooms.history, tasks.start, tasks.list, tasks.get, \
                       tasks.cancel, tasks.retry";

/// The services of one server.
pub struct AllServices {
    hub: Arc<Hub>,
    ai: Arc<AiService>,
    presence: Arc<PresenceService>,
    notifications: Arc<Notifications>,
    tasks: Arc<Tasks>,
    generation: Arc<GenerationService>,
    previews: Arc<PreviewStore>,
    dashboards: Arc<Dashboards>,
    rights: Rights,
    places: Places,
    monitor: Monitor,
}

impl AllServices {
    /// All services over one hub; `kinds` are those of tasks, beside the generation of websites.
    pub fn new(
        hub: Arc<Hub>,
        ai: Arc<AiService>,
        mut kinds: Vec<Arc<dyn Kind>>,
        places: Places,
        config: &Config,
    ) -> Self {
        let linger = Duration::from_millis(config.presence.linger_ms);
        let presence = PresenceService::new(hub.clone(), linger);
        let notifications = Arc::new(Notifications::new(hub.clone()));
        let generator = Arc::new(OfflineGenerator);
        let parts = GenerationParts::new(hub.clone(), &config.generation, generator);
        kinds.push(parts.kind());
        let previews = parts.previews();
        let tasks = Tasks::new(hub.clone(), config.tasks.clone(), notifications.clone(), kinds);
        let generation = Arc::new(parts.service(tasks.clone()));
        let monitor = Monitor::new(hub.clone(), places.clone());
        let dashboards = Arc::new(Dashboards::new(&hub, &monitor, &config.dashboards));
        let rights = Rights {
            ai: ai.clone(),
            presence: presence.clone(),
            notifications: notifications.clone(),
            tasks: tasks.clone(),
            generation: generation.clone(),
            dashboards: dashboards.clone(),
        };
        Self {
            hub,
            ai,
            presence,
            notifications,
            tasks,
            generation,
            previews,
            dashboards,
            rights,
            places,
            monitor,
        }
    }

    /// The process manager.
    pub(crate) fn tasks(&self) -> &Arc<Tasks> {
        &self.tasks
    }

    /// Sends an event of another service of the operator's.
    pub(crate) async fn emit(
        &self,
        emission: emit::Emission,
        now_ms: u64,
    ) -> Result<Box<RawValue>, Refusal> {
        emit::emit(&self.hub, &self.notifications, emission, now_ms).await
    }

    /// The pages of generations.
    pub(crate) fn previews(&self) -> &Arc<PreviewStore> {
        &self.previews
    }

    /// The dashboards.
    pub(crate) fn dashboards(&self) -> &Arc<Dashboards> {
        &self.dashboards
    }
}

impl Services for AllServices {
    fn may_join<'a>(
        &'a self,
        caller: &'a Caller,
        room: &'a str,
        now_ms: u64,
    ) -> BoxFuture<'a, Result<(), Refusal>> {
        self.rights.may_join(caller, room, now_ms).boxed()
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
            "chat.typing" => {
                presence::typing(&self.hub, caller, data, now_ms, &self.rights).boxed()
            }
            "dashboards.list" => ready(self.dashboards.list(caller, data)).boxed(),
            "rooms.history" => {
                rooms::history(&self.hub, caller, data, now_ms, &self.rights).boxed()
            }
            "get_stats" => ready(self.monitor.stats()).boxed(),
            "log_event" => ready(monitor::log_event(caller, data)).boxed(),
            "notifications.read" => self.notifications.read(caller, data, now_ms).boxed(),
            "notifications.send" => self.notifications.send(caller, data, now_ms).boxed(),
            "generation.start" => generation::start(&self.generation, caller, data).boxed(),
            "generation.cancel" => {
                ready(generation::cancel(&self.generation, caller, data)).boxed()
            }
            "generation.retry" => generation::retry(&self.generation, caller, data).boxed(),
            "tasks.start" => tasks::start(&self.tasks, caller, data).boxed(),
            "tasks.list" => ready(tasks::list(&self.tasks, caller, data)).boxed(),
            "tasks.get" => ready(tasks::get(&self.tasks, caller, data)).boxed(),
            "tasks.cancel" => ready(tasks::cancel(&self.tasks, caller, data)).boxed(),
            "tasks.retry" => tasks::retry(&self.tasks, caller, data).boxed(),
            _ => ready(Err(Refusal::NotFound(format!(
                "there is no method {:?}; there are {METHODS}",
                payload::shorten(method)
            ))))
            .boxed(),
        }
    }

    fn appear(&self, caller: &Caller, room: &str) -> Option<Permit> {
        self.presence.appear(caller, room)
    }

    fn enter(&self, caller: &Caller) -> Result<Permit, Refusal> {
        let permit = self.places.enter(&caller.identity, &caller.instance)?;
        Ok(Box::new(permit))
    }
}
