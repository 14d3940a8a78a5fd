//! Whether the other end is there, said hello, still may be here, and has any business here.

use super::Shared;
use crate::gateway::Identity;
use crate::gateway::refusal::Refusal;

/// What silence asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Todo {
    Nothing,
    Ping,
}

#[derive(Debug)]
pub(super) struct Liveness {
    interval_ms: u64,
    timeout_ms: u64,
    idle_timeout_ms: u64,
    hello_timeout_ms: u64,
    /// When the hello must be here; `None` once it is.
    hello_by_ms: Option<u64>,
    expires_at_ms: Option<u64>,
    heard_ms: u64,
    pinged_ms: Option<u64>,
    busy_ms: u64,
}

impl Liveness {
    pub(super) fn new(shared: &Shared, identity: &Identity, now_ms: u64) -> Self {
        Self {
            interval_ms: shared.heartbeat.interval_ms,
            timeout_ms: shared.heartbeat.timeout_ms,
            idle_timeout_ms: shared.limits.idle_timeout_ms,
            hello_timeout_ms: shared.limits.hello_timeout_ms,
            hello_by_ms: Some(now_ms.saturating_add(shared.limits.hello_timeout_ms)),
            expires_at_ms: identity.expires_at_ms,
            heard_ms: now_ms,
            pinged_ms: None,
            busy_ms: now_ms,
        }
    }

    /// Anything arrived.
    pub(super) fn heard(&mut self, now_ms: u64) {
        self.heard_ms = now_ms;
        self.pinged_ms = None;
    }

    /// A command arrived: more than a sign of life.
    pub(super) fn busy(&mut self, now_ms: u64) {
        self.busy_ms = now_ms;
    }

    pub(super) fn greeted(&mut self) {
        self.hello_by_ms = None;
    }

    pub(super) fn is_greeted(&self) -> bool {
        self.hello_by_ms.is_none()
    }

    /// When to look again. `idle`: the connection is in no room.
    pub(super) fn deadline(&self, idle: bool) -> u64 {
        let silence = match self.pinged_ms {
            Some(pinged) => pinged.saturating_add(self.timeout_ms),
            None => self.heard_ms.saturating_add(self.interval_ms),
        };
        silence
            .min(self.hello_by_ms.unwrap_or(u64::MAX))
            .min(self.expires_at_ms.unwrap_or(u64::MAX))
            .min(self.idle_until_ms(idle))
    }

    /// When the connection has had no business here for too long.
    fn idle_until_ms(&self, idle: bool) -> u64 {
        match self.idle_timeout_ms {
            0 => u64::MAX,
            _ if !idle => u64::MAX,
            timeout_ms => self.busy_ms.saturating_add(timeout_ms),
        }
    }

    /// What the time asks for. `idle`: the connection is in no room.
    pub(super) fn check(&mut self, now_ms: u64, idle: bool) -> Result<Todo, Refusal> {
        if self.hello_by_ms.is_some_and(|by| by <= now_ms) {
            return Err(Refusal::HelloTimeout { after_ms: self.hello_timeout_ms });
        }
        if self.expires_at_ms.is_some_and(|end| end <= now_ms) {
            return Err(Refusal::TokenExpired);
        }
        // However lively it is: pings of its own would keep it here for ever.
        if self.idle_until_ms(idle) <= now_ms {
            return Err(Refusal::IdleTimeout { after_ms: self.idle_timeout_ms });
        }
        if let Some(pinged) = self.pinged_ms {
            if pinged.saturating_add(self.timeout_ms) <= now_ms {
                return Err(Refusal::PeerDead {
                    after_ms: self.interval_ms.saturating_add(self.timeout_ms),
                });
            }
            return Ok(Todo::Nothing);
        }
        if self.heard_ms.saturating_add(self.interval_ms) > now_ms {
            return Ok(Todo::Nothing);
        }
        self.pinged_ms = Some(now_ms);
        Ok(Todo::Ping)
    }
}
