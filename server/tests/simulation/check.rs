//! What must hold when a run is over: everything healed, everybody caught up, every effect
//! counted, and nothing left behind.

use std::collections::BTreeMap;

use staywire::engine::{CallFailure, PublishFailure, State};

use crate::app::{End, Sent};
use crate::client::LinkState;
use crate::world::World;

impl World {
    /// Holds the end of a run against the truth. `healed` says that everybody must be connected.
    pub(crate) fn check_end(&mut self) {
        let mut wrong = Vec::new();
        self.check_connected(&mut wrong);
        self.check_rooms(&mut wrong);
        self.check_effects(&mut wrong);
        self.check_order(&mut wrong);
        self.check_bounds(&mut wrong);
        let truth = self.truth.lock().expect("no poison");
        wrong.extend(truth.conflicts().iter().take(3).cloned());
        drop(truth);
        for what in wrong {
            self.fail(what);
        }
    }

    fn check_connected(&self, wrong: &mut Vec<String>) {
        for (name, sim) in self.clients.iter().enumerate() {
            let state = sim.conn.engine().state();
            if state != State::Connected {
                wrong.push(format!("client {name} is wedged: {state:?} long after all healed"));
            }
            if !matches!(sim.links[..], [(_, LinkState::Open(_))]) {
                wrong.push(format!("client {name} has links {:?}", sim.links));
            }
        }
    }

    fn check_rooms(&self, wrong: &mut Vec<String>) {
        let truth = self.truth.lock().expect("no poison");
        let oracle =
            crate::app::Oracle { truth: &truth, bus: &self.cluster.bus, now_ms: self.server_ms() };
        let mut members: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, sim) in self.clients.iter().enumerate() {
            for stay in sim.app.stays.iter().filter(|stay| stay.active) {
                *members.entry(&stay.room).or_default() += 1;
                if let Err(what) = stay.check_end(&oracle.known(&stay.room)) {
                    wrong.push(format!("client {name}: {what}"));
                }
            }
        }
        for room in crate::driver::ROOMS {
            let (here, there) =
                (members.get(room).copied().unwrap_or(0), self.cluster.members(room));
            if here != there {
                wrong.push(format!("{here} clients are in {room}, and the server has {there}"));
            }
        }
    }

    fn check_effects(&self, wrong: &mut Vec<String>) {
        let truth = self.truth.lock().expect("no poison");
        for (name, sim) in self.clients.iter().enumerate() {
            for sent in &sim.app.sent {
                let what = match sent.room {
                    Some(_) => check_publish(sent, truth.places(sent.uid)),
                    None => check_call(sent, self.cluster.effects.of(sent.uid)),
                };
                if let Err(what) = what {
                    wrong.push(format!("client {name}: {sent:?} {what}"));
                }
            }
            let (messages, _) = sim.conn.engine().outbox_usage();
            if messages > 0 || sim.app.unanswered() > 0 {
                wrong.push(format!("client {name}: {messages} messages wait for nothing"));
            }
        }
    }

    /// What one client published in one room is in the logs in its order.
    fn check_order(&self, wrong: &mut Vec<String>) {
        let truth = self.truth.lock().expect("no poison");
        let mut last: BTreeMap<(&str, u64), u64> = BTreeMap::new();
        for (room, uid) in truth.order() {
            // The first digits name the client.
            let before = last.insert((room, uid / 1_000_000_000), *uid).unwrap_or(0);
            if before >= *uid {
                wrong.push(format!("{uid} came into {room} after {before}"));
            }
        }
    }

    fn check_bounds(&self, wrong: &mut Vec<String>) {
        for (client, held) in self.held() {
            if held != 1 {
                wrong.push(format!("client {client} and the server hold {held} connections"));
            }
        }
        for (name, sim) in self.clients.iter().enumerate() {
            // One frame is always let in, however large.
            if sim.app.deepest_queue > sim.app.max_queue.max(1_000) {
                wrong.push(format!("client {name} queued {}", sim.app.deepest_queue));
            }
        }
        if self.due() > 30 + 10 * self.clients.len() {
            wrong.push(format!("{} things are still due in silence", self.due()));
        }
        if self.cluster.conns.len() != self.clients.len() || self.cluster.queued_bytes() > 0 {
            wrong.push(format!("the server keeps {} connections", self.cluster.conns.len()));
        }
    }
}

fn check_publish(sent: &Sent, places: &[crate::model::Place]) -> Result<(), String> {
    let times = places.len();
    if times > 1 {
        return Err(format!("is in the log {times} times: {places:?}"));
    }
    let (least, most) = match &sent.end {
        End::Published { epoch, offset } => {
            let known = places.first().is_some_and(|place| {
                Some(&place.room) == sent.room.as_ref()
                    && place.epoch == *epoch
                    && place.offset == *offset
            });
            if !known {
                return Err(format!("is in the log at {places:?}"));
            }
            (1, 1)
        }
        End::Refused { code } if code == "uncertain" => (0, 1),
        End::Unpublished(PublishFailure::Uncertain) => (0, 1),
        End::Refused { .. } | End::Unpublished(_) => (0, 0),
        End::Open => return Err("was never answered".into()),
        End::Answered | End::Uncalled(_) => return Err("was answered as a call".into()),
    };
    if (least..=most).contains(&times) {
        return Ok(());
    }
    Err(format!("is in the log {times} times"))
}

fn check_call(sent: &Sent, times: u32) -> Result<(), String> {
    let (least, most) = match &sent.end {
        End::Answered => (1, 1),
        End::Refused { .. } | End::Uncalled(CallFailure::Unsupported) => (0, 0),
        End::Uncalled(_) => (0, 1),
        End::Open => return Err("was never answered".into()),
        End::Published { .. } | End::Unpublished(_) => {
            return Err("was answered as a publish".into());
        }
    };
    let most = if sent.idempotent { u32::MAX } else { most };
    if (least..=most).contains(&times) {
        return Ok(());
    }
    Err(format!("took effect {times} times"))
}
