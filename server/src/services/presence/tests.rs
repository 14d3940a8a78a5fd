//! The service in virtual time, with a real hub and log below it.

use serde_json::Value;
use staywire::wire::control::History;

use super::*;
use crate::bus::memory::{DedupBounds, HistoryBounds, MemoryBus};
use crate::bus::{Bus, Slice};
use crate::gateway::Identity;

const LINGER: Duration = Duration::from_secs(5);

struct Rig {
    service: Arc<PresenceService>,
    bus: Arc<MemoryBus>,
}

fn rig() -> Rig {
    let bounds = HistoryBounds { events: 1_000, bytes: 1 << 20, max_age_ms: 1 << 40 };
    let dedup = DedupBounds { entries: 8, max_age_ms: 1_000 };
    let bus = Arc::new(MemoryBus::new("s", bounds, dedup));
    let history = History { max_events: 1_000, max_age_ms: 1 << 40 };
    let hub = Arc::new(Hub::new(bus.clone() as Arc<dyn Bus>, history));
    Rig { service: PresenceService::new(hub, LINGER), bus }
}

fn caller(subject: &str) -> Caller {
    let identity = Identity {
        subject: subject.into(),
        tenant: "acme".into(),
        roles: Vec::new(),
        expires_at_ms: None,
        anonymous: false,
    };
    Caller { identity, instance: format!("{subject}'s phone"), session_id: None }
}

impl Rig {
    fn rooms(&self) -> usize {
        lock(&self.service.rooms).len()
    }

    /// Who was told to be there, as everything in the log adds up to.
    async fn told(&self, room: &str) -> Vec<String> {
        use staywire::folds::Fold;
        let key = RoomKey::new("acme", &format!("{ROOM_PREFIX}{room}"));
        let Slice { events, .. } = self.bus.read(&key, 0, 1_000, unix_ms()).await.unwrap();
        let mut people = People::default();
        for event in events {
            let event: Value = serde_json::from_str(&event.json).unwrap();
            people.apply(event["type"].as_str().unwrap(), &event["data"].to_string()).unwrap();
        }
        people.users.into_keys().collect()
    }
}

/// Lets everything happen that is due within this time.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

#[tokio::test(start_paused = true)]
async fn who_comes_between_the_look_of_a_watcher_and_its_join_is_told() {
    let rig = rig();
    rig.service.open("acme", "hall").await.unwrap();
    let bob = rig.service.appear(&caller("bob"), "hall");
    pass(Duration::from_millis(1)).await;
    assert_eq!(rig.told("hall").await, [""; 0], "nobody watches yet");
    let watcher = rig.service.appear(&caller("ada"), "presence:hall");
    pass(Duration::from_millis(1)).await;
    assert_eq!(rig.told("hall").await, ["bob"]);
    drop((bob, watcher));
}

#[tokio::test(start_paused = true)]
async fn looking_without_staying_leaves_nothing_behind() {
    let rig = rig();
    for room in 0..100 {
        rig.service.open("acme", &format!("room {room}")).await.unwrap();
    }
    pass(LINGER * 2).await;
    assert_eq!(rig.rooms(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_left_by_all_is_forgotten_once_that_is_told() {
    let rig = rig();
    let bob = rig.service.appear(&caller("bob"), "hall");
    rig.service.open("acme", "hall").await.unwrap();
    let watcher = rig.service.appear(&caller("ada"), "presence:hall");
    pass(Duration::from_millis(1)).await;
    assert_eq!(rig.told("hall").await, ["bob"]);
    // The watcher goes first, so that nobody is there to be told of bob.
    drop(watcher);
    drop(bob);
    pass(LINGER * 2).await;
    assert_eq!((rig.rooms(), rig.told("hall").await.len()), (0, 0));
    // A watcher that comes back to its place in the log, or begins anew, is right either way.
    rig.service.open("acme", "hall").await.unwrap();
    assert_eq!(rig.told("hall").await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_replaced_is_no_farewell() {
    let rig = rig();
    rig.service.open("acme", "hall").await.unwrap();
    let watcher = rig.service.appear(&caller("ada"), "presence:hall");
    let first = rig.service.appear(&caller("bob"), "hall");
    pass(Duration::from_millis(1)).await;
    drop(first);
    pass(LINGER / 2).await;
    let second = rig.service.appear(&caller("bob"), "hall");
    pass(LINGER * 2).await;
    assert_eq!(rig.told("hall").await, ["bob"]);
    drop(second);
    pass(LINGER * 2).await;
    assert_eq!(rig.told("hall").await, [""; 0]);
    drop(watcher);
    pass(LINGER * 2).await;
    assert_eq!(rig.rooms(), 0);
}
