//! One-time tickets: a browser trades its token for one by POST, and shows it at the upgrade.
//!
//! A ticket is good once, for a short while, and means the identity that fetched it. Only hashes of
//! tickets are kept, and a bounded number of them. Time is passed in.
//!
//! Tickets live in this process: where several serve one name, the upgrade must reach the process that
//! gave the ticket.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;

use super::identity::{Identity, random_text};
use super::refusal::Refusal;
use crate::config::TicketsConfig;

/// The tickets that are out.
#[derive(Debug)]
pub struct Tickets {
    config: TicketsConfig,
    out: Mutex<Out>,
}

/// What `POST /auth/ticket` answers.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Ticket {
    /// The ticket: 256 random bits as base64url, which is also valid in a subprotocol's name.
    pub ticket: String,
    /// How long it can be redeemed, in ms from now.
    pub expires_in_ms: u64,
}

impl Tickets {
    /// No tickets yet.
    pub fn new(config: TicketsConfig) -> Self {
        Self { config, out: Mutex::default() }
    }

    /// A ticket for a caller whose token was verified. `now_ms` is in ms since the Unix epoch.
    pub fn issue(&self, identity: Identity, now_ms: u64) -> Result<Ticket, Refusal> {
        let text = random_text::<32>()?;
        let mut out = self.lock();
        out.forget_until(now_ms);
        let owner = owner(&identity);
        let held = out.by_owner.get(&owner).copied().unwrap_or(0);
        if held >= self.config.per_subject || out.by_hash.len() >= self.config.total {
            // The oldest of all is never younger than the oldest of this subject, so this is when
            // asking again makes sense, at the earliest.
            let oldest = out.by_end.first_key_value().map_or(now_ms, |((end, _), _)| *end);
            let retry_after_ms = oldest.saturating_sub(now_ms).max(1);
            return Err(Refusal::RateLimited {
                what: "tickets that were not used",
                retry_after_ms,
            });
        }
        let end_ms = now_ms.saturating_add(self.config.life_ms);
        out.insert(hash(&text), identity, end_ms);
        Ok(Ticket { ticket: text, expires_in_ms: self.config.life_ms })
    }

    /// Whom the ticket stands for; it is gone afterwards. `now_ms` is in ms since the Unix epoch.
    pub fn redeem(&self, ticket: &str, now_ms: u64) -> Result<Identity, Refusal> {
        let mut out = self.lock();
        out.forget_until(now_ms);
        let identity = out.remove(&hash(ticket)).ok_or(Refusal::TicketInvalid)?;
        if identity.is_expired(now_ms) {
            return Err(Refusal::TokenExpired);
        }
        Ok(identity)
    }

    /// How many tickets are out.
    pub fn outstanding(&self, now_ms: u64) -> usize {
        let mut out = self.lock();
        out.forget_until(now_ms);
        out.by_hash.len()
    }

    fn lock(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("expires_in_ms", &self.expires_in_ms).finish_non_exhaustive()
    }
}

type Hash = [u8; 32];

/// Tenant and subject.
type Owner = (String, String);

#[derive(Debug, Default)]
struct Out {
    by_hash: HashMap<Hash, Entry>,
    by_end: BTreeMap<(u64, u64), Hash>,
    by_owner: HashMap<Owner, usize>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    identity: Identity,
    end: (u64, u64),
}

impl Out {
    fn insert(&mut self, hash: Hash, identity: Identity, end_ms: u64) {
        let end = (end_ms, self.next);
        self.next += 1;
        self.by_end.insert(end, hash);
        *self.by_owner.entry(owner(&identity)).or_default() += 1;
        self.by_hash.insert(hash, Entry { identity, end });
    }

    fn remove(&mut self, hash: &Hash) -> Option<Identity> {
        let Entry { identity, end } = self.by_hash.remove(hash)?;
        self.by_end.remove(&end);
        let owner = owner(&identity);
        if let Some(held) = self.by_owner.get_mut(&owner) {
            *held -= 1;
            if *held == 0 {
                self.by_owner.remove(&owner);
            }
        }
        Some(identity)
    }

