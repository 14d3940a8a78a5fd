//! How many may be connected: to the server, and of one subject. How fast they may go is in [`pace`].
//!
//! A place that was given is held by a permit and comes back when that is dropped, whatever ended the
//! connection. Nothing here grows without bound: what is kept per caller ends with the caller.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::identity::Identity;
use super::refusal::Refusal;
use crate::config::LimitsConfig;

pub mod pace;

pub use pace::{AttemptLimiter, CommandLimiter, TenantLimiter};

/// Links that one client instance may have: two while it changes over, and some that died unnoticed.
const MAX_LINKS_PER_INSTANCE: usize = 8;

/// When to come back to a full server, in ms: about as long as a dead connection goes unnoticed.
const FULL_RETRY_MS: u64 = 30_000;

/// The places of a server: how many connections there may be, and how many clients of one subject.
///
/// Connections are counted as sockets, since that is what they cost. Subjects are counted by client
/// instance: a client that opens its next link before it closes the last is still one client.
#[derive(Debug, Clone)]
pub struct Places {
    max_connections: usize,
    instances_per_subject: usize,
    taken: Arc<Mutex<Taken>>,
}

/// The place of one connection; dropped, it is free again.
#[derive(Debug)]
pub struct ConnectionPermit {
    taken: Arc<Mutex<Taken>>,
}

/// The place of one link of a client instance; dropped, it is free again.
#[derive(Debug)]
pub struct InstancePermit {
    taken: Arc<Mutex<Taken>>,
    subject: Subject,
    instance: String,
}

impl Places {
    /// All places free.
    pub fn new(config: &LimitsConfig) -> Self {
        Self {
            max_connections: config.max_connections,
            instances_per_subject: config.instances_per_subject,
            taken: Arc::default(),
        }
    }

    /// A place for one more connection.
    pub fn connect(&self) -> Result<ConnectionPermit, Refusal> {
        let mut taken = lock(&self.taken);
        if taken.connections >= self.max_connections {
            return Err(Refusal::ServerFull { retry_after_ms: FULL_RETRY_MS });
        }
        taken.connections += 1;
        Ok(ConnectionPermit { taken: Arc::clone(&self.taken) })
    }

    /// A place for one more link of a client instance of the subject. `instance` is what the client
    /// calls itself for as long as it lives; for clients that do not, any unique text.
    pub fn enter(&self, identity: &Identity, instance: &str) -> Result<InstancePermit, Refusal> {
        let subject = (identity.tenant.clone(), identity.subject.clone());
        let mut taken = lock(&self.taken);
        let instances = taken.subjects.entry(subject.clone()).or_default();
        let full = instances.len() >= self.instances_per_subject;
        match instances.entry(instance.to_owned()) {
            Entry::Occupied(links) if *links.get() >= MAX_LINKS_PER_INSTANCE => {
                return Err(Refusal::TooManyConnections { limit: MAX_LINKS_PER_INSTANCE });
            }
            Entry::Occupied(mut links) => *links.get_mut() += 1,
            Entry::Vacant(_) if full => {
                return Err(Refusal::TooManyConnections { limit: self.instances_per_subject });
            }
            Entry::Vacant(place) => {
                place.insert(1);
            }
        }
        let instance = instance.to_owned();
        Ok(InstancePermit { taken: Arc::clone(&self.taken), subject, instance })
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        lock(&self.taken).connections
    }

    /// Client instances of all subjects that are connected.
    pub fn instances(&self) -> usize {
        lock(&self.taken).subjects.values().map(HashMap::len).sum()
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        lock(&self.taken).connections -= 1;
    }
}

impl Drop for InstancePermit {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        let Some(instances) = taken.subjects.get_mut(&self.subject) else {
            return;
        };
        if let Some(links) = instances.get_mut(&self.instance) {
            *links -= 1;
            if *links == 0 {
                instances.remove(&self.instance);
            }
        }
        if instances.is_empty() {
            taken.subjects.remove(&self.subject);
        }
    }
}

/// Tenant and subject.
type Subject = (String, String);

#[derive(Debug, Default)]
struct Taken {
    connections: usize,
    subjects: HashMap<Subject, HashMap<String, usize>>,
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> LimitsConfig {
        LimitsConfig { max_connections: 2, instances_per_subject: 2, ..LimitsConfig::default() }
    }

    fn ada(tenant: &str) -> Identity {
        Identity {
            subject: "ada".into(),
            tenant: tenant.into(),
            roles: vec![],
            expires_at_ms: None,
            anonymous: false,
        }
    }

    #[test]
    fn a_dropped_connection_frees_its_place() {
        let places = Places::new(&config());
        let first = places.connect().unwrap();
        let _second = places.connect().unwrap();
        let refusal = places.connect().unwrap_err();
        assert_eq!(refusal.code(), "server_full");
        assert!(refusal.retry_after_ms().is_some());
        drop(first);
        assert_eq!(places.connections(), 1);
        assert!(places.connect().is_ok());
    }

    #[test]
    fn clients_are_counted_and_links_are_not() {
        let places = Places::new(&config());
        let acme = ada("acme");
        let old_link = places.enter(&acme, "phone").unwrap();
        let new_link = places.enter(&acme, "phone").unwrap();
        let _laptop = places.enter(&acme, "laptop").unwrap();
        assert_eq!(places.enter(&acme, "tablet").unwrap_err().code(), "too_many_connections");
        assert!(places.enter(&ada("other"), "tablet").is_ok(), "another tenant's ada is another");
        drop(old_link);
        assert!(places.enter(&acme, "tablet").is_err(), "the phone is still here");
        drop(new_link);
        assert!(places.enter(&acme, "tablet").is_ok());
    }

    #[test]
    fn one_client_cannot_pile_up_links() {
        let places = Places::new(&config());
        let links: Vec<_> = (0..MAX_LINKS_PER_INSTANCE)
            .map(|_| places.enter(&ada("acme"), "phone").unwrap())
            .collect();
        assert!(places.enter(&ada("acme"), "phone").is_err());
        drop(links);
        assert_eq!(places.instances(), 0);
        assert!(lock(&places.taken).subjects.is_empty(), "memory returns to its base");
    }
}
