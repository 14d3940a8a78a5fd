//! Which logs make way when a store is full.
//!
//! The tenant that keeps the most gives up its quietest rooms first, so that nobody can push the
//! history of others out. It only chooses, and forgets nothing itself.

use std::collections::HashMap;

use super::RoomKey;

/// What a store may keep of all rooms together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreBounds {
    /// Most rooms that have a log.
    pub rooms: usize,
    /// Most bytes of events.
    pub bytes: usize,
    /// Most clients whose publishes are remembered.
    pub producers: usize,
}

impl Default for StoreBounds {
    fn default() -> Self {
        Self { rooms: 100_000, bytes: 1 << 30, producers: 100_000 }
    }
}

/// A log that may have to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) room: RoomKey,
    pub(super) last_used_ms: u64,
    pub(super) bytes: usize,
}

/// The rooms to forget so that what stays has room to grow: an eighth of each bound is free then,
/// and choosing, which looks at every room, is done seldom.
pub(super) fn victims(candidates: Vec<Candidate>, bounds: StoreBounds) -> Vec<RoomKey> {
    let target = |most: usize| most - most / 8;
    let mut rooms = candidates.len();
    let mut bytes: usize = candidates.iter().map(|candidate| candidate.bytes).sum();
    let mut tenants: HashMap<String, Tenant> = HashMap::new();
    for candidate in candidates {
        let tenant = tenants.entry(candidate.room.tenant().to_owned()).or_default();
        tenant.bytes += candidate.bytes;
        tenant.logs.push(candidate);
    }
    for tenant in tenants.values_mut() {
        // The quietest is taken from the end.
        tenant.logs.sort_unstable_by_key(|log| std::cmp::Reverse(log.last_used_ms));
    }
    let mut victims = Vec::new();
    while rooms > target(bounds.rooms) || bytes > target(bounds.bytes) {
        let too_many = rooms > target(bounds.rooms);
        let size = |tenant: &Tenant| if too_many { tenant.logs.len() } else { tenant.bytes };
        let Some(largest) = tenants.values_mut().max_by_key(|tenant| size(tenant)) else { break };
        let Some(victim) = largest.logs.pop() else { break };
        largest.bytes -= victim.bytes;
        bytes -= victim.bytes;
        rooms -= 1;
        victims.push(victim.room);
    }
    victims
}

#[derive(Default)]
struct Tenant {
    logs: Vec<Candidate>,
    bytes: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(tenant: &str, number: u64, bytes: usize) -> Candidate {
        let room = RoomKey::new(tenant, &format!("r{number}"));
        Candidate { room, last_used_ms: number, bytes }
    }

    fn names(rooms: &[RoomKey]) -> Vec<String> {
        rooms.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_quietest_rooms_of_the_largest_tenant_go() {
        let bounds = StoreBounds { rooms: 8, bytes: 1_000, producers: 1 };
        let mut logs: Vec<_> = (1..=7).map(|number| log("flood", number, 1)).collect();
        logs.extend([log("quiet", 0, 1), log("quiet", 1, 1)]);
        assert_eq!(names(&victims(logs, bounds)), ["flood/r1", "flood/r2"]);
    }

    #[test]
    fn bytes_count_too() {
        let bounds = StoreBounds { rooms: 100, bytes: 80, producers: 1 };
        let logs = vec![log("a", 1, 10), log("b", 2, 40), log("b", 3, 30), log("a", 4, 10)];
        assert_eq!(names(&victims(logs, bounds)), ["b/r2"]);
        assert!(victims(vec![log("a", 1, 70)], bounds).is_empty());
    }
}