    fn forget_until(&mut self, now_ms: u64) {
        while let Some(oldest) = self.by_end.first_entry() {
            if oldest.key().0 > now_ms {
                break;
            }
            let hash = oldest.remove();
            self.remove(&hash);
        }
    }
}

fn owner(identity: &Identity) -> Owner {
    (identity.tenant.clone(), identity.subject.clone())
}

fn hash(ticket: &str) -> Hash {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, ticket.as_bytes()).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(subject: &str) -> Identity {
        Identity {
            subject: subject.to_owned(),
            tenant: "acme".to_owned(),
            roles: vec!["editor".to_owned()],
            expires_at_ms: Some(100_000),
            anonymous: false,
        }
    }

    fn tickets() -> Tickets {
        Tickets::new(TicketsConfig { life_ms: 30_000, per_subject: 2, total: 3 })
    }

    #[test]
    fn a_ticket_is_good_once() {
        let tickets = tickets();
        let ticket = tickets.issue(identity("ada"), 0).unwrap();
        assert_eq!(ticket.expires_in_ms, 30_000);
        assert_eq!(tickets.redeem(&ticket.ticket, 1).unwrap(), identity("ada"));
        assert_eq!(tickets.redeem(&ticket.ticket, 1), Err(Refusal::TicketInvalid));
        let out = tickets.lock();
        assert!(out.by_end.is_empty() && out.by_owner.is_empty(), "a used ticket leaves nothing");
    }

    #[test]
    fn a_ticket_ends_on_time() {
        let tickets = tickets();
        let (early, late) = (
            tickets.issue(identity("ada"), 0).unwrap(),
            tickets.issue(identity("ada"), 0).unwrap(),
        );
        assert!(tickets.redeem(&early.ticket, 29_999).is_ok());
        assert_eq!(tickets.redeem(&late.ticket, 30_000), Err(Refusal::TicketInvalid));
    }

    #[test]
    fn a_ticket_does_not_outlive_its_token() {
        let tickets = tickets();
        let ticket = tickets.issue(identity("ada"), 90_000).unwrap();
        assert_eq!(tickets.redeem(&ticket.ticket, 100_000), Err(Refusal::TokenExpired));
    }

    #[test]
    fn tickets_are_long_distinct_and_not_printed() {
        let tickets = tickets();
        let (one, two) =
            (tickets.issue(identity("a"), 0).unwrap(), tickets.issue(identity("b"), 0).unwrap());
        assert_ne!(one.ticket, two.ticket);
        assert_eq!(one.ticket.len(), 43);
        assert!(one.ticket.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
        assert!(!format!("{one:?}{tickets:?}").contains(&one.ticket));
        for guess in ["", "x", &one.ticket[..42]] {
            assert_eq!(tickets.redeem(guess, 0), Err(Refusal::TicketInvalid));
        }
    }

    #[test]
    fn a_subject_holds_a_bounded_number() {
        let tickets = tickets();
        let first = tickets.issue(identity("ada"), 0).unwrap();
        tickets.issue(identity("ada"), 10_000).unwrap();
        let refusal = tickets.issue(identity("ada"), 20_000).unwrap_err();
        assert_eq!((refusal.code(), refusal.retry_after_ms()), ("rate_limited", Some(10_000)));
        tickets.redeem(&first.ticket, 20_000).unwrap();
        assert!(tickets.issue(identity("ada"), 20_000).is_ok());
    }

    #[test]
    fn all_together_hold_a_bounded_number_and_the_memory_comes_back() {
        let tickets = tickets();
        for subject in ["a", "b", "c"] {
            tickets.issue(identity(subject), 0).unwrap();
        }
        assert_eq!(tickets.issue(identity("d"), 0).unwrap_err().code(), "rate_limited");
        assert!(tickets.issue(identity("d"), 30_000).is_ok());
        assert_eq!(tickets.outstanding(30_000), 1);
        assert_eq!(tickets.outstanding(60_000), 0);
        let out = tickets.lock();
        assert!(out.by_end.is_empty() && out.by_owner.is_empty());
    }
}
