//! Websites from prompts: what a generator is, the one that is built in, the sessions that it
//! works in, and the pages that come of it.
//!
//! A generation is a task of the process manager; here is what it does, and what its session's
//! room is told.

mod calls;
mod course;
mod generator;
mod kind;
mod offline;
mod preview;
mod sessions;

pub(super) use calls::{cancel, retry, start};
pub use generator::{Generator, Made, Page, Step, StepError};
pub(super) use kind::GenerationKind;
pub use offline::OfflineGenerator;
pub use preview::{Full, PreviewStore};
pub(crate) use sessions::ROOM_PREFIX;
pub(super) use sessions::check_id;

use std::sync::Arc;

use crate::config::GenerationConfig;
use crate::gateway::Refusal;
use crate::hub::Hub;
use crate::services::tasks::{Kind, Owner, Tasks};
use crate::session::Caller;
use sessions::Sessions;

/// The generations of one server.
pub struct GenerationService {
    sessions: Arc<Sessions>,
    tasks: Arc<Tasks>,
}

/// What a generation service is made of, before there are tasks to run it in.
pub struct GenerationParts {
    sessions: Arc<Sessions>,
    previews: Arc<PreviewStore>,
    kind: Arc<GenerationKind>,
}

impl GenerationParts {
    /// Over a hub, with this generator.
    pub fn new(hub: Arc<Hub>, config: &GenerationConfig, generator: Arc<dyn Generator>) -> Self {
        let previews = Arc::new(PreviewStore::new(config.previews, config.preview_bytes));
        let sessions = Arc::new(Sessions::new(hub, config, previews.clone()));
        let kind = GenerationKind::new(generator, sessions.clone(), previews.clone(), config);
        Self { sessions, previews, kind: Arc::new(kind) }
    }

    /// The kind of task that a generation is.
    pub fn kind(&self) -> Arc<dyn Kind> {
        self.kind.clone()
    }

    /// Where its pages are.
    pub fn previews(&self) -> Arc<PreviewStore> {
        self.previews.clone()
    }

    /// The service, once there are tasks.
    pub fn service(self, tasks: Arc<Tasks>) -> GenerationService {
        GenerationService { sessions: self.sessions, tasks }
    }
}

impl GenerationService {
    /// Binds a session id to its first subject; refuses any other for as long as its room is kept.
    pub async fn claim(&self, caller: &Caller, session_id: &str) -> Result<(), Refusal> {
        self.sessions.claim(&Owner::of(caller), session_id).await.map(drop)
    }
}
