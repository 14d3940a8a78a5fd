//! The sessions that websites are generated in: whose they are, and what each is at.
//!
//! An id belongs to whoever used it first, on all of the server, because a preview's address has
//! nothing but the id in it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::course::Course;
use super::preview::PreviewStore;
use crate::bus::RoomKey;
use crate::config::GenerationConfig;
use crate::gateway::Refusal;
use crate::hub::Hub;
use crate::services::state_room::StateRoom;
use crate::services::tasks::Owner;
use crate::session::unavailable;
use crate::time::unix_ms;

/// A session's room.
pub(crate) const ROOM_PREFIX: &str = "session:";

/// Longest session or project id in bytes.
const MAX_ID_BYTES: usize = 128;

/// All sessions of a server.
pub(super) struct Sessions {
    hub: Arc<Hub>,
    most: usize,
    most_per_subject: usize,
    previews: Arc<PreviewStore>,
    by_id: Mutex<HashMap<String, Arc<Session>>>,
}

/// One session.
pub(super) struct Session {
    pub(super) owner: Owner,
    pub(super) room: Arc<StateRoom<Course>>,
    current: Mutex<Current>,
    used_ms: AtomicU64,
}

#[derive(Default)]
struct Current {
    task_id: String,
    running: bool,
}

impl Sessions {
    pub(super) fn new(
        hub: Arc<Hub>,
        config: &GenerationConfig,
        previews: Arc<PreviewStore>,
    ) -> Self {
        let (most, most_per_subject) = (config.sessions, config.sessions_per_subject);
        Self { hub, most, most_per_subject, previews, by_id: Mutex::default() }
    }

    /// The session of that id, which is the owner's from now on.
    pub(super) async fn claim(
        &self,
        owner: &Owner,
        session_id: &str,
    ) -> Result<Arc<Session>, Refusal> {
        check_id("session_id", session_id)?;
        let now_ms = unix_ms();
        let key = RoomKey::new(&owner.tenant, &format!("{ROOM_PREFIX}{session_id}"));
        // What is forgotten here can still be read in the room: the room knows whose it is.
        let claimed = self.hub.bus().claim(&key, &owner.subject, now_ms).await;
        if !claimed.map_err(|error| unavailable(&error))? {
            return Err(Refusal::SessionTaken);
        }
        let mut sessions = lock(&self.by_id);
        if let Some(known) = sessions.get(session_id) {
            if known.owner != *owner {
                return Err(Refusal::SessionTaken);
            }
            known.used_ms.store(now_ms, Ordering::Relaxed);
            return Ok(known.clone());
        }
        let mine = |session: &Session| session.owner == *owner;
        if sessions.values().filter(|session| mine(session)).count() >= self.most_per_subject {
            self.forget_quietest(&mut sessions, mine);
        } else if sessions.len() >= self.most {
            self.forget_quietest(&mut sessions, |_| true);
        }
        let session = Arc::new(Session {
            owner: owner.clone(),
            room: StateRoom::new(self.hub.clone(), key, Course::default()),
            current: Mutex::default(),
            used_ms: AtomicU64::new(now_ms),
        });
        sessions.insert(session_id.to_owned(), session.clone());
        Ok(session)
    }

    /// The owner's session of that id, if there is one.
    pub(super) fn find(&self, owner: &Owner, session_id: &str) -> Result<Arc<Session>, Refusal> {
        let found = lock(&self.by_id).get(session_id).cloned();
        found.filter(|session| session.owner == *owner).ok_or_else(|| {
            Refusal::NotFound(
                "there is no such generation of yours; begin with `generation.start`".into(),
            )
        })
    }

    /// The pages of these sessions are gone.
    pub(super) fn without_preview(&self, session_ids: &[String]) {
        for session_id in session_ids {
            let found = lock(&self.by_id).get(session_id).cloned();
            if let Some(session) = found {
                session.room.with(|course| course.preview = None);
            }
        }
    }

    fn forget_quietest(
        &self,
        sessions: &mut HashMap<String, Arc<Session>>,
        among: impl Fn(&Session) -> bool,
    ) {
        let quietest = sessions
            .iter()
            .filter(|(_, session)| among(session) && !lock(&session.current).running)
            .min_by_key(|(_, session)| session.used_ms.load(Ordering::Relaxed))
            .map(|(id, _)| id.clone());
        let forgotten = quietest.and_then(|id| sessions.remove_entry(&id));
        if let Some((id, session)) = forgotten {
            session.room.close();
            // Whoever takes the id next must not come by the page of this one.
            self.previews.remove(&id);
        }
    }
}

impl Session {
    /// Takes the session for a task, unless another has it.
    pub(super) fn occupy(&self, task_id: &str) -> Result<(), Refusal> {
        let mut current = lock(&self.current);
        if current.running {
            return Err(Refusal::Busy(
                "a generation is under way in this session; wait for it, or cancel it with \
                 `generation.cancel`"
                    .into(),
            ));
        }
        *current = Current { task_id: task_id.to_owned(), running: true };
        Ok(())
    }

    /// Takes the session for another attempt at its last task.
    pub(super) fn occupy_again(&self, task_id: &str) -> Result<(), Refusal> {
        if self.task_id() != task_id {
            return Err(Refusal::BadRequest(
                "the session has begun another generation since; that one can be tried again"
                    .into(),
            ));
        }
        self.occupy(task_id)
    }

    /// The session is free for another generation.
    pub(super) fn vacate(&self) {
        lock(&self.current).running = false;
    }

    /// The task that is at work in it, or was last; empty if there was none.
    pub(super) fn task_id(&self) -> String {
        lock(&self.current).task_id.clone()
    }
}

/// Whether a session or a project may be called this.
pub(in crate::services) fn check_id(name: &str, id: &str) -> Result<(), Refusal> {
    let valid = (1..=MAX_ID_BYTES).contains(&id.len())
        && id.chars().all(|c| c.is_ascii_graphic() && !"/?#%\\\"".contains(c));
    if valid {
        return Ok(());
    }
    Err(Refusal::BadRequest(format!(
        "`{name}` must have 1 to {MAX_ID_BYTES} visible ASCII characters, none of / ? # % \\ \""
    )))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
